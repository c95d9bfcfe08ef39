import { hash } from 'node:crypto'
import { blockChecksums, sha256AndChecksums, splitDigest } from './block-checksums.ts'
import type { Digests } from './digests.ts'
import { nodeMd5Threads } from './node-md5-threads.ts'
import { sharedBytes } from './node-worker-jobs.ts'
import { nodeWorkers } from './node-worker-pool.ts'

/** Below these a result is computed sooner than a thread is woken. */
const INLINE_SHA256_BYTES = 64 * 1024
const INLINE_CHECKSUM_BYTES = 512 * 1024

/** Digests in worker threads, which share the memory of buffers from `allocate`: WebCrypto's asynchronous digest copies
 *  its input first, on the event loop, and that copy costs a third as much as the digest. */
export const nodeDigests: Digests = {
  allocate(sizeBytes) {
    // Memory that could grow begins on a page, which writes past the page cache ask for. This never grows.
    return Buffer.from(new SharedArrayBuffer(sizeBytes, { maxByteLength: sizeBytes }), 0, sizeBytes)
  },

  async sha256(bytes) {
    const shared = bytes.length <= INLINE_SHA256_BYTES ? undefined : sharedBytes(bytes)
    if (shared === undefined) return hash('sha256', bytes, 'buffer')
    return asBuffer(await nodeWorkers.run({ kind: 'sha256', bytes: shared }))
  },

  async sha256AndChecksums(bytes, blockBytes, kind) {
    const shared = bytes.length <= INLINE_SHA256_BYTES ? undefined : sharedBytes(bytes)
    if (shared === undefined) return splitDigest(sha256AndChecksums(bytes, blockBytes, kind))
    return splitDigest(
      asBuffer(await nodeWorkers.run({ kind: 'sha256 and checksums', bytes: shared, blockBytes, checksums: kind })),
    )
  },

  async blockChecksums(bytes, blockBytes, kind) {
    const shared = bytes.length <= INLINE_CHECKSUM_BYTES ? undefined : sharedBytes(bytes)
    if (shared === undefined) return blockChecksums(bytes, blockBytes, kind)
    return asBuffer(await nodeWorkers.run({ kind, bytes: shared, blockBytes }))
  },

  md5: () => nodeMd5Threads.open(),
}

/** For a thread that is one of several already: it computes what blocks need by itself. */
export const threadDigests: Digests = {
  ...nodeDigests,
  blockChecksums: (bytes, blockBytes, kind) => Promise.resolve(blockChecksums(bytes, blockBytes, kind)),
}

function asBuffer(bytes: Uint8Array | undefined): Buffer {
  return bytes === undefined ? Buffer.alloc(0) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
