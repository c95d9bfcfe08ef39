// A cluster in memory whose chunks a tracker looks after, and everything that can go wrong with it.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { openMemoryStore } from '#kv/memory.ts'
import { silentLog } from '#observe/log.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import type { LayoutNode } from '#placement/layout.ts'
import { node as layoutNode } from '#placement/nodes.suite.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { KvTaskStore } from './kv-task-store.ts'
import type { Holders, MemberState } from './ports.ts'
import type { Decision, SuspectRange, Suspects, TaskCommit, TaskStore } from './task-store.ts'
import type { TaskTiming } from './task-timing.ts'
import { Tracker } from './tracker.ts'
import type { TrackerOptions } from './tracker.ts'
import { WorldHolders } from './world-holders.suite.ts'

export const WORLD_TIMING: TaskTiming = {
  pollMs: 500,
  retryMs: 2_000,
  saveMs: 1_000,
  fenceMs: 1_000,
  holdOffMs: 3_000,
  fullMs: 20_000,
  repairEveryMs: 120_000,
  rebalanceEveryMs: 120_000,
  collectEveryMs: 20_000,
  trimEveryMs: 10_000,
  scrubPeriodMs: 120_000,
  sessionMs: 60_000,
  trimGraceMs: 3_000,
}

interface Copy {
  readonly sizeBytes: number
  isIntact: boolean
  touchedAtMs: number
}

export class WorldNode {
  readonly layout: LayoutNode
  isUp = true
  state: MemberState = 'alive'
  /** Since when it has been readonly, if it is. */
  frozenAtMs = 0
  /** Its disk has no room. */
  isFull = false
  /** When the others declare it dead. */
  deadAtMs = Number.POSITIVE_INFINITY
  readonly chunks = new Map<ChunkId, Copy>()

  constructor(layout: LayoutNode) {
    this.layout = layout
  }

  get id(): NodeId {
    return this.layout.id
  }
}

export interface Call {
  readonly atMs: number
  readonly kind: keyof Holders
  readonly node: NodeId
  readonly bytes: number
  readonly chunk?: ChunkId
}

export interface WorldOptions {
  readonly seed?: number
  readonly nodes: number
  readonly zones?: number
  /** Copies by class. */
  readonly classes?: Readonly<Record<string, number>>
  readonly tracker?: Partial<TrackerOptions>
  readonly timing?: Partial<TaskTiming>
  /** Makes the tracker; a planted defect is put in here. */
  readonly newTracker?: (options: TrackerOptions) => Tracker
}

/** A world whose tracker runs. */
export async function startWorld(options: WorldOptions): Promise<TrackerWorld> {
  const world = new TrackerWorld(options)
  await world.settle(world.tracker.start())
  return world
}

export class TrackerWorld {
  readonly clock = new ManualClock()
  readonly random: SeededRandom
  readonly nodes = new Map<NodeId, WorldNode>()
  readonly layouts = new Map<string, LayoutPair>()
  /** What the metadata refers to. */
  readonly referenced = new Map<ChunkId, readonly string[]>()
  /** What it referred to once. */
  readonly #former = new Set<ChunkId>()
  readonly drained: NodeId[] = []
  readonly settled: string[] = []
  calls: Call[] = []
  /** What the tracker should not have done. */
  readonly violations: string[] = []
  /** Time that calls take at most; with 0 they take none. */
  delayMsMax = 0
  /** How often a call fails. */
  failureRate = 0
  /** The tracker's node ends with the call of this number from now on. */
  callsUntilCrash = Number.POSITIVE_INFINITY
  /** A metadata shard is away. */
  isShardAway = false
  /** Copies were lost or damaged, or nodes went, at this time for the last time. */
  harmedAtMs = Number.NEGATIVE_INFINITY
  tracker: Tracker
  readonly #options: WorldOptions
  readonly #kv = openMemoryStore()
  readonly #stopping = new Set<Promise<void>>()
  #epoch = 0
  #chunks = 0
  #nodeNumber = 0

  constructor(options: WorldOptions) {
    this.#options = options
    this.random = new SeededRandom(options.seed ?? 1)
    const { zones = options.nodes } = options
    for (let count = 0; count < options.nodes; count += 1) this.addNode(`zone-${count % zones}`)
    for (const [name, copies] of Object.entries(options.classes ?? { default: 3 })) {
      const nodes = [...this.nodes.values()].map(({ layout }) => layout)
      this.layouts.set(name, new LayoutPair(computeLayout({ nodes, copies, partitionBits: 6 })))
    }
    this.tracker = this.#newTracker()
  }

