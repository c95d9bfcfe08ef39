// npm run bench lookup: what it takes to look a file up and to read it, by the node that leads and by one that follows, in clusters of 3 to
// 100 nodes, all in one process: each with its replica of the metadata over one log in memory, and its chunks in memory. Prints a table, takes about
// half a minute.
import { BasicAuthenticator } from '#access/basic-authenticator.ts'
import { KeySeal } from '#access/key-seal.ts'
import type { ChunkStore } from '#chunk/store.ts'
import type { NodeId } from '#foundation/ids.ts'
import { parsePath } from '#foundation/path.ts'
import { openReplica, until } from '#kv/replicated-fixture.suite.ts'
import { followAccess } from '#node/followed-access.ts'
import { FollowerReads } from '#node/follower-reads.ts'
import { assembleVolumes } from '#node/node-volumes.ts'
import { silentLog } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { FakeCluster } from '#replication/fake-cluster.suite.ts'
import { RepairQueue } from '#replication/repair-queue.ts'
import { ReplicatedChunkStore } from '#replication/replicated-store.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import { bodyOf, caller, readAll } from '#volume/volume-fixture.suite.ts'

const FILES = 500
const CALLS = 500
const ROUNDS = 40
/** In the metadata, and in a chunk. */
const SIZES = { small: 200, chunk: 8_192 }
const SETTINGS = {
  changes: { ringEntries: 1_000 },
  uploads: { expiryMs: 60_000 },
  gc: { graceMs: 60_000, intervalMs: 60_000, sweepIntervalMs: 60_000 },
  limits: { writeBufferBytes: 64 * 1024 * 1024 },
}
const POLICY = { name: 'default', copies: 3, ack: 'quorum', zones: 1, durability: 'durable' } as const

/** The best round's microseconds a call, one after the other. */
async function microseconds(work: (at: number) => Promise<unknown>): Promise<string> {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round += 1) {
    const beginMs = performance.now()
    for (let at = 0; at < CALLS; at += 1) await work(at)
    best = Math.min(best, ((performance.now() - beginMs) * 1_000) / CALLS)
  }
  return `${best.toFixed(1)} µs`
}

async function measure(count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, at) => (at + 1).toString(16).padStart(32, '0') as NodeId)
  const chunkNodes = new FakeCluster(ids)
  const layout = computeLayout({
    nodes: ids.map((id) => ({ id, zone: id, capacityBytes: 1e12, weight: 1 })),
    copies: POLICY.copies,
  })
  const layouts = (): LayoutPair => new LayoutPair(layout)
  const shared = { layouts, policy: POLICY, repairs: new RepairQueue(), clock: chunkNodes.clock, digests: nodeDigests }
  const chunksOf = (at: number): ChunkStore =>
    new ReplicatedChunkStore({ ...shared, peers: chunkNodes.peersOf(ids[at] as NodeId) })
  const log = new MemoryLog({ clock: nodeClock, leaseMs: 600_000 })
  const replicas = ids.map((id) => openReplica(id, { log: log.client({ clock: nodeClock }) }))
  await until(() => replicas.some(({ isLeading }) => isLeading), 'one leads')
  const leads = replicas.findIndex(({ isLeading }) => isLeading)
  const follows = (leads + 1) % count
  const [leader, follower] = [replicas[leads] as (typeof replicas)[0], replicas[follows] as (typeof replicas)[0]]
  const ports = { clock: nodeClock, random: nodeRandom, log: silentLog, metrics: new PromMetrics({ ofProcess: false }) }
  const volumes = assembleVolumes({ kv: leader, chunks: chunksOf(leads), folder: { nodeId: 'leader' } }, SETTINGS, ports)
  const chunks = chunksOf(follows)
  const access = followAccess({
    store: follower,
    seal: new KeySeal(Buffer.alloc(32), nodeRandom),
    root: { accessKey: 'root', secretKey: 'of the root' },
    beside: new BasicAuthenticator({ ...ports, find: () => undefined }),
    ports,
  })
  const reads = new FollowerReads({
    config: SETTINGS,
    store: follower,
    access,
    chunks: { chunks: { all: chunks, isSpread: true }, classes: { has: () => true, chunksOf: () => chunks } },
    nodeId: 'follower',
    ports,
  })
  await volumes.create('docs', {}, caller)
  const volume = await volumes.open('docs')
  for (const [name, size] of Object.entries(SIZES))
    for (let at = 0; at < FILES; at += 1)
      await volume.writeFile(parsePath(`${name}/${at}`), bodyOf(Buffer.alloc(size, `${name} ${at} `)), {
        caller,
        createParents: true,
      })
  const pathOf = (name: keyof typeof SIZES, at: number) => parsePath(`${name}/${at % FILES}`)
  const look = async (at: number, name: keyof typeof SIZES, where: StrongVolumes) =>
    (await where.open('docs')).openFile(pathOf(name, at), { follow: true })
  const asked = () => chunkNodes.nodes.reduce((sum, node) => sum + node.reads, 0)
  const ready = () => reads.isReady({ isStale: false })
  const rows: [string, (at: number) => Promise<unknown>][] = [
    ['the leader looks a small file up', (at) => look(at, 'small', volumes)],
    ['the leader reads 8 KiB of a chunk', async (at) => readAll(await look(at, 'chunk', volumes))],
    ['a follower looks a small file up', async (at) => (await ready()) && look(at, 'small', reads.volumes)],
    ['a follower reads 8 KiB of a chunk', async (at) => (await ready()) && readAll(await look(at, 'chunk', reads.volumes))],
  ]
  for (const [what, work] of rows) {
    const before = asked()
    const time = await microseconds(work)
    console.log(`${count} nodes: ${what}`.padEnd(50), `${time}, ${(asked() - before) / (CALLS * ROUNDS)} nodes asked for bytes`)
  }
  await Promise.all(replicas.map((replica) => replica.close()))
}

for (const count of [3, 10, 30, 100]) await measure(count)
process.exit()
