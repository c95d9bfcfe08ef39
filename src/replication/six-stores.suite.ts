import assert from 'node:assert/strict'
import { idOf, sampleBytes } from '#chunk/store.suite.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Ack } from '#placement/class-policy.ts'
import { WireCluster } from './wire-cluster.suite.ts'

// One node that writes and reads, and six that store: files cut into chunks, three copies each, over TLS, on disks.

export const MIB = 1024 * 1024
const never = new AbortController().signal
/** Chunks of one file that are on their way at a time. */
const AT_ONCE = 2

export interface WrittenChunk {
  readonly id: ChunkId
  readonly bytes: Buffer
}

export function openSixStores(ack: Ack = 'all'): Promise<WireCluster> {
  return WireCluster.open({ count: 7, isWriterStore: false, copies: 3, ack })
}

export function cutFile({
  fileBytes,
  chunkBytes,
  seed,
}: {
  fileBytes: number
  chunkBytes: number
  seed: number
}): WrittenChunk[] {
  const file = sampleBytes(fileBytes, seed)
  return Array.from({ length: Math.ceil(fileBytes / chunkBytes) }, (_, at) => {
    const bytes = file.subarray(at * chunkBytes, (at + 1) * chunkBytes)
    return { id: idOf(bytes), bytes }
  })
}

export async function writeChunks(cluster: WireCluster, chunks: readonly WrittenChunk[]): Promise<void> {
  for (let at = 0; at < chunks.length; at += AT_ONCE) {
    await Promise.all(chunks.slice(at, at + AT_ONCE).map(({ id, bytes }) => cluster.store.write(id, bytes)))
  }
}

/** Fetches every copy of every chunk from the node that has it, over the wire. */
export async function checkCopies(cluster: WireCluster, chunks: readonly WrittenChunk[]): Promise<number> {
  const { peers } = cluster.nodes[0] as (typeof cluster.nodes)[0]
  let copies = 0
  for (const { id, bytes } of chunks) {
    const holders = cluster.pair.writers(id)
    assert.equal(new Set(holders).size, 3)
    for (const node of holders) {
      const copy = await peers.store(node).read(id, { range: undefined, signal: never })
      assert.ok(copy.equals(bytes), `the copy of ${id} at ${node}`)
      copies += 1
    }
    assert.ok((await cluster.store.read(id)).equals(bytes))
  }
  return copies
}

export async function forgetChunks(cluster: WireCluster, chunks: readonly WrittenChunk[]): Promise<void> {
  for (const { id } of chunks) await cluster.store.forget(id)
}