  addNode(zone: string): WorldNode {
    const node = new WorldNode(layoutNode(this.#nodeNumber, { zone }))
    this.#nodeNumber += 1
    this.nodes.set(node.id, node)
    return node
  }

  get list(): WorldNode[] {
    return [...this.nodes.values()]
  }

  node(id: NodeId): WorldNode {
    const node = this.nodes.get(id)
    if (node === undefined) throw new ShoalError('UNAVAILABLE', `There is no node ${id}`)
    return node
  }

  /** Stores a chunk as a writer does, and refers to it. */
  write(className = 'default', sizeBytes = 1_000, copiesMax = Number.POSITIVE_INFINITY): ChunkId {
    const id = this.store(className, sizeBytes, copiesMax)
    this.referenced.set(id, [className])
    return id
  }

  /** Copies that nothing refers to yet. */
  store(className = 'default', sizeBytes = 1_000, copiesMax = Number.POSITIVE_INFINITY): ChunkId {
    this.#chunks += 1
    const id = createHash('sha256').update(`${this.#options.seed}/${this.#chunks}`).digest('hex') as ChunkId
    const pair = this.layouts.get(className) as LayoutPair
    for (const node of this.#writersOf(id, pair).slice(0, copiesMax)) this.put(node, id, sizeBytes)
    return id
  }

  /** Holders, and in place of those that take nothing others, in zones of their own if they can be. */
  #writersOf(id: ChunkId, { next }: LayoutPair): NodeId[] {
    const takes = (node: NodeId): boolean => {
      const { isUp = false, isFull = false, state = 'dead' } = this.nodes.get(node) ?? {}
      return isUp && !isFull && state !== 'readonly'
    }
    const writers = next.holders(id).filter(takes)
    const spares = next.candidates(id).filter(takes)
    while (writers.length < next.copies && spares.length > 0) {
      const zones = new Set(writers.map((node) => next.zoneOf(node)))
      const elsewhere = spares.findIndex((node) => !zones.has(next.zoneOf(node)))
      writers.push(...spares.splice(Math.max(0, elsewhere), 1))
    }
    return writers
  }

  put(node: NodeId, id: ChunkId, sizeBytes: number): void {
    this.node(node).chunks.set(id, { sizeBytes, isIntact: true, touchedAtMs: this.clock.nowMs() })
  }

  /** Nothing refers to it from now on. */
  release(id: ChunkId): void {
    this.referenced.delete(id)
    this.#former.add(id)
  }

  /** Nodes whose copy is intact, of those that are up unless told otherwise. */
  intact(id: ChunkId, { down = false }: { down?: boolean } = {}): NodeId[] {
    return this.list.filter((node) => (down || node.isUp) && node.chunks.get(id)?.isIntact === true).map((node) => node.id)
  }

  /** Begins a change of all layouts to the nodes that there are and don't drain. */
  relayout(): void {
    const nodes = this.list.filter(({ state }) => state !== 'draining').map(({ layout }) => layout)
    for (const [name, pair] of this.layouts) {
      if (pair.isChanging) continue
      const next = computeLayout({ nodes, copies: pair.next.copies, previous: pair.next })
      this.layouts.set(name, new LayoutPair(next, pair.next))
    }
  }

  crash(node: WorldNode, afterMs: number): void {
    node.isUp = false
    if (node.state !== 'draining') node.state = 'silent'
    node.deadAtMs = this.clock.nowMs() + afterMs
    this.harmedAtMs = this.clock.nowMs()
  }

  restore(node: WorldNode): void {
    node.isUp = true
    node.deadAtMs = Number.POSITIVE_INFINITY
    if (node.state !== 'draining') node.state = 'alive'
  }

  /** Lets time pass, a step at a time. */
  async pass(ms: number, stepMs = 50): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
      await turn()
      for (const node of this.list) if (node.deadAtMs <= this.clock.nowMs() && node.state === 'silent') node.state = 'dead'
      this.clock.advance(stepMs)
    }
    await turn()
  }

  /** Lets time pass until it is so. */
  async until(isSo: () => boolean | Promise<boolean>, msMax = 600_000): Promise<void> {
    for (let passedMs = 0; !(await isSo()); passedMs += 100) {
      assert.ok(passedMs < msMax, 'it takes too long')
      await this.pass(100)
    }
  }

