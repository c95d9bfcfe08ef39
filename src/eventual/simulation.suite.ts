// Many nodes' eventual volumes in one process, on a clock, a network and randomness that a seed repeats.

import { createHash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { MemoryDisk, openMemoryStore } from '#kv/memory.ts'
import { silentLog } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { decodeState } from './entry-codec.ts'
import { EventualNode, type EventualTiming } from './eventual-node.ts'
import { entryKey, kindRange, placeRange } from './keys.ts'
import type { KnowledgeReport, MemberKnowledge } from './knowledge.ts'
import type { Message, Peers } from './message.ts'
import { decodeMessage, encodeMessage } from './message-codec.ts'
import { NO_TIME } from './hybrid-clock.ts'
import { Replica } from './replica.ts'

export interface SimulationOptions {
  readonly nodes: number
  readonly seed: number
  /** The share of requests, and of answers, that is lost. */
  readonly loss?: number
  readonly delayMsMax?: number
  /** How long a message is waited for that is lost; two seconds unless given. */
  readonly timeoutMs?: number
  /** Clocks are wrong by up to so much, either way. */
  readonly clockErrorMs?: number
  /** How long a commit takes, at most. */
  readonly commitMsMax?: number
  readonly timing?: Partial<EventualTiming>
  readonly depth?: 2 | 4
  readonly floorStepMs?: number
  readonly rumourKnownMax?: number
  readonly leftMs?: number
  /** Whether `from` takes `to` for one that runs; all do unless given. */
  readonly running?: (from: number, to: number) => boolean
  /** Changes what nodes send, to plant a defect. */
  readonly plant?: (message: Message, to: NodeId) => Message
}

/** One life of a process. */
interface Life {
  readonly replica: Replica
  readonly node: EventualNode
}

export interface SimulatedNode {
  id: NodeId
  disk: MemoryDisk
  readonly offsetMs: number
  life: Life | undefined
}

const STEP_MS = 5
const TIMEOUT_MS = 2000
const FRESH: MemberKnowledge = { seen: NO_TIME, acknowledged: NO_TIME, removedCount: 0, removedSince: NO_TIME }

export class Simulation {
  readonly random: SeededRandom
  readonly clock = new ManualClock()
  readonly nodes: SimulatedNode[]
  calls = 0
  bytes = 0
  bytesMax = 0
  /** Whether what `from` sends to `to` gets lost for sure. */
  cuts: (from: number, to: number) => boolean = () => false
  readonly #options: SimulationOptions
  readonly #lost: NodeId[] = []
  #drawn = 0

  private constructor(options: SimulationOptions) {
    this.#options = options
    this.random = new SeededRandom(options.seed)
    const error = options.clockErrorMs ?? 0
    this.nodes = Array.from({ length: options.nodes }, () => ({
      id: this.#drawId(),
      disk: new MemoryDisk(),
      offsetMs: Math.round((this.random.fraction() * 2 - 1) * error),
      life: undefined,
    }))
  }

  /** Nodes that know each other, and run. */
  static async start(options: SimulationOptions): Promise<Simulation> {
    const simulation = new Simulation(options)
    const members = new Map(simulation.nodes.map(({ id }) => [id, FRESH]))
    for (const index of simulation.nodes.keys()) await simulation.boot(index, { members, removed: [] })
    return simulation
  }

  get nowMs(): number {
    return this.clock.monotonicMs()
  }

  /** Of a node that runs. */
  life(index: number): Life {
    return this.nodes[index]!.life!
  }

  running(): Life[] {
    return this.nodes.flatMap(({ life }) => life ?? [])
  }

  /** @param report whom it knows from the start, as only the first nodes of a cluster do */
  async boot(index: number, report?: KnowledgeReport): Promise<void> {
    const it = this.nodes[index]!
    const { commitMsMax = 0, depth = 2, timing = {}, floorStepMs = 5000, rumourKnownMax, leftMs } = this.#options
    const clock = this.#clockOf(it)
    const store = openMemoryStore({
      disk: it.disk,
      ...(commitMsMax === 0 ? {} : { beforeCommit: () => clock.sleep(this.random.below(commitMsMax + 1)) }),
    })
    const isFounder = report !== undefined
    const replica = await Replica.open({ node: it.id, store, clock, depth, floorStepMs, rumourKnownMax, leftMs, isFounder })
    if (report !== undefined) await this.#finish(replica.learn(report))
    const peers = this.peersOf(index)
    const node = new EventualNode({
      replica,
      peers,
      clock,
      random: new SeededRandom(this.random.below(2 ** 31)),
      log: silentLog,
      timing,
    })
    it.life = { replica, node }
    node.start()
  }

  /** How a node reaches the others. */
  peersOf(index: number): Peers {
    const it = this.nodes[index]!
    const { running } = this.#options
    return {
      running: () => this.nodes.flatMap(({ id }, other) => (id === it.id || running?.(index, other) === false ? [] : [id])),
      call: (to: NodeId, message: Message) => this.#call(index, to, message),
    }
  }

  /** The process ends in the middle of whatever it does; the disk stays as it is. */
  crash(index: number): void {
    const it = this.nodes[index]!
    void it.life?.node.stop()
    it.disk.attach({})
    it.life = undefined
  }

  /** A new data folder, and so a new id; an operator says of the old one that it is lost. */
  async wipe(index: number): Promise<void> {
    this.crash(index)
    const it = this.nodes[index]!
    const lost = it.id
    it.id = this.#drawId()
    it.disk = new MemoryDisk()
    const operator = this.running().find(({ replica }) => replica.isAdmitted)!
    await this.#finish(operator.replica.remove(lost))
    this.#lost.push(lost)
    await this.boot(index)
  }

  /** The operator says it again: the node that was told may be gone by now, too. */
  async repeatRemovals(): Promise<void> {
    const operator = this.running().find(({ replica }) => replica.isAdmitted)!
    for (const id of this.#lost) await this.#finish(operator.replica.remove(id))
  }

  async run(forMs: number): Promise<void> {
    await this.runUntil(() => false, forMs)
  }

  /** @returns the milliseconds until `isDone`, which is asked every `everyMs`, or `forMs` if it never was */
  async runUntil(isDone: () => boolean | Promise<boolean>, forMs: number, everyMs = 20): Promise<number> {
    const startMs = this.nowMs
    while (this.nowMs < startMs + forMs) {
      if ((this.nowMs - startMs) % everyMs === 0 && (await isDone())) break
      this.clock.advance(STEP_MS)
      // Whatever this has set going ends in microtasks, or waits for the clock.
      await new Promise((resolve) => setImmediate(resolve))
    }
    return this.nowMs - startMs
  }

  /** Digest of everything that a node shows, and of what lost. */
  async digest(index: number): Promise<string> {
    const { store } = this.life(index).replica
    return store.read((snapshot) => {
      const sum = createHash('sha256')
      const { end } = placeRange('e', { volume: '\u00ff', prefix: '' })
      for (const { key, value } of snapshot.range({ start: entryKey({ volume: '', path: '' }), end })) {
        const { versions } = decodeState(value)
        if (versions.every((version) => version.value === undefined)) continue
        sum.update(key).update(versions.map(({ time, node }) => `${time} ${node}`).join(','))
      }
      return sum.digest('hex')
    })
  }

  /** Whether all that run show the same. */
  async isConverged(): Promise<boolean> {
    const running = [...this.nodes.keys()].filter((index) => this.nodes[index]!.life !== undefined)
    const first = await this.digest(running[0]!)
    for (const index of running.slice(1)) if ((await this.digest(index)) !== first) return false
    return true
  }

  /** Removals, conflicts and rumours that a node keeps, and rows in all. */
  async kept(index: number): Promise<{ removals: number; conflicts: number; rumours: number; entries: number }> {
    return this.life(index).replica.store.read((snapshot) => {
      const count = (letter: 't' | 'c' | 'r' | 'x') => [...snapshot.range(kindRange(letter))].length
      return { removals: count('t'), conflicts: count('c'), rumours: count('r'), entries: count('x') }
    })
  }

  /** Lets time go on until `work` is done. */
  async #finish(work: Promise<void>): Promise<void> {
    let isDone = false
    void work.then(() => (isDone = true))
    while (!isDone) await this.run(STEP_MS)
  }

  async #call(from: number, to: NodeId, message: Message): Promise<Message> {
    const target = this.nodes.findIndex(({ id }) => id === to)
    const planted = this.#options.plant?.(message, to) ?? message
    const arrived = await this.#carry(from, target, planted)
    const life = this.nodes[target]?.life
    if (life === undefined) throw new ShoalError('UNAVAILABLE', 'The node does not run')
    const answer = await life.node.answer(arrived)
    return this.#carry(target, from, this.#options.plant?.(answer, this.nodes[from]!.id) ?? answer)
  }

  async #carry(from: number, to: number, message: Message): Promise<Message> {
    const bytes = encodeMessage(message)
    this.calls += 1
    this.bytes += bytes.length
    this.bytesMax = Math.max(this.bytesMax, bytes.length)
    if (this.cuts(from, to) || this.random.chance(this.#options.loss ?? 0)) {
      await this.clock.sleep(this.#options.timeoutMs ?? TIMEOUT_MS)
      throw new ShoalError('TIMEOUT', 'No answer came')
    }
    await this.clock.sleep(1 + this.random.below(this.#options.delayMsMax ?? 10))
    return decodeMessage(bytes)
  }

  #clockOf({ offsetMs }: SimulatedNode): Clock {
    const { clock } = this
    return {
      nowMs: () => clock.nowMs() + offsetMs,
      nowNs: () => clock.nowNs() + BigInt(offsetMs) * 1_000_000n,
      monotonicMs: () => clock.monotonicMs(),
      sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
    }
  }

  #drawId(): NodeId {
    this.#drawn += 1
    return createHash('sha256').update(`${this.#options.seed} ${this.#drawn}`).digest('hex').slice(0, 32) as NodeId
  }
}
