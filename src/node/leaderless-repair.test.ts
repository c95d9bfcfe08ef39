import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idOf, sampleBytes } from '#chunk/store.suite.ts'
import { EventualVolumes } from '#eventual/volumes.ts'
import { DEFAULT_EVENTUAL_POLICY, definitionValue } from '#eventual/volume-definition.ts'
import { Replica } from '#eventual/replica.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { openMemoryStore } from '#kv/memory.ts'
import { silentLog } from '#observe/log.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import { nodes } from '#placement/nodes.suite.ts'
import { FakeCluster } from '#replication/fake-cluster.suite.ts'
import { EMPTY_VIEW, layoutName } from '#system/system-view.ts'
import { LeaderlessRepair } from './leaderless-repair.ts'

const COPIES = 3

/** Nodes that all have the same entries, and nobody who leads. */
async function world(count: number) {
  const layoutNodes = nodes(count)
  const ids = layoutNodes.map(({ id }) => id)
  const cluster = new FakeCluster(ids)
  const pair = new LayoutPair(computeLayout({ nodes: layoutNodes, copies: COPIES, partitionBits: 6 }))
  const record = { ...EMPTY_VIEW.classes.get('default')!, copies: COPIES }
  const view = {
    ...EMPTY_VIEW,
    version: 1,
    classes: new Map([['default', record]]),
    layouts: new Map([[layoutName({ copies: COPIES, zones: 1 }), pair]]),
  }
  const replicas = await Promise.all(
    ids.map((node) => Replica.open({ node, store: openMemoryStore(), clock: cluster.clock, isFounder: true })),
  )
  for (const replica of replicas) await new EventualVolumes(replica).create('docs', {}, { timeNs: 1n })
  const isUp = (id: NodeId) => cluster.node(id).isUp
  const repairs = replicas.map(
    (replica) =>
      new LeaderlessRepair({
        replica,
        peers: cluster.peersOf(replica.node),
        running: () => ids.filter((id) => id !== replica.node && isUp(id)),
        view: () => view,
        isLeaderless: () => true,
        clock: cluster.clock,
        log: silentLog,
      }),
  )
  /** A file whose one chunk is on the node that took the write alone. */
  const write = async (seed: number, at: number): Promise<ChunkId> => {
    const bytes = sampleBytes(1_000, seed)
    const chunk = idOf(bytes)
    await cluster.node(ids[at] as NodeId).store.write(chunk, bytes)
    const extents = [{ chunk, lengthBytes: bytes.length }]
    const value = {
      ...definitionValue(DEFAULT_EVENTUAL_POLICY, 1n),
      sizeBytes: bytes.length,
      content: { kind: 'chunks', extents } as const,
    }
    for (const replica of replicas) await (await new EventualVolumes(replica).open('docs')).put(`file-${seed}`, value)
    return chunk
  }
  const repairAll = () =>
    cluster.settle(Promise.all(repairs.map(async (repair, at) => (isUp(ids[at] as NodeId) ? repair.repairAll() : 0))))
  const lacking = async (chunk: ChunkId) => {
    const holders = pair.next.holders(chunk).filter(isUp)
    const has = await Promise.all(holders.map((id) => cluster.node(id).has(chunk)))
    return has.filter((is) => !is).length
  }
  return { ids, cluster, write, repairAll, lacking }
}

test('without a leader each chunk gets the copies that its class has, from whichever node has it, and once', async () => {
  const { write, repairAll, lacking } = await world(5)
  const chunks: ChunkId[] = []
  for (let seed = 1; seed <= 12; seed += 1) chunks.push(await write(seed, seed % 5))
  const missing = (await Promise.all(chunks.map(lacking))).reduce((sum, each) => sum + each, 0)
  const copies = (await repairAll()).reduce((sum, each) => sum + each, 0)
  assert.equal(copies, missing)
  assert.deepEqual(
    await Promise.all(chunks.map(lacking)),
    chunks.map(() => 0),
  )
  assert.deepEqual(await repairAll(), [0, 0, 0, 0, 0])
})

test('while holders are down the first of the others looks after their partitions', async () => {
  const { ids, cluster, write, repairAll, lacking } = await world(5)
  const chunks: ChunkId[] = []
  for (let seed = 1; seed <= 12; seed += 1) chunks.push(await write(seed, 0))
  for (const id of ids.slice(3)) cluster.node(id).isUp = false
  await repairAll()
  assert.deepEqual(
    await Promise.all(chunks.map(lacking)),
    chunks.map(() => 0),
  )
})
