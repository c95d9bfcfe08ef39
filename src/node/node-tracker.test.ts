import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idOf, sampleBytes } from '#chunk/store.suite.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { MemberView } from '#membership/member.ts'
import { silentLog } from '#observe/log.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import { nodes } from '#placement/nodes.suite.ts'
import { FakeCluster, TEST_DIGESTS } from '#replication/fake-cluster.suite.ts'
import { RepairQueue } from '#replication/repair-queue.ts'
import { settleLayout } from '#system/plan-layouts.ts'
import { EMPTY_VIEW, layoutName } from '#system/system-view.ts'
import type { SystemView } from '#system/system-view.ts'
import { NodeTracker } from './node-tracker.ts'

const FACTS = { roles: ['store'] } as unknown as MemberView['facts']

class Gossip {
  readonly removed = new Set<NodeId>()
  readonly #members: ReadonlyMap<NodeId, MemberView['liveness']>

  constructor(members: ReadonlyMap<NodeId, MemberView['liveness']>) {
    this.#members = members
  }

  members(): MemberView[] {
    return [...this.#members].map(([id, liveness]) => ({ id, liveness, facts: FACTS }) as MemberView)
  }
}

/** Nodes whose chunks a tracker looks after, with classes, layouts and gossip as a node has them. */
class Nodes {
  readonly cluster: FakeCluster
  /** With the classes of the volumes that have them. */
  readonly referenced = new Map<ChunkId, readonly string[]>()
  readonly members = new Map<NodeId, MemberView['liveness']>()
  readonly records: { view: SystemView }
  readonly drained: NodeId[] = []
  readonly repairs = new RepairQueue()
  readonly tracker: NodeTracker

  constructor(count: number) {
    const layoutNodes = nodes(count)
    const ids = layoutNodes.map(({ id }) => id)
    this.cluster = new FakeCluster(ids)
    for (const id of ids) this.members.set(id, 'alive')
    const copies = Math.min(3, count)
    const pair = new LayoutPair(computeLayout({ nodes: layoutNodes, copies, partitionBits: 6 }))
    const view: SystemView = {
      ...EMPTY_VIEW,
      version: 1,
      classes: new Map([['default', { ...EMPTY_VIEW.classes.get('default')!, copies }]]),
      layouts: new Map([[layoutName({ copies, zones: 1 }), pair]]),
    }
    this.records = { view }
    this.tracker = new NodeTracker({
      kv: openMemoryStore(),
      peers: this.cluster.peersOf(ids[0] as NodeId),
      repairs: this.repairs,
      records: this.records,
      settle: async (name, version) => {
        const settled = settleLayout(this.records.view, name, version)?.layouts?.get(name)
        if (settled !== undefined) this.records.view = { ...this.records.view, layouts: new Map([[name, settled]]) }
      },
      drained: async (node) => void this.drained.push(node),
      cluster: new Gossip(this.members),
      volumes: {
        list: async () => [...this.records.view.classes.keys()].map((name) => ({ policy: { class: name } })) as never,
        referenced: async (ids) => new Map([...this.referenced].filter(([id]) => ids.includes(id))),
      },
      clock: this.cluster.clock,
      digests: TEST_DIGESTS,
      log: silentLog,
      sessionMs: 60_000,
      collectEveryMs: 3_600_000,
    })
    this.tracker.start()
  }

  get pair(): LayoutPair {
    return [...this.records.view.layouts.values()][0] as LayoutPair
  }

  async write(seed: number): Promise<ChunkId> {
    const bytes = sampleBytes(1_000, seed)
    const id = idOf(bytes)
    for (const node of this.pair.writers(id)) await this.cluster.node(node).store.write(id, bytes)
    this.referenced.set(id, ['default'])
    return id
  }

  copies(ids: readonly ChunkId[]): Promise<number[]> {
    const up = this.cluster.nodes.filter(({ isUp }) => isUp)
    return Promise.all(ids.map(async (id) => (await Promise.all(up.map((node) => node.has(id)))).filter(Boolean).length))
  }

  writes(): number {
    return this.cluster.nodes.reduce((sum, { writes, pulls }) => sum + writes + pulls, 0)
  }

