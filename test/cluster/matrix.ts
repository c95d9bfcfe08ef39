// Every size of file in every size of chunk, written to a founding node whose six companions store: each copy is fetched from its
// holder over the wire, as another node does it, and compared.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { ClusterIdentity } from '#cluster/identity.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { NodeSockets } from '#platform/node-sockets.ts'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { SocketAddress } from '#platform/sockets.ts'
import { WireChunkPeers } from '#replication/wire-chunks.ts'
import type { ChunkPeers } from '#replication/peers.ts'
import { WirePeers } from '#wire/peers.ts'
import { until } from './process-cluster.ts'
import type { ProcessCluster } from './process-cluster.ts'

const KIB = 1024
const MIB = 1024 * KIB
const FILES_BYTES = [KIB, 64 * KIB, MIB - 1, MIB, MIB + 1, 10 * MIB, 50 * MIB, 100 * MIB]
const CHUNKS_BYTES = [1, 4, 8, 32, 64].map((size) => size * MIB)
const COPIES = 3
/** Files of this length and less are in the metadata, and have no chunk. */
const INLINE_BYTES_MAX = 64 * KIB
const SETTLE_MS = 60_000
const never = new AbortController().signal

/** @returns how many copies were compared. @throws if one isn't there, or isn't what was written */
export async function runMatrix(cluster: ProcessCluster, say: (line: string) => void): Promise<number> {
  const holders = await HolderCalls.open(cluster)
  let copies = 0
  try {
    for (const chunkSizeBytes of CHUNKS_BYTES) {
      const volume = `chunks-of-${chunkSizeBytes / MIB}-mib`
      await cluster.client(0).createVolume(volume, { chunkSizeBytes })
      for (const fileBytes of FILES_BYTES) {
        const beganMs = performance.now()
        const checked = await checkFile(cluster, holders, { volume, fileBytes, chunkSizeBytes })
        copies += checked
        say(
          `${fileBytes} bytes in chunks of ${chunkSizeBytes / MIB} MiB: ${checked} copies in ${Math.round(performance.now() - beganMs)} ms`,
        )
      }
      await cluster.client(0).deleteVolume(volume, { force: true })
    }
    return copies
  } finally {
    await holders.close()
  }
}

async function checkFile(
  cluster: ProcessCluster,
  holders: HolderCalls,
  { volume, fileBytes, chunkSizeBytes }: { volume: string; fileBytes: number; chunkSizeBytes: number },
): Promise<number> {
  const client = cluster.client(0)
  const bytes = randomBytes(fileBytes)
  const path = `${fileBytes}`
  await client.writeSmallFile(volume, path, bytes)
  const locate = async () => (await client.locate(volume, path)).extents
  await until(
    'each chunk has its copies',
    async () =>
      (await locate()).every(({ kind, state, nodes }) => kind !== 'chunk' || (state === 'stored' && nodes.length === COPIES)),
    SETTLE_MS,
  )
  const extents = await locate()
  assert.equal(extents.length, Math.ceil(fileBytes / chunkSizeBytes))
  let copies = 0
  for (const { kind, chunk, nodes, offset, length } of extents) {
    if (kind === 'inline' && fileBytes <= INLINE_BYTES_MAX) continue
    const part = bytes.subarray(offset, offset + length)
    assert.equal(chunk, createHash('sha256').update(part).digest('hex'))
    assert.equal(new Set(nodes).size, COPIES)
    for (const node of nodes) {
      const copy = await holders.read(node as NodeId, chunk as ChunkId)
      assert.ok(copy.equals(part), `the copy of ${chunk} on node ${node}`)
      copies += 1
    }
  }
  // Any node gives the file.
  const other = cluster.client(1 + (fileBytes % (cluster.size - 1)))
  assert.ok((await other.readSmallFile(volume, path)).bytes.equals(bytes))
  return copies
}

/** Calls nodes for their chunks, as the founding node, whose keys it borrows. */
class HolderCalls {
  readonly #wire: WirePeers
  readonly #peers: ChunkPeers

  static async open(cluster: ProcessCluster): Promise<HolderCalls> {
    const [nodeId, path] = [(await cluster.idOf(0)) as NodeId, cluster.dataOf(0)]
    const clusterId = (await cluster.client(0).status()).clusterId
    const ports = { files: nodeFiles, clock: nodeClock, random: nodeRandom, log: silentLog }
    const identity = await ClusterIdentity.open({ path, nodeId, clusterId } as Parameters<typeof ClusterIdentity.open>[0], ports)
    const places = await Promise.all(cluster.running.map(async (at) => [await cluster.idOf(at), cluster.addressOf(at)] as const))
    return new HolderCalls(identity, new Map(places))
  }

  private constructor(identity: ClusterIdentity, addresses: ReadonlyMap<string, SocketAddress>) {
    this.#wire = new WirePeers({
      connector: new NodeSockets(identity.keys),
      clock: nodeClock,
      random: nodeRandom,
      identity: { ...identity.name, software: 'test' },
    })
    this.#peers = new WireChunkPeers({
      // Of no node: each of them is called.
      self: '0'.repeat(32) as NodeId,
      wire: this.#wire,
      addressOf: (id) => ({ ...(addresses.get(id) as SocketAddress), nodeId: id }),
      store: openMemoryChunkStore({ clock: nodeClock }),
      isHealthy: () => true,
      digests: nodeDigests,
    })
  }

  read(node: NodeId, chunk: ChunkId): Promise<Buffer> {
    return this.#peers.store(node).read(chunk, { range: undefined, signal: never })
  }

  close(): Promise<void> {
    return this.#wire.close()
  }
}
