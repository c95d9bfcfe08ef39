import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkId } from '#foundation/ids.ts'
import type { TaskKind } from './task-kind.ts'
import { TaskLoop } from './task-loop.ts'
import { TaskRunner } from './task-runner.ts'
import { newTaskState } from './task-state.ts'
import { Tracker } from './tracker.ts'
import type { TrackerOptions } from './tracker.ts'
import { TrackerWorld, WORLD_TIMING } from './tracker-world.suite.ts'
import type { WorldNode } from './tracker-world.suite.ts'

// Nodes die, come back with or without what they had, are drained, removed and added; copies rot; calls fail and take their time; another
// node leads, between any two calls, in the middle of commits too. At every removal the world looks whether it may be. Faults
// never take the last intact copy of a chunk: what is lost then the tracker has lost.

const STEPS = 60

class Run {
  readonly world: TrackerWorld
  readonly #newTracker: ((options: TrackerOptions) => Tracker) | undefined
  #pending: { id: ChunkId; className: string; atMs: number }[] = []

  constructor(seed: number, newTracker?: (options: TrackerOptions) => Tracker) {
    this.#newTracker = newTracker
    const probe = new TrackerWorld({ seed, nodes: 1, classes: { default: 1 } })
    const nodes = 3 + probe.random.below(probe.random.chance(0.1) ? 28 : 8)
    const classes = probe.random.chance(0.5) ? { default: 3 } : { default: 2, twice: 3 }
    this.world = new TrackerWorld({
      seed,
      nodes,
      zones: 1 + probe.random.below(nodes),
      classes,
      ...(this.#newTracker === undefined ? {} : { newTracker: this.#newTracker }),
    })
  }

  async run(): Promise<void> {
    const { world } = this
    const { random } = world
    await world.settle(world.tracker.start())
    for (let count = 0; count < 60; count += 1) world.write(this.#anyClass(), 100 + random.below(5_000))
    world.delayMsMax = random.below(2) * random.below(200)
    world.failureRate = random.below(2) * 0.05 * random.fraction()
    for (let step = 0; step < STEPS; step += 1) {
      this.#fault()
      await world.pass(100 * random.below(60))
      this.#referPending()
      assert.deepEqual(world.violations, [])
    }
    await this.#heal()
    assert.deepEqual(world.violations, [])
    this.#check()
    await world.stop()
  }

  #anyClass(): string {
    const names = [...this.world.layouts.keys()]
    return names[this.world.random.below(names.length)] as string
  }

  #anyNode(isWanted: (node: WorldNode) => boolean): WorldNode | undefined {
    const nodes = this.world.list.filter(isWanted)
    return nodes[this.world.random.below(nodes.length)]
  }

