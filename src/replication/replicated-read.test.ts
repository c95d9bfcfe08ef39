import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rejectsWith } from '#chunk/store.suite.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import { nodes } from '#placement/nodes.suite.ts'
import type { FakeNode } from './fake-cluster.suite.ts'
import { Fixture } from './replicated-fixture.suite.ts'

async function written(
  fixture: Fixture,
  where: 'local' | 'remote',
): Promise<{ id: ChunkId; bytes: Buffer; holders: FakeNode[] }> {
  const chunk = where === 'local' ? fixture.localChunk() : fixture.remoteChunk()
  await fixture.cluster.settle(fixture.store.write(chunk.id, chunk.bytes))
  await fixture.cluster.pass(20)
  for (const node of fixture.cluster.nodes) node.reads = 0
  return chunk
}

const readsOf = (all: readonly FakeNode[]): number => all.reduce((sum, node) => sum + node.reads, 0)

test('a copy on this node is the one that is read', async () => {
  const fixture = new Fixture()
  const { id, bytes } = await written(fixture, 'local')
  for (let round = 0; round < 5; round += 1) assert.ok((await fixture.store.read(id)).equals(bytes))
  assert.equal(fixture.self.reads, 5)
  assert.equal(readsOf(fixture.cluster.nodes), 5)
})

test('of the other nodes the least loaded one is read: the one with fewer reads under way, and the faster one', async () => {
  const fixture = new Fixture()
  const { id, holders } = await written(fixture, 'remote')
  for (const node of holders) node.delayMs = 20
  await fixture.cluster.settle(Promise.all(Array.from({ length: 9 }, () => fixture.store.read(id))))
  assert.deepEqual(
    holders.map((node) => node.reads),
    [3, 3, 3],
  )
  ;(holders[0] as FakeNode).delayMs = 60
  for (let round = 0; round < 20; round += 1) await fixture.cluster.settle(fixture.store.read(id))
  assert.ok((holders[0] as FakeNode).reads <= 6)
})

for (const [what, harm, code] of [
  ['dies', (node: FakeNode) => (node.isUp = false), undefined],
  ['has lost its disk', (node: FakeNode) => node.loseEverything(), 'missing'],
  ['has a corrupt copy', (node: FakeNode, id: ChunkId) => node.store.damaged.add(id), 'corrupt'],
  ['sends other bytes', (node: FakeNode) => (node.garbles = true), 'corrupt'],
] as const) {
  test(`two of three nodes may fail without the reader noticing: each ${what}`, async () => {
    const fixture = new Fixture()
    const { id, bytes, holders } = await written(fixture, 'remote')
    for (const bad of holders.slice(0, 2)) harm(bad, id)
    for (let round = 0; round < 3; round += 1) assert.ok((await fixture.cluster.settle(fixture.store.read(id))).equals(bytes))
    if (what !== 'sends other bytes') {
      const range = { offset: 100, length: 50 }
      assert.ok((await fixture.cluster.settle(fixture.store.read(id, range))).equals(bytes.subarray(100, 150)))
    }
    assert.equal(fixture.repairs.size, code === undefined ? 0 : 1, 'what is bad for good is told to the repair queue')
  })
}

test('a node that dies in the middle of a read, or hangs, is left for another one', async () => {
  const fixture = new Fixture({ limits: { readMs: 2_000 } })
  const { id, bytes, holders } = await written(fixture, 'remote')
  for (const node of holders) node.delayMs = 50
  const read = fixture.store.read(id)
  await fixture.cluster.pass(30)
  for (const node of holders) if (node.reads > 0) node.isUp = false
  assert.ok((await fixture.cluster.settle(read)).equals(bytes))

  const hung = holders.filter((node) => node.isUp)[0] as FakeNode
  hung.delayMs = 1_000_000
  for (let round = 0; round < 30; round += 1) assert.ok((await fixture.cluster.settle(fixture.store.read(id))).equals(bytes))
})

test('a read that takes longer than most is sent to a second node, and the first good answer counts', async () => {
  const fixture = new Fixture()
  const { id, bytes, holders } = await written(fixture, 'remote')
  for (const node of holders) node.delayMs = 10
  for (let round = 0; round < 40; round += 1) await fixture.cluster.settle(fixture.store.read(id))
  assert.equal(readsOf(holders), 40, 'as long as all are quick nobody is asked twice')
  for (const node of holders) node.delayMs = 1_000
  ;(holders[1] as FakeNode).delayMs = 10
  const beganMs = fixture.cluster.clock.monotonicMs()
  for (let round = 0; round < 6; round += 1) assert.ok((await fixture.cluster.settle(fixture.store.read(id))).equals(bytes))
  assert.ok(fixture.cluster.clock.monotonicMs() - beganMs < 6 * 60)
})

test('second reads are a small part of all, even if every node is slow', async () => {
  const fixture = new Fixture()
  const { id, holders } = await written(fixture, 'remote')
  for (const node of holders) node.delayMs = 10
  for (let round = 0; round < 40; round += 1) await fixture.cluster.settle(fixture.store.read(id))
  for (const node of holders) {
    node.reads = 0
    node.delayMs = 500
  }
  await fixture.cluster.settle(Promise.all(Array.from({ length: 200 }, () => fixture.store.read(id))))
  const more = readsOf(holders) - 200
  assert.ok(more > 0 && more <= 20, `${more} second reads`)
})

