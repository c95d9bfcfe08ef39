import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Snapshot, Transaction } from '#kv/store.ts'
import { garbageChunkKey, readU64, referenceKey, writeU64 } from './keys.ts'
import { DEFAULT_POLICY } from './policy.ts'

/** How many extents use a chunk, and since when none does. */
export interface Reference {
  readonly count: number
  /** Milliseconds since 1970; 0 while `count` is above zero. */
  readonly zeroAtMs: number
  /** The replication classes of the volumes that use it, or did: in ascending order, each once. */
  readonly classes: readonly string[]
}

const EMPTY = Buffer.alloc(0)
const FIXED_BYTES = 16
/** Of most chunks, and then not written down. */
const USUAL_CLASSES: readonly string[] = [DEFAULT_POLICY.class]

export function encodeReference({
  count,
  zeroAtMs,
  classes = USUAL_CLASSES,
}: Omit<Reference, 'classes'> & Partial<Reference>): Buffer {
  const isUsual = classes.length === 1 && classes[0] === DEFAULT_POLICY.class
  const names = isUsual ? EMPTY : Buffer.from(classes.join(','))
  const bytes = Buffer.allocUnsafe(FIXED_BYTES + names.length)
  writeU64(bytes, count, 0)
  writeU64(bytes, zeroAtMs, 8)
  names.copy(bytes, FIXED_BYTES)
  return bytes
}

export function isReference(bytes: Buffer): boolean {
  return bytes.length >= FIXED_BYTES
}

export function decodeReference(bytes: Buffer): Reference {
  const classes = bytes.length === FIXED_BYTES ? USUAL_CLASSES : bytes.toString('latin1', FIXED_BYTES).split(',')
  return { count: readU64(bytes, 0), zeroAtMs: readU64(bytes, 8), classes }
}

function withClass(classes: readonly string[], name: string): readonly string[] {
  return classes.includes(name) ? classes : [...classes, name].toSorted()
}

export function findReference(snapshot: Snapshot, chunk: ChunkId): Reference | undefined {
  const bytes = snapshot.get(referenceKey(chunk))
  return bytes === undefined ? undefined : decodeReference(bytes)
}

/** One more extent of a volume of class `className` uses `chunk`; it leaves the garbage list if it was on it. */
export function retainChunk(tx: Transaction, chunk: ChunkId, className: string): void {
  const before = findReference(tx, chunk)
  const { count, classes } = before === undefined || before.count === 0 ? { count: 0, classes: [] } : before
  if (before?.count === 0) tx.delete(garbageChunkKey(before.zeroAtMs, chunk))
  tx.put(referenceKey(chunk), encodeReference({ count: count + 1, zeroAtMs: 0, classes: withClass(classes, className) }))
}

/** Something that uses `chunk` is of class `className` now. @returns whether that wasn't known yet */
export function noteClass(tx: Transaction, chunk: ChunkId, className: string): boolean {
  const before = findReference(tx, chunk)
  if (before === undefined) return false
  const classes = before.count === 1 ? [className] : withClass(before.classes, className)
  if (classes.join() === before.classes.join()) return false
  tx.put(referenceKey(chunk), encodeReference({ ...before, classes }))
  return true
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
    tx.put(referenceKey(chunk), encodeReference({ ...before, count: before.count - 1 }))
    return
  }
  tx.put(referenceKey(chunk), encodeReference({ ...before, count: 0, zeroAtMs: nowMs }))
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