  #fault(): void {
    const { world } = this
    const { random } = world
    switch (random.below(14)) {
      case 0:
      case 1:
        return this.#crash()
      case 2:
      case 3: {
        const node = this.#anyNode(({ isUp }) => !isUp)
        if (node !== undefined && random.chance(0.3)) this.#wipe(node)
        return node === undefined ? undefined : world.restore(node)
      }
      case 4:
        return this.#rot()
      case 5:
        void world.changeLeader()
        return
      case 6:
        world.callsUntilCrash = 1 + random.below(50)
        return
      case 7:
        return this.#drain()
      case 8:
        if (world.nodes.size < 32) world.addNode(`zone-${random.below(4)}`)
        return world.relayout()
      case 9:
        return this.#write()
      case 10: {
        const ids = [...world.referenced.keys()]
        return world.release(ids[random.below(ids.length)] as ChunkId)
      }
      case 11:
        world.isShardAway = random.chance(0.3)
        return
      case 12:
        return this.#freeze()
      case 13: {
        const node = this.#anyNode(({ isFull }) => isFull !== random.chance(0.3))
        if (node !== undefined) node.isFull = !node.isFull
        return
      }
      default:
    }
  }

  /** More than half stay. */
  #crash(): void {
    const { world } = this
    const down = world.list.filter(({ isUp }) => !isUp).length
    if (down + 1 >= world.nodes.size / 2) return
    const node = this.#anyNode(({ isUp }) => isUp)
    if (node !== undefined) world.crash(node, 1_000 + world.random.below(4_000))
  }

  #drain(): void {
    const { world } = this
    if (world.list.some(({ state }) => state === 'draining') || world.nodes.size <= 4) return
    const node = this.#anyNode(({ isUp }) => isUp)
    if (node === undefined) return
    node.state = 'draining'
    world.relayout()
  }

  /** A third stays as it is. */
  #freeze(): void {
    const { world } = this
    const frozen = this.#anyNode(({ state }) => state === 'readonly')
    if (frozen !== undefined && world.random.chance(0.5)) frozen.state = 'alive'
    if (world.list.filter(({ state }) => state === 'readonly').length > world.nodes.size / 3) return
    const node = this.#anyNode(({ state }) => state === 'alive')
    if (node !== undefined) Object.assign(node, { state: 'readonly', frozenAtMs: world.clock.nowMs() })
  }

  #write(): void {
    const { world } = this
    const className = this.#anyClass()
    const id = world.store(className, 100 + world.random.below(5_000), 1 + world.random.below(3))
    // Nobody could take it.
    if (world.intact(id).length === 0) return
    // A day's session, in this world.
    const atMs = world.clock.nowMs() + world.random.below(WORLD_TIMING.sessionMs - 10_000)
    this.#pending.push({ id, className, atMs })
  }

  #referPending(): void {
    const { world } = this
    const due = this.#pending.filter(({ atMs }) => atMs <= world.clock.nowMs())
    this.#pending = this.#pending.filter((pending) => !due.includes(pending))
    for (const { id, className } of due) world.referenced.set(id, [className])
  }

  /** Unless it has the last intact copy of something. */
  #wipe(node: WorldNode): void {
    for (const id of node.chunks.keys()) if (this.#isLast(node, id)) return
    node.chunks.clear()
    this.world.harmedAtMs = this.world.clock.nowMs()
  }

  #rot(): void {
    const node = this.#anyNode(({ chunks }) => chunks.size > 0)
    if (node === undefined) return
    const ids = [...node.chunks.keys()]
    const id = ids[this.world.random.below(ids.length)] as ChunkId
    const copy = node.chunks.get(id)
    if (copy === undefined || this.#isLast(node, id)) return
    copy.isIntact = false
    this.world.harmedAtMs = this.world.clock.nowMs()
    if (this.world.random.chance(0.5)) this.world.tracker.report({ chunk: id, copies: 1 })
  }

  #isLast(node: WorldNode, id: ChunkId): boolean {
    if (!this.world.referenced.has(id) && !this.#pending.some((pending) => pending.id === id)) return false
    return this.world.intact(id).filter((other) => other !== node.id).length === 0
  }

  /** All nodes are there again, and time enough for everything to be put right. */
  async #heal(): Promise<void> {
    const { world } = this
    world.failureRate = 0
    world.delayMsMax = Math.min(world.delayMsMax, 50)
    world.isShardAway = false
    world.callsUntilCrash = Number.POSITIVE_INFINITY
    for (const node of world.list) {
      world.restore(node)
      node.isFull = false
    }
    for (const { id, className } of this.#pending) world.referenced.set(id, [className])
    for (let round = 0; round < 3; round += 1) {
      await world.pass(125_000, 100)
      world.relayout()
    }
    await world.pass(250_000, 100)
  }

  #check(): void {
    const { world } = this
    for (const [name, pair] of world.layouts) assert.ok(!pair.isChanging, `the layout of ${name} is settled`)
    assert.deepEqual(
      world.list.filter(({ state }) => state === 'draining').map(({ id }) => id),
      [],
      'all that drained are drained',
    )
    for (const [id, classes] of world.referenced) {
      const wanted = new Set(classes.flatMap((name) => world.layouts.get(name)?.next.holders(id) ?? []))
      assert.deepEqual(world.intact(id).toSorted(), [...wanted].toSorted(), `chunk ${id} is where it belongs`)
    }
    for (const { chunks } of world.list) {
      for (const [id, { isIntact }] of chunks) {
        assert.ok(isIntact, `chunk ${id} is corrupt`)
        assert.ok(world.referenced.has(id), `chunk ${id} is garbage`)
      }
    }
  }
}

const seeds = Number(process.env['SHOAL_SEEDS'] ?? 12)
const replayed = process.env['SHOAL_SEED']
const chosen = replayed === undefined ? Array.from({ length: seeds }, (_, seed) => seed + 1) : [Number(replayed)]

test('whatever fails, no chunk loses its last copies by the tracker, and once it stops every copy is where it belongs', async () => {
  for (const seed of chosen) {
    try {
      await new Run(seed).run()
    } catch (cause) {
      throw new Error(`SHOAL_SEED=${seed}`, { cause })
    }
  }
})

/** Removes what is where no layout has it without a look at whether the other copies have been made. */
class HastyTracker extends Tracker {
  readonly #loop: TaskLoop

  constructor(options: TrackerOptions) {
    super(options)
    const kind: TaskKind = {
      name: 'trim',
      batchMax: 256,
      removes: false,
      mark: (view) => view.mark,
      nodes: (view) => view.nodes,
      isDue: () => true,
      plan: async (chunks, _batch, { view }) => ({
        plans: chunks.map(({ id, classes, sizeBytes, nodes }) => {
          const { targets } = view.wanted(id, classes)
          const removeFrom = classes.length === 0 ? [] : nodes.filter((node) => !targets.includes(node))
          return { id, classes, sizeBytes, sources: [], copyTo: [], replaceAt: [], verifyAt: [], removeFrom }
        }),
      }),
      act: async ({ id, removeFrom }, { signal }) => {
        const untouchedSinceMs = options.clock.nowMs()
        for (const node of removeFrom) await options.holders.remove(node, id, { untouchedSinceMs, signal }).catch(() => false)
      },
    }
    const state = newTaskState('trim')
    const runner = new TaskRunner({ ...options, kind, state, timing: WORLD_TIMING, inFlightMax: 4 })
    this.#loop = new TaskLoop({ ...options, runner, timing: WORLD_TIMING })
  }

  override async start(): Promise<void> {
    await super.start()
    this.#loop.start()
  }

  override async stop(): Promise<void> {
    await Promise.all([super.stop(), this.#loop.stop()])
  }
}

test('a tracker that trims before it has copied is found out', async () => {
  const run = new Run(1, (options) => new HastyTracker(options))
  await assert.rejects(run.run(), /intact copies of chunk \w+ are left/)
})
