import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rejectsWith } from '#chunk/store.suite.ts'
import type { FakeNode } from './fake-cluster.suite.ts'
import { Fixture } from './replicated-fixture.suite.ts'

test('a readonly node gets nothing new, also if it is the one that writes: another one has its place, in a zone of its own', async () => {
  const fixture = new Fixture({ count: 6, zones: 3, ack: 'all' })
  const { cluster, store, self } = fixture
  const { id, bytes, holders } = fixture.localChunk()
  self.isReadonly = true
  const { state, copies } = await cluster.settle(store.writeCopies(id, bytes))
  assert.equal(state, 'stored')
  const written = await cluster.holdersOf(id)
  assert.equal(written.length, 3)
  assert.equal(written.includes(self.id), false)
  assert.deepEqual(copies.map(({ node }) => node).toSorted(), written.toSorted())
  assert.equal(new Set(written.map((node) => fixture.pair.next.zoneOf(node))).size, 3)
  assert.equal(fixture.repairs.size, 0, 'nothing lacks')
  for (const node of holders) if (node !== self) node.isUp = false
  assert.ok((await cluster.settle(store.read(id))).equals(bytes), 'who stands in is found')
})

test('what a readonly node has is read, counts, and is repaired by nobody', async () => {
  const fixture = new Fixture({ count: 5 })
  const { cluster, store, repairs } = fixture
  const old = fixture.localChunk()
  await cluster.settle(store.write(old.id, old.bytes))
  await cluster.pass(100)
  const [, second] = old.holders as [FakeNode, FakeNode]
  second.isReadonly = true
  const reads = fixture.self.reads
  assert.ok((await cluster.settle(store.read(old.id))).equals(old.bytes))
  assert.equal(fixture.self.reads, reads + 1)
  assert.equal((await cluster.settle(store.copies(old.id))).state, 'stored')
  const fresh = fixture.chunkWhere((holders) => holders.includes(second.id) && !holders.includes(fixture.self.id))
  await cluster.settle(store.write(fresh.id, fresh.bytes))
  await cluster.pass(100)
  assert.equal(await second.has(fresh.id), false)
  for (let round = 0; round < 6; round += 1) await cluster.settle(store.read(fresh.id))
  assert.equal(await cluster.settle(store.verify(fresh.id)), 'intact')
  assert.equal(repairs.size, 0, 'it is not missed there')
  second.isReadonly = false
  assert.equal(await cluster.settle(store.verify(fresh.id)), 'intact')
  assert.equal(repairs.size, 1, 'until it takes chunks again')
})

test('a corrupt copy on a readonly node is told of all the same', async () => {
  const fixture = new Fixture({ count: 5 })
  const { cluster, store, repairs } = fixture
  const { id, bytes, holders } = fixture.localChunk()
  await cluster.settle(store.write(id, bytes))
  await cluster.pass(100)
  const [first] = holders as [FakeNode]
  first.isReadonly = true
  first.store.damaged.add(id)
  assert.ok((await cluster.settle(store.read(id))).equals(bytes))
  assert.equal(repairs.take()?.chunk, id)
})

test('with too few nodes that take chunks a write is refused or has fewer copies, and no readonly node is a last resort', async () => {
  for (const [ack, isTaken] of [
    ['quorum', true],
    ['all', false],
  ] as const) {
    const fixture = new Fixture({ count: 3, ack })
    const { cluster, store, self } = fixture
    const { id, bytes } = fixture.localChunk()
    const [, , third] = cluster.nodes as [FakeNode, FakeNode, FakeNode]
    third.isReadonly = true
    if (isTaken) {
      const { state } = await cluster.settle(store.writeCopies(id, bytes))
      await cluster.pass(100)
      assert.equal(state === 'need-replication' || state === 'replication-out', true)
      assert.equal((await cluster.settle(store.copies(id))).state, 'need-replication')
      assert.equal(fixture.repairs.size, 0, 'there is nothing that a repair could do')
    } else await rejectsWith('UNAVAILABLE', cluster.settle(store.write(id, bytes)))
    assert.equal(await third.has(id), false)
    assert.equal(await self.has(id), isTaken)
  }
})
