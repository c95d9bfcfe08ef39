import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rejectsWith } from '#chunk/store.suite.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { ChunkRoom } from './chunk-memory.ts'
import type { FakeNode } from './fake-cluster.suite.ts'
import { Fixture } from './replicated-fixture.suite.ts'

test('the slowest copy doesn’t hold up a quorum, and comes later all the same', async () => {
  const { store, cluster, repairs, chunk } = parts(new Fixture())
  const { id, bytes, holders } = chunk
  ;(holders[2] as FakeNode).delayMs = 3_000
  const { state, copies } = await store.writeCopies(id, bytes)
  assert.equal(state, 'replication-out')
  assert.deepEqual(
    copies.map((copy) => copy.state),
    ['stored', 'stored', 'replication-in'],
  )
  assert.equal((await cluster.holdersOf(id)).length, 2)
  // The buffer is the caller's again, though one copy is still on its way.
  const original = Buffer.from(bytes)
  bytes.fill(0)
  await cluster.pass(4_000)
  assert.deepEqual(new Set(await cluster.holdersOf(id)), new Set(holders.map((node) => node.id)))
  assert.ok((await (holders[2] as FakeNode).store.read(id)).equals(original))
  assert.equal((await cluster.settle(store.copies(id))).state, 'stored')
  assert.equal(repairs.size, 0)
})

test('the memory of a write is used again once every copy is durable, not while one is on its way', async () => {
  const given: Buffer[] = []
  const { store, cluster, chunk } = parts(new Fixture({ memory: roomOf(given) }))
  const { id, bytes, holders } = chunk
  ;(holders[2] as FakeNode).delayMs = 3_000
  await store.writeCopies(id, bytes)
  await cluster.pass(2_000)
  assert.equal(given.length, 0)
  await cluster.pass(2_000)
  assert.deepEqual(given, [bytes])
})

test('the memory of a write that one node has failed to take is left alone: something may still read it', async () => {
  const given: Buffer[] = []
  const { store, cluster, chunk } = parts(new Fixture({ memory: roomOf(given) }))
  const bad = chunk.holders[1] as FakeNode
  bad.isUp = false
  await cluster.settle(store.write(chunk.id, chunk.bytes))
  await cluster.pass(60_000)
  assert.ok((await cluster.holdersOf(chunk.id)).length >= 2)
  assert.deepEqual(given, [])
})

function roomOf(given: Buffer[]): ChunkRoom {
  return { take: (sizeBytes) => Buffer.alloc(sizeBytes), giveBack: (buffer) => void given.push(buffer) }
}

/** A fixture with a chunk whose primary is this node. */
function parts(fixture: Fixture): {
  store: Fixture['store']
  cluster: Fixture['cluster']
  repairs: Fixture['repairs']
  chunk: ReturnType<Fixture['localChunk']>
} {
  return { store: fixture.store, cluster: fixture.cluster, repairs: fixture.repairs, chunk: fixture.localChunk() }
}

for (const [ack, needed] of [
  ['one', 1],
  ['quorum', 2],
  ['all', 3],
] as const) {
  test(`with "${ack}" a write is acknowledged by ${needed} of three copies`, async () => {
    const { store, cluster, chunk } = parts(new Fixture({ ack }))
    for (const node of chunk.holders) node.delayMs = 1_000 * (1 + chunk.holders.indexOf(node))
    let isAcknowledged = false
    const write = store.write(chunk.id, chunk.bytes).then(() => {
      isAcknowledged = true
    })
    for (let ms = 0; !isAcknowledged; ms += 100) {
      assert.ok(ms < 10_000)
      await cluster.pass(100)
      if (!isAcknowledged) assert.ok((await cluster.holdersOf(chunk.id)).length < 3)
    }
    assert.equal((await cluster.holdersOf(chunk.id)).length, needed)
    await write
    await cluster.settle(store.close())
    assert.equal((await cluster.holdersOf(chunk.id)).length, 3)
  })
}

for (const [what, harm] of [
  ['refuses', (node: FakeNode) => (node.refusal = 'NO_SPACE')],
  ['is dead, which nobody knows yet', (node: FakeNode) => (node.isUp = false)],
  ['is known to be dead', (node: FakeNode) => (node.isThoughtHealthy = node.isUp = false)],
] as const) {
  for (const at of [0, 1, 2]) {
    test(`holder ${at + 1} of three that ${what} is replaced by the first candidate, in a zone of its own`, async () => {
      const fixture = new Fixture({ count: 8, zones: 4, ack: 'all' })
      const { id, bytes, holders } = fixture.remoteChunk()
      const bad = holders[at] as FakeNode
      harm(bad)
      await fixture.cluster.settle(fixture.store.write(id, bytes))
      const copies = await fixture.cluster.holdersOf(id)
      assert.equal(copies.length, 3)
      assert.equal(new Set(copies.map((node) => fixture.pair.next.zoneOf(node))).size, 3)
      assert.ok(!copies.includes(bad.id))
      // The copy isn't where it belongs: that is for a repair.
      assert.deepEqual(fixture.repairs.take(), { chunk: id, copies: 3 })
    })
  }
}