  async stop(): Promise<void> {
    await this.cluster.settle(this.tracker.stop())
  }
}

test('when gossip declares a node dead its chunks are copied within seconds, and status tells of it', async () => {
  const world = new Nodes(5)
  const ids = await Promise.all(Array.from({ length: 30 }, (_, seed) => world.write(seed + 1)))
  await world.cluster.pass(5_000, 50)
  const [, victim] = world.cluster.nodes
  assert.ok(victim !== undefined)
  victim.isUp = false
  world.members.set(victim.id, 'suspect')
  await world.cluster.pass(3_000, 50)
  assert.equal(world.writes(), 0)
  world.members.set(victim.id, 'dead')
  await world.cluster.pass(5_000, 50)
  assert.deepEqual(
    await world.copies(ids),
    ids.map(() => 3),
  )
  const { tasks, decisions } = await world.tracker.status()
  assert.deepEqual(
    tasks.map(({ task }) => task),
    ['repair', 'drain', 'rebalance', 'collect', 'scrub', 'trim'],
  )
  assert.equal(decisions[0]?.kind, 'copy')
  await world.stop()
})

test('a copy that some read has found to be corrupt is replaced before long', async () => {
  const world = new Nodes(4)
  const id = await world.write(1)
  await world.cluster.pass(2_000, 50)
  const rotten = world.cluster.node(world.pair.writers(id)[1])
  rotten.store.damaged.add(id)
  world.repairs.offer({ chunk: id, copies: 2 })
  await world.cluster.pass(1_500, 50)
  assert.ok(await rotten.has(id))
  assert.equal(world.repairs.size, 0)
  await world.stop()
})

test('nodes of which a new leader has heard nothing yet are not taken for dead', async () => {
  const world = new Nodes(5)
  const ids = await Promise.all(Array.from({ length: 10 }, (_, seed) => world.write(seed + 1)))
  const [first] = world.members.keys()
  for (const id of [...world.members.keys()]) if (id !== first) world.members.delete(id)
  await world.cluster.pass(10_000, 50)
  assert.equal(world.writes(), 0)
  assert.deepEqual(
    await world.copies(ids),
    ids.map(() => 3),
  )
  await world.stop()
})

/** A class of one copy beside `default`, in a world of five nodes. */
function addSingleClass({ records }: Nodes): LayoutPair {
  const { view } = records
  const record = { ...view.classes.get('default')!, name: 'single', copies: 1 }
  const single = new LayoutPair(computeLayout({ nodes: nodes(5), copies: 1, partitionBits: 6 }))
  const layouts = new Map([...view.layouts, [layoutName(record), single] as const])
  records.view = { ...view, version: 2, classes: new Map([...view.classes, ['single', record]]), layouts }
  return single
}

test('a chunk has the copies of its own classes, whatever others ask for', async () => {
  const world = new Nodes(5)
  const single = addSingleClass(world)
  const ids: ChunkId[] = []
  for (const classes of [['single'], ['default'], ['default', 'single']]) {
    const bytes = sampleBytes(1_000, classes.join().length)
    const id = idOf(bytes)
    ids.push(id)
    world.referenced.set(id, classes)
    await world.cluster.node(single.writers(id)[0]).store.write(id, bytes)
  }
  await world.cluster.pass(10_000, 50)
  const holders = (id: ChunkId) => new Set([...world.pair.writers(id), ...single.writers(id)]).size
  assert.equal((await world.copies(ids.slice(0, 1)))[0], 1)
  const [, some, shared] = await world.copies(ids)
  assert.ok((some ?? 0) >= 3)
  assert.equal(shared, holders(ids[2] as ChunkId))
  await world.stop()
})

test('when a volume gets another class what it has is copied within seconds: nobody waits for the next walk of all chunks', async () => {
  const world = new Nodes(5)
  const single = addSingleClass(world)
  await world.write(99)
  const bytes = sampleBytes(1_000, 1)
  const id = idOf(bytes)
  world.referenced.set(id, ['single'])
  await world.cluster.node(single.writers(id)[0]).store.write(id, bytes)
  await world.cluster.pass(10_000, 50)
  assert.deepEqual(await world.copies([id]), [1])
  world.referenced.set(id, ['default'])
  world.tracker.onClassChange()
  await world.cluster.pass(5_000, 50)
  assert.ok(((await world.copies([id]))[0] ?? 0) >= 3)
  await world.stop()
  assert.doesNotThrow(() => world.tracker.onClassChange())
})

test('a layout is settled when all chunks are where it has them', async () => {
  const world = new Nodes(5)
  const ids = await Promise.all(Array.from({ length: 30 }, (_, seed) => world.write(seed + 1)))
  await world.cluster.pass(2_000, 50)
  const next = computeLayout({ nodes: nodes(5).slice(1), copies: 3, previous: world.pair.next })
  const layouts = new Map([[layoutName({ copies: 3, zones: 1 }), new LayoutPair(next, world.pair.next)]])
  world.records.view = { ...world.records.view, version: 2, layouts }
  await world.cluster.pass(5_000, 50)
  assert.equal(world.pair.isChanging, false)
  for (const id of ids) for (const node of world.pair.writers(id)) assert.ok(await world.cluster.node(node).has(id))
  await world.stop()
})

test('a node that shall go is drained when others have what it holds, and how far that is can be told meanwhile', async () => {
  const world = new Nodes(5)
  await Promise.all(Array.from({ length: 30 }, (_, seed) => world.write(seed + 1)))
  await world.cluster.pass(2_000, 50)
  assert.equal(world.tracker.drainFraction, undefined)
  const [, leaving] = world.cluster.nodes
  assert.ok(leaving !== undefined)
  await world.cluster.settle(world.tracker.run('drain', { isDryRun: false, budget: { opsPerSecond: 5 } }))
  const next = computeLayout({ nodes: nodes(5).filter(({ id }) => id !== leaving.id), copies: 3, previous: world.pair.next })
  const layouts = new Map([[layoutName({ copies: 3, zones: 1 }), new LayoutPair(next, world.pair.next)]])
  world.records.view = {
    ...world.records.view,
    version: 2,
    layouts,
    nodes: new Map([[leaving.id, { state: 'draining' as const, weight: 1 }]]),
  }
  const seen = new Set<number | undefined>()
  for (let count = 0; count < 600 && world.drained.length === 0; count += 1) {
    await world.cluster.pass(500, 50)
    seen.add(world.tracker.drainFraction)
  }
  assert.deepEqual(world.drained, [leaving.id])
  const { left, chunks, hindrances } = await world.cluster.settle(world.tracker.drain(leaving.id))
  assert.ok(chunks !== null && chunks > 0)
  assert.deepEqual([left, hindrances], [{ chunks: 0, bytes: 0 }, []])
  await assert.rejects(world.tracker.drain(world.cluster.nodes[0]?.id ?? ''), { code: 'CONFLICT' })
  await assert.rejects(world.tracker.drain('none'), { code: 'NOT_FOUND' })
  assert.ok([...seen].every((fraction) => fraction === undefined || (fraction >= 0 && fraction < 1)))
  assert.ok(seen.size > 1)
  await world.stop()
})

test('one of two nodes is drained once the only layout is of the other one', async () => {
  const world = new Nodes(2)
  const [staying, leaving] = world.cluster.nodes
  assert.ok(staying !== undefined && leaving !== undefined)
  const name = layoutName({ copies: 1, zones: 1 })
  const alone = computeLayout({ nodes: nodes(2).filter(({ id }) => id === staying.id), copies: 1, partitionBits: 6 })
  world.records.view = {
    ...world.records.view,
    version: 2,
    classes: new Map([['default', { ...EMPTY_VIEW.classes.get('default')!, copies: 1 }]]),
    layouts: new Map([[name, new LayoutPair(alone)]]),
    nodes: new Map([[leaving.id, { state: 'draining' as const, weight: 1 }]]),
  }
  await world.write(1)
  for (let count = 0; count < 600 && world.drained.length === 0; count += 1) await world.cluster.pass(500, 50)
  assert.deepEqual(world.drained, [leaving.id])
  await world.stop()
})

test('a node that is alone is left in peace, and one that leads no more has nothing to be told', async () => {
  const world = new Nodes(1)
  await world.write(1)
  await world.cluster.pass(10_000, 50)
  for (const { walk, activity } of (await world.tracker.status()).tasks) assert.deepEqual([walk, activity], [0, 'waiting'])
  await world.stop()
  await assert.rejects(world.tracker.pause(undefined), { code: 'UNAVAILABLE' })
})
