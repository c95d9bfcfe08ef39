import type { ChunkId } from '#foundation/ids.ts'

/** 64 MiB: the largest chunk; 8 MiB is the default of a volume. */
export const MAX_CHUNK_BYTES = 64 * 1024 * 1024

/** What reading a range takes beyond its length at most: the rest of the checksummed blocks at its ends. */
export const READ_MARGIN_BYTES = 128 * 1024

export interface ChunkInfo {
  readonly id: ChunkId
  readonly sizeBytes: number
  /** When `write` last stored or met this chunk, milliseconds since 1970. */
  readonly touchedAtMs: number
  /** Whether a read has found it damaged since the store was opened. That it isn't doesn't say that it is intact. */
  readonly isDamaged?: boolean
}

export interface ByteRange {
  readonly offset: number
  readonly length: number
}

export interface ChunkUsage {
  readonly chunks: number
  /** Sum of the chunks' sizes. */
  readonly liveBytes: number
  /** What they take on the medium, dead space in packs included. */
  readonly storedBytes: number
  /** Size of the medium and what is left on it; `undefined` where that has no meaning. */
  readonly capacityBytes: number | undefined
  readonly freeBytes: number | undefined
}

/** Keeps immutable runs of bytes under the SHA-256 of their content. `store.suite.ts` holds each promise; every adapter
 *  and wrapper runs it.
 *
 *  Absence: `locate` answers `undefined`, `forget` answers false, `read` throws CHUNK_MISSING. Safe to call concurrently,
 *  also for one id. Sizes are 1 to MAX_CHUNK_BYTES bytes. */
export interface ChunkStore {
  /** Stores `bytes` under `id`, which must be their SHA-256 (the caller has just computed it; the store doesn't again).
   *  Durable when the promise resolves. If the chunk is there already nothing is written, but it counts as touched now.
   *  The store may keep `bytes` until the promise settles: don't reuse the buffer before. `checksums` are those that
   *  `digestChunk` has told with the id: the bytes aren't read once more for them then.
   *  @throws NO_SPACE (nothing is stored), STORAGE_FAILED (and every later write is refused), INVALID_ARGUMENT */
  write(id: ChunkId, bytes: Uint8Array, checksums?: Buffer): Promise<void>
  /** Bytes of the chunk, the whole of it or `range`, every one verified against the stored checksum before it is
   *  returned. The buffer is the caller's. With `into`, it may be a part of that, if there is room for the range and
   *  READ_MARGIN_BYTES more. @throws CHUNK_MISSING, CORRUPT, INVALID_ARGUMENT when the range leaves the chunk */
  read(id: ChunkId, range?: ByteRange, into?: Buffer): Promise<Buffer>
  locate(id: ChunkId): Promise<ChunkInfo | undefined>
  /** Removes the chunk. With `untouchedSinceMs`, only if no `write` of it began at or after that moment: this is what
   *  makes collecting garbage safe beside writers. True if it was there and is gone. */
  forget(id: ChunkId, options?: { untouchedSinceMs?: number }): Promise<boolean>
  /** Reads the whole chunk and checks both its checksums and its SHA-256. */
  verify(id: ChunkId): Promise<'intact' | 'corrupt' | 'missing'>
  /** All chunks in ascending order of id, from `from` (inclusive) on; those written or removed meanwhile may or may not appear. */
  list(from?: ChunkId): AsyncIterableIterator<ChunkInfo>
  usage(): Promise<ChunkUsage>
  /** Waits for what is under way, then releases everything. Repeating it is harmless. */
  close(): Promise<void>
}