test('what a primary that dies in the middle of a write had still to forward is sent by others', async () => {
  const fixture = new Fixture({ count: 8, ack: 'all' })
  const { id, bytes, holders } = fixture.remoteChunk()
  const [primary, second, third] = holders as [FakeNode, FakeNode, FakeNode]
  second.delayMs = 500
  third.delayMs = 800
  const write = fixture.store.write(id, bytes)
  await fixture.cluster.pass(600)
  assert.ok(await second.has(id))
  primary.isUp = false
  await fixture.cluster.settle(write)
  assert.ok(await third.has(id))
  assert.equal(third.writes, 2)
})

test('a primary that dies before it has stored anything is replaced, and the others get their copies', async () => {
  const fixture = new Fixture({ count: 8, ack: 'all' })
  const { id, bytes, holders } = fixture.remoteChunk()
  const primary = holders[0] as FakeNode
  primary.delayMs = 300
  const write = fixture.store.write(id, bytes)
  await fixture.cluster.pass(100)
  primary.isUp = false
  await fixture.cluster.settle(write)
  const copies = await fixture.cluster.holdersOf(id)
  assert.equal(copies.length, 3)
  assert.ok(!copies.includes(primary.id))
})

test('a node that hangs is replaced after a while', async () => {
  const fixture = new Fixture({ ack: 'all', limits: { replaceAfterMs: 1_000 } })
  const { id, bytes, holders } = fixture.localChunk()
  ;(holders[1] as FakeNode).delayMs = 1_000_000
  const beganMs = fixture.cluster.clock.monotonicMs()
  await fixture.cluster.settle(fixture.store.write(id, bytes))
  assert.ok(fixture.cluster.clock.monotonicMs() - beganMs < 1_200)
  assert.equal((await fixture.cluster.holdersOf(id)).length, 3)
  assert.equal(fixture.repairs.size, 1)
})

test('fewer durable copies than the class asks for are never acknowledged', async () => {
  const fixture = new Fixture({ count: 4, ack: 'quorum' })
  const { id, bytes } = fixture.localChunk()
  for (const node of fixture.cluster.nodes.slice(1)) node.isUp = false
  await rejectsWith('UNAVAILABLE', fixture.cluster.settle(fixture.store.write(id, bytes)))
  assert.deepEqual(await fixture.cluster.holdersOf(id), [fixture.self.id], 'what was stored is left to the collector')
  assert.equal(fixture.repairs.size, 0)
})

test('a class that needs more copies than there are nodes refuses at once, and stores nothing', async () => {
  const fixture = new Fixture({ count: 2, ack: 'all' })
  const { id, bytes } = fixture.localChunk()
  await rejectsWith('UNAVAILABLE', fixture.store.write(id, bytes))
  assert.deepEqual(await fixture.cluster.holdersOf(id), [])
})

test('a write ends when its time is over, whatever hangs', async () => {
  const fixture = new Fixture({ limits: { writeMs: 10_000 } })
  const { id, bytes } = fixture.localChunk()
  for (const node of fixture.cluster.nodes.slice(1)) node.delayMs = 1_000_000
  const beganMs = fixture.cluster.clock.monotonicMs()
  await rejectsWith('UNAVAILABLE', fixture.cluster.settle(fixture.store.write(id, bytes)))
  assert.ok(fixture.cluster.clock.monotonicMs() - beganMs <= 10_100)
})

test('when no node has room the write says so', async () => {
  const fixture = new Fixture()
  const { id, bytes } = fixture.localChunk()
  for (const node of fixture.cluster.nodes) node.refusal = 'NO_SPACE'
  await rejectsWith('NO_SPACE', fixture.store.write(id, bytes))
})

test('copies that come after the acknowledgement have a bound; past it they are the repair queue’s', async () => {
  const fixture = new Fixture({ limits: { backgroundBytesMax: 5_000 } })
  const chunks = [1, 2, 3, 4].map((index) => {
    let nth = 0
    return fixture.chunkWhere((holders) => holders[0] === fixture.self.id && (nth += 1) === index)
  })
  for (const node of fixture.cluster.nodes.slice(1)) node.delayMs = 1_000
  ;(fixture.cluster.nodes[4] as FakeNode).delayMs = 2_000
  await fixture.cluster.settle(Promise.all(chunks.map(({ id, bytes }) => fixture.store.write(id, bytes))))
  await fixture.cluster.settle(fixture.store.close())
  const lacking: ChunkId[] = []
  for (const { id } of chunks) if ((await fixture.cluster.holdersOf(id)).length < 3) lacking.push(id)
  assert.ok(lacking.length >= 1)
  for (const node of fixture.cluster.nodes) node.delayMs = 0
  await fixture.drainRepairs()
  for (const { id } of chunks) assert.equal((await fixture.cluster.holdersOf(id)).length, 3)
})

test('bytes that don’t match their id are kept by nobody they were sent to', async () => {
  const fixture = new Fixture({ ack: 'all' })
  const { id, bytes } = fixture.remoteChunk()
  bytes[0] = (bytes[0] as number) ^ 1
  await rejectsWith('UNAVAILABLE', fixture.cluster.settle(fixture.store.write(id, bytes)))
  for (const node of fixture.cluster.nodes) {
    if (node !== fixture.self) assert.equal(await node.store.locate(id), undefined)
  }
})
