import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idOf, rejectsWith, sampleBytes } from '#chunk/store.suite.ts'
import { nodeId } from '#placement/nodes.suite.ts'
import { FakeCluster, TEST_DIGESTS } from '#replication/fake-cluster.suite.ts'
import { RemoteHolders } from './remote-holders.ts'

const bytes = sampleBytes(2_000)
const id = idOf(bytes)
const [self, a, b] = [nodeId(0), nodeId(1), nodeId(2)]
const { signal } = new AbortController()

async function clusterWithCopyAtA() {
  const cluster = new FakeCluster([self, a, b])
  await cluster.node(a).store.write(id, bytes)
  const holders = new RemoteHolders({
    peers: cluster.peersOf(self),
    clock: cluster.clock,
    digests: TEST_DIGESTS,
    callMs: 1_000,
    copyMs: 2_000,
  })
  return { cluster, holders }
}

test('a copy goes from node to node, not through this one, and is compared with its id', async () => {
  const { cluster, holders } = await clusterWithCopyAtA()
  assert.equal(await cluster.settle(holders.copy(id, { from: a, to: b, sizeBytes: 2_000, signal })), true)
  assert.deepEqual([cluster.node(b).pulls, cluster.node(a).reads, cluster.node(b).writes], [1, 1, 0])
  assert.ok(await cluster.node(b).has(id))
  assert.deepEqual(
    (await holders.list(b, { from: undefined, limit: 10, signal })).map((info) => info.id),
    [id],
  )
  assert.equal((await holders.locate(b, id, signal))?.sizeBytes, 2_000)
  assert.equal((await holders.usage(b, signal)).chunks, 1)
  assert.equal(await holders.verify(b, id, signal), 'intact')
  assert.equal(await holders.remove(b, id, { untouchedSinceMs: cluster.clock.nowMs(), signal }), false)
  assert.equal(await holders.remove(b, id, { untouchedSinceMs: cluster.clock.nowMs() + 1, signal }), true)
  assert.equal(await holders.locate(b, id, signal), undefined)
})

test('a source that has nothing good to give is told from a target that fails', async () => {
  const { cluster, holders } = await clusterWithCopyAtA()
  const copy = (): Promise<boolean> => cluster.settle(holders.copy(id, { from: a, to: b, sizeBytes: 2_000, signal }))
  cluster.node(a).garbles = true
  assert.equal(await copy(), false)
  cluster.node(a).garbles = false
  cluster.node(a).isUp = false
  assert.equal(await copy(), false)
  cluster.node(a).isUp = true
  assert.equal(await cluster.settle(holders.copy(id, { from: b, to: a, sizeBytes: 2_000, signal })), false)
  cluster.node(b).refusal = 'NO_SPACE'
  await rejectsWith('NO_SPACE', copy())
})

test('a copy goes through this node where the target can not fetch it: of an earlier release, or without a way to the source', async () => {
  const { cluster, holders } = await clusterWithCopyAtA()
  cluster.node(b).knowsPull = false
  assert.equal(await cluster.settle(holders.copy(id, { from: a, to: b, sizeBytes: 2_000, signal })), true)
  assert.deepEqual([cluster.node(b).pulls, cluster.node(b).writes], [0, 1])
  cluster.node(b).loseEverything()
  cluster.node(b).knowsPull = true
  cluster.node(b).unreachable.add(a)
  assert.equal(await cluster.settle(holders.copy(id, { from: a, to: b, sizeBytes: 2_000, signal })), true)
  assert.deepEqual([cluster.node(b).pulls, cluster.node(b).writes], [1, 2])
  assert.ok(await cluster.node(b).has(id))
})

test('what begins or ends at this node is read or stored here, without a detour', async () => {
  const { cluster, holders } = await clusterWithCopyAtA()
  assert.equal(await cluster.settle(holders.copy(id, { from: a, to: self, sizeBytes: 2_000, signal })), true)
  assert.equal(await cluster.settle(holders.copy(id, { from: self, to: b, sizeBytes: 2_000, signal })), true)
  assert.deepEqual([cluster.node(self).pulls, cluster.node(b).pulls], [0, 0])
})

test('a node that takes too long is given up, and so is every call that is cancelled', async () => {
  const { cluster, holders } = await clusterWithCopyAtA()
  cluster.node(a).delayMs = 10_000
  await rejectsWith('UNAVAILABLE', cluster.settle(holders.locate(a, id, signal)))
  const end = new AbortController()
  const copying = holders.copy(id, { from: a, to: b, sizeBytes: 2_000, signal: end.signal })
  end.abort()
  await assert.rejects(copying)
  assert.equal(await cluster.node(b).has(id), false)
})