  /** Lets time pass until the promise is settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    void Promise.allSettled([promise]).then(() => (isSettled = true))
    await turn()
    while (!isSettled) await this.pass(50)
    return promise
  }

  /** Another node leads from now on; the one before doesn't know yet. */
  async changeLeader(): Promise<void> {
    const old = this.tracker
    this.#epoch += 1
    this.callsUntilCrash = Number.POSITIVE_INFINITY
    this.tracker = this.#newTracker()
    const stopped = this.clock.sleep(this.random.below(1_500)).then(() => old.stop())
    this.#stopping.add(stopped)
    void stopped.finally(() => this.#stopping.delete(stopped))
    await this.settle(this.tracker.start())
  }

  async stop(): Promise<void> {
    await this.settle(Promise.all([this.tracker.stop(), ...this.#stopping]))
  }

  /** What the collector suspects. */
  suspects(): Promise<Suspects> {
    return new KvTaskStore(this.#kv).suspects({ from: undefined, to: undefined })
  }

  /** All that was decided, the newest first. */
  decisions(): Promise<readonly Decision[]> {
    return new KvTaskStore(this.#kv).decisions(1e6)
  }

  #newTracker(): Tracker {
    const epoch = this.#epoch
    const options: TrackerOptions = {
      source: {
        members: () => this.list.map(({ id, state }) => ({ id, state })),
        layouts: () => this.layouts,
      },
      holders: new WorldHolders(this),
      referenced: async (ids) => {
        if (this.isShardAway) throw new ShoalError('UNAVAILABLE', 'A shard is away')
        return new Map(ids.flatMap((id) => (this.referenced.has(id) ? [[id, this.referenced.get(id) as readonly string[]]] : [])))
      },
      outcomes: {
        settled: async (name, version) => this.#settle(name, version),
        drained: async (id) => this.#drain(id),
      },
      store: this.#store(epoch),
      clock: this.clock,
      log: silentLog,
      timing: { ...WORLD_TIMING, ...this.#options.timing },
      ...this.#options.tracker,
    }
    return this.#options.newTracker?.(options) ?? new Tracker(options)
  }

  /** Fails for whoever leads no more; the commit in which that happens may have taken effect. */
  #store(epoch: number): TaskStore {
    const inner = new KvTaskStore(this.#kv)
    const check = (): void => {
      if (epoch !== this.#epoch) throw new ShoalError('UNAVAILABLE', 'Another node leads')
    }
    return {
      load: () => inner.load(),
      suspects: (range: SuspectRange): Promise<Suspects> => inner.suspects(range),
      decisions: (limit: number): Promise<readonly Decision[]> => inner.decisions(limit),
      commit: async (commit: TaskCommit) => {
        check()
        await inner.commit(commit)
        check()
      },
    }
  }

  #settle(name: string, version: number): void {
    const pair = this.layouts.get(name)
    if (pair?.next.version !== version || !pair.isChanging) return
    for (const [id, classes] of this.referenced) {
      if (!classes.includes(name) || this.intact(id).length === 0) continue
      const places = [...pair.next.holders(id), ...pair.next.candidates(id).slice(0, 16)]
      const found = this.intact(id).some((node) => places.includes(node))
      if (!found && !this.#isHarmed()) this.violations.push(`chunk ${id} isn't where the settled layout looks for it`)
    }
    this.layouts.set(name, pair.settled())
    this.settled.push(`${name} ${version}`)
  }

  #drain(id: NodeId): void {
    const drained = this.nodes.get(id)
    if (drained === undefined) return
    for (const [chunk, classes] of this.referenced) {
      if (!drained.chunks.has(chunk)) continue
      const copies = Math.max(...classes.map((name) => this.layouts.get(name)?.next.copies ?? 0))
      const others: number = this.intact(chunk, { down: true }).filter((node) => node !== id).length
      // What was damaged since it was verified counts.
      if (others >= (this.#isHarmed(30_000) ? 1 : copies)) continue
      this.violations.push(`chunk ${chunk} has only ${others} copies besides the drained one`)
    }
    this.nodes.delete(id)
    this.drained.push(id)
  }

  #isHarmed(withinMs = 5_000): boolean {
    return this.clock.nowMs() - this.harmedAtMs < withinMs
  }

  /** Whether the tracker may remove this copy. */
  checkRemoval(id: ChunkId, copy: Copy): void {
    const classes = this.referenced.get(id)
    if (classes === undefined) {
      // It may have been wanted when it was decided to remove this copy.
      if (this.#former.has(id)) return
      const ageMs = this.clock.nowMs() - copy.touchedAtMs
      if (ageMs <= WORLD_TIMING.sessionMs) this.violations.push(`chunk ${id} was removed ${ageMs} ms after it was written`)
      return
    }
    const others = this.intact(id, { down: true }).length - (copy.isIntact ? 1 : 0)
    const copies = Math.max(...classes.map((name) => this.layouts.get(name)?.next.copies ?? 0))
    const least = copy.isIntact && !this.#isHarmed() ? copies : 1
    if (others < least) this.violations.push(`${others} intact copies of chunk ${id} are left, which needs ${copies}`)
  }
}