test('while the layout changes chunks are read from the old holders', async () => {
  const fixture = new Fixture({ count: 9 })
  const { id, bytes } = await written(fixture, 'remote')
  const before = fixture.pair.next
  const members = nodes(9).filter((node) => !before.holders(id).includes(node.id))
  fixture.pair = new LayoutPair(computeLayout({ nodes: members, copies: 3, previous: before }), before)
  assert.ok((await fixture.cluster.settle(fixture.store.read(id))).equals(bytes))
  assert.equal(fixture.repairs.size, 0, 'that copies haven’t moved yet is no damage')
  assert.equal((await fixture.cluster.settle(fixture.store.locate(id)))?.sizeBytes, bytes.length)
})

test('a chunk that lies on another node than it should is found there', async () => {
  const fixture = new Fixture({ count: 20 })
  const { id, bytes, holders } = fixture.remoteChunk()
  const stranger = fixture.cluster.nodes.find((node) => node !== fixture.self && !holders.includes(node)) as FakeNode
  await stranger.store.write(id, bytes)
  assert.ok((await fixture.cluster.settle(fixture.store.read(id))).equals(bytes))
  assert.equal((await fixture.cluster.settle(fixture.store.locate(id)))?.id, id)
  await fixture.drainRepairs()
  assert.equal((await fixture.cluster.holdersOf(id)).length, 4)
})

test('a chunk is missing only when every holder says so', async () => {
  const fixture = new Fixture()
  const { id, holders } = fixture.remoteChunk()
  await rejectsWith('CHUNK_MISSING', fixture.cluster.settle(fixture.store.read(id)))
  ;(holders[1] as FakeNode).isUp = false
  await rejectsWith('UNAVAILABLE', fixture.cluster.settle(fixture.store.read(id)))
  await rejectsWith('UNAVAILABLE', fixture.cluster.settle(fixture.store.locate(id)))
  await rejectsWith('UNAVAILABLE', fixture.cluster.settle(fixture.store.verify(id)))
})

test('a chunk is not missing that may be on a member of which no layout knows any more, and is read there when it is back', async () => {
  const fixture = new Fixture()
  const { id, bytes } = fixture.remoteChunk()
  const drained = fixture.cluster.nodes[4] as FakeNode
  // It was stopped before what it had was copied, and everything else has moved since.
  await drained.store.write(id, bytes)
  drained.isUp = false
  fixture.pair = new LayoutPair(computeLayout({ nodes: nodes(4), copies: 3, previous: fixture.pair.next }))
  for (const ask of ['read', 'locate', 'verify'] as const)
    await rejectsWith('UNAVAILABLE', fixture.cluster.settle<unknown>(fixture.store[ask](id)))
  drained.isUp = true
  assert.ok((await fixture.cluster.settle(fixture.store.read(id))).equals(bytes))
  assert.equal(await fixture.cluster.settle(fixture.store.verify(id)), 'intact')
})

test('nothing is missing or corrupt for good while a node that may stand in for a holder can’t be asked', async () => {
  const fixture = new Fixture({ count: 5 })
  const { id, holders } = await written(fixture, 'local')
  const others = fixture.cluster.nodes.filter((node) => node !== fixture.self && !holders.includes(node))
  ;(others[0] as FakeNode).isUp = false
  for (const node of holders) node.store.damaged.add(id)
  await rejectsWith('UNAVAILABLE', fixture.cluster.settle(fixture.store.read(id)))
  await rejectsWith('UNAVAILABLE', fixture.cluster.settle(fixture.store.verify(id)))
  const absent = fixture.remoteChunk()
  await rejectsWith('UNAVAILABLE', fixture.cluster.settle(fixture.store.read(absent.id)))
  await rejectsWith('UNAVAILABLE', fixture.cluster.settle(fixture.store.locate(absent.id)))
})

test('a chunk whose copies are all corrupt is corrupt', async () => {
  const fixture = new Fixture()
  const { id, holders } = await written(fixture, 'local')
  for (const node of holders) node.store.damaged.add(id)
  await rejectsWith('CORRUPT', fixture.cluster.settle(fixture.store.read(id)))
  assert.equal(await fixture.cluster.settle(fixture.store.verify(id)), 'corrupt')
  const { state, copies } = await fixture.cluster.settle(fixture.store.copies(id))
  assert.deepEqual([state, ...copies.map((copy) => copy.state)], ['corrupt', 'corrupt', 'corrupt', 'corrupt'])
})

test('a check of a chunk tells the repair queue which one has a bad copy', async () => {
  const fixture = new Fixture()
  const { id, holders } = await written(fixture, 'local')
  ;(holders[2] as FakeNode).store.damaged.add(id)
  assert.equal(await fixture.cluster.settle(fixture.store.verify(id)), 'intact')
  assert.deepEqual(fixture.repairs.take(), { chunk: id, copies: 2 })
})
