import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '#observe/log.ts'
import { EveryCopy } from './every-copy.ts'
import type { FakeNode } from './fake-cluster.suite.ts'
import { Fixture } from './replicated-fixture.suite.ts'

function everyCopyOf({ cluster, self, pair }: Fixture): EveryCopy {
  const peers = cluster.peersOf(self.id)
  return new EveryCopy({ peers, layouts: () => [pair], clock: cluster.clock, log: silentLog, callMs: 1_000 })
}

test('forgetting removes every copy, also one that stands in for another', async () => {
  const fixture = new Fixture({ count: 6 })
  const { cluster } = fixture
  const { id, bytes, holders } = fixture.localChunk()
  const stranger = cluster.nodes.find((node) => !holders.includes(node)) as FakeNode
  for (const node of [...holders, stranger]) await node.store.write(id, bytes)
  assert.equal(await cluster.settle(everyCopyOf(fixture).forget(id)), true)
  assert.deepEqual(await cluster.holdersOf(id), [])
  assert.equal(await cluster.settle(everyCopyOf(fixture).forget(id)), false)
})

test('a copy that was touched stays, with all others, and the chunk doesn’t count as gone', async () => {
  const fixture = new Fixture()
  const { cluster } = fixture
  const { id, bytes, holders } = fixture.localChunk()
  for (const node of holders) await node.store.write(id, bytes)
  cluster.clock.advance(1_000)
  const untouchedSinceMs = cluster.clock.nowMs()
  await holders[1]?.store.write(id, bytes)
  assert.equal(await cluster.settle(everyCopyOf(fixture).forget(id, { untouchedSinceMs })), false)
  assert.deepEqual(await cluster.holdersOf(id), holders.map((node) => node.id).toSorted())
  cluster.clock.advance(1_000)
  assert.equal(await cluster.settle(everyCopyOf(fixture).forget(id, { untouchedSinceMs: cluster.clock.nowMs() })), true)
  assert.deepEqual(await cluster.holdersOf(id), [])
})

test('a list and a usage leave out a node that is away, and a chunk is listed once', async () => {
  const fixture = new Fixture()
  const { cluster } = fixture
  const chunks = [fixture.localChunk(), fixture.remoteChunk()]
  for (const { id, bytes, holders } of chunks) for (const node of holders) await node.store.write(id, bytes)
  const every = everyCopyOf(fixture)
  const list = async () => (await Array.fromAsync(every.list())).map(({ id }) => id)
  const expected = chunks.map(({ id }) => id).toSorted()
  assert.deepEqual(await cluster.settle(list()), expected)
  assert.equal((await cluster.settle(every.usage())).chunks, 6)
  const away = chunks[1]?.holders[0] as FakeNode
  away.isUp = false
  assert.deepEqual(await cluster.settle(list()), expected)
  const had = chunks.filter(({ holders }) => holders.includes(away)).length
  assert.equal((await cluster.settle(every.usage())).chunks, 6 - had)
})

test('a chunk is as good as its best copy, and missing only if every node says so', async () => {
  const fixture = new Fixture()
  const { cluster } = fixture
  const { id, bytes, holders } = fixture.remoteChunk()
  const [first, second, third] = holders as [FakeNode, FakeNode, FakeNode]
  const every = everyCopyOf(fixture)
  const look = async () => [(await cluster.settle(every.locate(id)))?.id, await cluster.settle(every.verify(id))]
  assert.deepEqual(await look(), [undefined, 'missing'])
  await first.store.write(id, bytes)
  first.store.damaged.add(id)
  assert.deepEqual(await look(), [id, 'corrupt'])
  await second.store.write(id, bytes)
  third.isUp = false
  assert.deepEqual(await look(), [id, 'intact'])
  second.isUp = false
  assert.equal((await cluster.settle(every.locate(id)))?.id, id)
  await assert.rejects(cluster.settle(every.verify(id)), { code: 'UNAVAILABLE' })
  first.isUp = false
  await assert.rejects(cluster.settle(every.locate(id)), { code: 'UNAVAILABLE' })
})
