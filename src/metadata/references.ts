import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Snapshot, Transaction } from '#kv/store.ts'
import { garbageChunkKey, readU64, referenceKey, writeU64 } from './keys.ts'

/** How many extents use a chunk, and since when none does. */
export interface Reference {
  readonly count: number
  /** Milliseconds since 1970; 0 while `count` is above zero. */
  readonly zeroAtMs: number
}

const EMPTY = Buffer.alloc(0)

export function encodeReference(reference: Reference): Buffer {
  const bytes = Buffer.allocUnsafe(16)
  writeU64(bytes, reference.count, 0)
  writeU64(bytes, reference.zeroAtMs, 8)
  return bytes
}

export function decodeReference(bytes: Buffer): Reference {
  return { count: readU64(bytes, 0), zeroAtMs: readU64(bytes, 8) }
}

export function findReference(snapshot: Snapshot, chunk: ChunkId): Reference | undefined {
  const bytes = snapshot.get(referenceKey(chunk))
  return bytes === undefined ? undefined : decodeReference(bytes)
}

/** One more extent uses `chunk`; it leaves the garbage list if it was on it. */
export function retainChunk(tx: Transaction, chunk: ChunkId): void {
  const before = findReference(tx, chunk)
  if (before !== undefined && before.count === 0) tx.delete(garbageChunkKey(before.zeroAtMs, chunk))
  tx.put(referenceKey(chunk), encodeReference({ count: (before?.count ?? 0) + 1, zeroAtMs: 0 }))
}

/** One extent fewer uses `chunk`; with none left it goes onto the garbage list. @throws CORRUPT if none was counted */
export function releaseChunk(tx: Transaction, chunk: ChunkId, nowMs: number): void {
  const before = findReference(tx, chunk)
  if (before === undefined || before.count === 0) {
    throw new ShoalError('CORRUPT', `The references of chunk ${chunk} are fewer than what uses it: run "shoal fsck --repair"`, {
      details: { chunk },
    })
  }
  if (before.count > 1) {
    tx.put(referenceKey(chunk), encodeReference({ count: before.count - 1, zeroAtMs: 0 }))
    return
  }
  tx.put(referenceKey(chunk), encodeReference({ count: 0, zeroAtMs: nowMs }))
  tx.put(garbageChunkKey(nowMs, chunk), EMPTY)
}

/** Puts chunks that were written but never became part of a file onto the garbage list, unless somebody uses them. */
export function discardUnused(tx: Transaction, chunks: Iterable<ChunkId>, nowMs: number): void {
  for (const chunk of chunks) {
    if (findReference(tx, chunk) !== undefined) continue
    tx.put(referenceKey(chunk), encodeReference({ count: 0, zeroAtMs: nowMs }))
    tx.put(garbageChunkKey(nowMs, chunk), EMPTY)
  }
}
