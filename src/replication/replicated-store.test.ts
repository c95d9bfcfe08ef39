import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idOf, rejectsWith, sampleBytes, suiteOfChunkStore } from '#chunk/store.suite.ts'
import type { FakeNode } from './fake-cluster.suite.ts'
import { Fixture } from './replicated-fixture.suite.ts'

suiteOfChunkStore('replicated, three copies of five nodes, all acknowledged', async (clock) => new Fixture({ clock, ack: 'all' }))
suiteOfChunkStore('replicated, three copies of seven nodes in two zones, a quorum', async (clock) => {
  return new Fixture({ clock, count: 7, zones: 2 })
})
suiteOfChunkStore('replicated, one copy on three nodes', async (clock) => new Fixture({ clock, count: 3, copies: 1, ack: 'all' }))

test('a list without one of the nodes would be wrong: it fails instead', async () => {
  const { store, cluster } = new Fixture()
  assert.equal((await cluster.settle(store.list().next())).done, true)
  cluster.node(cluster.nodes[4]?.id).isUp = false
  await rejectsWith('UNAVAILABLE', cluster.settle(store.list().next()))
})

test('usage speaks of one copy of everything, of the nodes that answer', async () => {
  const { store, cluster } = new Fixture()
  for (const size of [3_000, 6_000]) await cluster.settle(store.write(idOf(sampleBytes(size)), sampleBytes(size)))
  await cluster.pass(20)
  const { chunks, liveBytes } = await cluster.settle(store.usage())
  assert.deepEqual({ chunks, liveBytes }, { chunks: 2, liveBytes: 9_000 })
  for (const node of cluster.nodes) node.isUp = false
  await rejectsWith('UNAVAILABLE', cluster.settle(store.usage()))
})

test('forget removes the copies that it can reach, and spares those that a write has touched meanwhile', async () => {
  const fixture = new Fixture({ count: 9 })
  const { store, cluster } = fixture
  const { id, bytes, holders } = fixture.remoteChunk()
  const [first, second, third] = holders as [FakeNode, FakeNode, FakeNode]
  await cluster.settle(store.write(id, bytes))
  third.isUp = false
  assert.equal(await cluster.settle(store.forget(id)), true)
  assert.deepEqual(await cluster.holdersOf(id), [third.id])

  third.isUp = true
  await cluster.settle(store.write(id, bytes))
  await cluster.pass(20)
  const untouchedSinceMs = cluster.clock.nowMs()
  await second.store.write(id, bytes)
  assert.equal(await cluster.settle(store.forget(id, { untouchedSinceMs })), false)
  assert.deepEqual(await cluster.holdersOf(id), [second.id])

  for (const node of [first, second, third]) node.isUp = false
  await rejectsWith('UNAVAILABLE', cluster.settle(store.forget(id)))
})
