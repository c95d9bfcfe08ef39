// Collecting garbage, in small transactions: contents that were replaced or removed let go of their chunks, ended upload
// sessions and removed volumes lose their rows, and chunks that nothing has used for a while are named to be forgotten.

import type { ChunkId } from '#foundation/ids.ts'
import type { KeyValue, Snapshot, Transaction } from '#kv/store.ts'
import { discardAnew, listGarbage } from './garbage.ts'
import { garbageChunkKey, kindRange, KIND, offsetOfExtentKey, readGarbageChunkKey, referenceKey, SYSTEM_PREFIX } from './keys.ts'
import { decodeExtent, decodeRecord } from './record.ts'
import { findReference, releaseChunk } from './references.ts'
import type { IsOpen } from './transaction.ts'

/** Rows removed in one transaction: a few milliseconds of work. */
const ROWS_PER_STEP = 500
/** Counted for a status at most: some ten milliseconds of work. */
const GARBAGE_COUNT_MAX = 10_000

export interface ChunkGarbage {
  readonly chunk: ChunkId
  readonly zeroAtMs: number
  /** Something uses the chunk: its row on the list is left over, and must not cost the chunk. */
  readonly isUsed: boolean
}

/** The oldest chunks that nothing has used since `beforeMs`. */
export function listGarbageChunks(snapshot: Snapshot, { beforeMs, limit }: { beforeMs: number; limit: number }): ChunkGarbage[] {
  const found: ChunkGarbage[] = []
  for (const { key } of snapshot.range({ ...kindRange(SYSTEM_PREFIX, KIND.garbageChunk), limit })) {
    const garbage = readGarbageChunkKey(key)
    if (garbage.zeroAtMs >= beforeMs) break
    found.push({ ...garbage, isUsed: (findReference(snapshot, garbage.chunk)?.count ?? 0) > 0 })
  }
  return found
}

/** Counts chunks that nothing uses, up to a bound: the list may hold millions. */
export function countGarbageChunks(snapshot: Snapshot): { readonly chunks: number; readonly hasMore: boolean } {
  let chunks = 0
  for (const _ of snapshot.range({ ...kindRange(SYSTEM_PREFIX, KIND.garbageChunk), limit: GARBAGE_COUNT_MAX + 1 })) chunks += 1
  return { chunks: Math.min(chunks, GARBAGE_COUNT_MAX), hasMore: chunks > GARBAGE_COUNT_MAX }
}

/** Strikes chunks that are gone from the store off the list, unless somebody uses them again. */
export function strikeGarbageChunks(tx: Transaction, gone: readonly ChunkGarbage[]): void {
  for (const { chunk, zeroAtMs } of gone) {
    tx.delete(garbageChunkKey(zeroAtMs, chunk))
    const reference = findReference(tx, chunk)
    // Used and left again meanwhile, it is on the list anew, with the reference that says so.
    if (reference?.count === 0 && reference.zeroAtMs === zeroAtMs) tx.delete(referenceKey(chunk))
  }
}

export interface ContentsStep {
  readonly beforeMs: number
  readonly nowMs: number
  /** Contents that somebody is reading stay for now. */
  readonly isOpen: IsOpen
}

/** Works on what was discarded before `beforeMs`, a bounded piece of it. True if there may be more. */
export function collectContentsStep(tx: Transaction, { beforeMs, nowMs, isOpen }: ContentsStep): boolean {
  const left = new Set<string>()
  for (const item of listGarbage(tx)) {
    const { discardedAtMs, prefix, what } = item
    if (discardedAtMs > nowMs) {
      // The clock has gone back since: the wait begins now, or it could take years.
      discardAnew(tx, item, nowMs)
      return true
    }
    if (discardedAtMs >= beforeMs) return false
    const volume = prefix.toString('latin1')
    // A volume goes behind all that is on the list of it.
    if (isOpen(prefix, what) || (what.length === 0 && left.has(volume))) {
      left.add(volume)
      continue
    }
    if (removeSome(tx, rowsOf(tx, { prefix, what }), { nowMs, release: item.ownsChunks })) return true
    tx.delete(item.key)
    return true
  }
  return false
}

function* rowsOf(tx: Transaction, { prefix, what }: { prefix: Buffer; what: Buffer }): Generator<KeyValue> {
  if (what.length === 8) yield* tx.range(kindRange(prefix, KIND.extent, what))
  else if (what.length === 16) {
    yield* tx.range(kindRange(prefix, KIND.partExtent, what))
    yield* tx.range(kindRange(prefix, KIND.part, what))
  } else for (const kind of VOLUME_KINDS) yield* tx.range(kindRange(prefix, kind))
}

/** Kinds of rows that go with a removed volume. */
const VOLUME_KINDS = [
  KIND.entry,
  KIND.inode,
  KIND.extent,
  KIND.inline,
  KIND.xattr,
  KIND.lock,
  KIND.version,
  KIND.nullVersion,
  KIND.upload,
  KIND.part,
  KIND.partExtent,
  KIND.counters,
]

/** Removes up to a step's worth of rows; true if it met the bound. */
function removeSome(tx: Transaction, rows: Iterable<KeyValue>, { nowMs, release }: { nowMs: number; release: boolean }): boolean {
  const batch: KeyValue[] = []
  for (const row of rows) {
    batch.push(row)
    if (batch.length === ROWS_PER_STEP) break
  }
  for (const { key, value } of batch) {
    tx.delete(key)
    if (release) for (const chunk of chunksOf(key, value)) releaseChunk(tx, chunk, nowMs)
  }
  return batch.length === ROWS_PER_STEP
}

const RECORD_FORMAT = 1

/** The chunks that a row holds references to. */
export function chunksOf(key: Buffer, value: Buffer): ChunkId[] {
  const kind = key[8]
  if (kind === KIND.extent || kind === KIND.partExtent) return [decodeExtent(value, offsetOfExtentKey(key)).chunk]
  const holdsRecord = (kind === KIND.entry || kind === KIND.inode || kind === KIND.version) && value[0] === RECORD_FORMAT
  return holdsRecord ? decodeRecord(value).extents.map((extent) => extent.chunk) : []
}
