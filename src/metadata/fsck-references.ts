// Counts how many extents use each chunk and compares that with what is written down. Memory: at most about half a million
// chunks are counted at a time (some 60 MB); where there are more, the rows that use chunks are read several times, each
// time for another part of all chunk ids.

import type { ChunkId } from '#foundation/ids.ts'
import type { Snapshot } from '#kv/store.ts'
import { type Discarded, discardedKey, type Steps, tryDecodeRecord } from './fsck-check.ts'
import {
  chunkOfReferenceKey,
  garbageChunkKey,
  idOfKey,
  type KeyPrefix,
  kindRange,
  KIND,
  offsetOfExtentKey,
  offsetOfPartExtentKey,
  readGarbageChunkKey,
  referenceKey,
  SYSTEM_PREFIX,
} from './keys.ts'
import { EXTENT_BYTES, decodeExtent, type Extent } from './record.ts'
import { decodeReference, encodeReference, isReference, type Reference } from './references.ts'
import type { Repair } from './repair.ts'

const CHUNKS_PER_PASS = 500_000
const EMPTY = Buffer.alloc(0)
const REFERENCE_KEY_BYTES = 41
const GARBAGE_KEY_BYTES = 49

/** One of `passes` equal parts of all chunk ids. */
export interface ChunkPart {
  readonly index: number
  readonly passes: number
}

/** How many passes the rows need. */
export function* countPasses(snapshot: Snapshot): Steps<number> {
  let references = 0
  for (const _ of snapshot.range(kindRange(SYSTEM_PREFIX, KIND.reference))) {
    references += 1
    yield undefined
  }
  return Math.max(1, Math.ceil(references / CHUNKS_PER_PASS))
}

function boundsOf({ index, passes }: ChunkPart): { from: string; until: string } {
  const hex = (at: number): string =>
    Math.ceil((at * 65_536) / passes)
      .toString(16)
      .padStart(4, '0')
  return { from: hex(index), until: index + 1 === passes ? 'g' : hex(index + 1) }
}

/** What the extents say of a chunk: how many there are, and how long it must be. */
export interface ChunkUse {
  count: number
  endBytes: number
}

/** Where rows that use chunks are: a volume's prefix. */
export function* tallyChunks(
  snapshot: Snapshot,
  from: { prefixes: readonly KeyPrefix[]; discarded: Discarded },
  part: ChunkPart,
): Steps<Map<ChunkId, ChunkUse>> {
  const uses = new Map<ChunkId, ChunkUse>()
  const bounds = boundsOf(part)
  for (const prefix of from.prefixes) {
    for (const row of owningRows(snapshot, prefix, from.discarded)) {
      yield undefined
      if (row === undefined) continue
      if (row.extents === undefined) {
        if (part.index === 0) yield unreadableExtent(prefix, row.key)
        continue
      }
      for (const { chunk, chunkOffset, length } of row.extents) {
        if (chunk < bounds.from || chunk >= bounds.until) continue
        const use = uses.get(chunk)
        if (use === undefined) uses.set(chunk, { count: 1, endBytes: chunkOffset + length })
        else {
          use.count += 1
          use.endBytes = Math.max(use.endBytes, chunkOffset + length)
        }
      }
    }
  }
  return uses
}

export interface OwningRow {
  readonly key: Buffer
  /** `undefined`: the row can't be read. */
  readonly extents: readonly Extent[] | undefined
}

/** The rows of a volume that hold references to chunks; `undefined` for each row that doesn't. */
export function* owningRows(
  snapshot: Snapshot,
  prefix: KeyPrefix,
  discarded: Discarded,
): Generator<OwningRow | undefined, void, undefined> {
  for (const kind of [KIND.inode, KIND.entry, KIND.version]) {
    for (const { key, value } of snapshot.range(kindRange(prefix, kind))) {
      const extents = tryDecodeRecord(value)?.extents
      yield extents === undefined || extents.length === 0 ? undefined : { key, extents }
    }
  }
  for (const kind of [KIND.extent, KIND.partExtent]) yield* extentRows(snapshot, prefix, { kind, discarded })
}

function* extentRows(
  snapshot: Snapshot,
  prefix: KeyPrefix,
  { kind, discarded }: { kind: number; discarded: Discarded },
): Generator<OwningRow | undefined, void, undefined> {
  const whatBytes = kind === KIND.extent ? 8 : 16
  let what: Buffer = EMPTY
  let isOwning = true
  for (const { key, value } of snapshot.range(kindRange(prefix, kind))) {
    if (!key.subarray(9, 9 + whatBytes).equals(what)) {
      what = key.subarray(9, 9 + whatBytes)
      isOwning = !discarded.notOwning.has(discardedKey(prefix, what))
    }
    const offset = kind === KIND.extent ? offsetOfExtentKey(key) : offsetOfPartExtentKey(key)
    if (value.length !== EXTENT_BYTES) yield { key, extents: undefined }
    else yield isOwning ? { key, extents: [decodeExtent(value, offset)] } : undefined
  }
}

function unreadableExtent(prefix: KeyPrefix, key: Buffer) {
  const isPart = key[8] === KIND.partExtent
  return {
    problem: 'extent-unreadable' as const,
    where: `volume ${prefix.readUInt32BE(4)}: ${isPart ? `upload ${key.toString('hex', 9, 25)}` : `contents ${idOfKey(key)}`}`,
    detail: `an extent's row doesn't have ${EXTENT_BYTES} bytes; it is removed`,
    mend: ({ tx }: Repair) => {
      const now = tx.get(key)
      if (now !== undefined && now.length !== EXTENT_BYTES) tx.delete(key)
    },
  }
}

/** Compares the reference rows of a part of all chunks with what was counted. */
export function* compareReferences(snapshot: Snapshot, uses: ReadonlyMap<ChunkId, ChunkUse>, part: ChunkPart): Steps {
  const bounds = boundsOf(part)
  const start = Buffer.from(bounds.from, 'hex')
  const range = kindRange(SYSTEM_PREFIX, KIND.reference)
  const from = kindRange(SYSTEM_PREFIX, KIND.reference, start).start
  const end = bounds.until === 'g' ? range.end : kindRange(SYSTEM_PREFIX, KIND.reference, Buffer.from(bounds.until, 'hex')).start
  const met = new Set<ChunkId>()
  for (const { key, value } of snapshot.range({ start: from, end })) {
    yield undefined
    if (key.length !== REFERENCE_KEY_BYTES) {
      yield unreadableRow(key, 'a reference')
      continue
    }
    const chunk = chunkOfReferenceKey(key)
    const counted = uses.get(chunk)?.count ?? 0
    if (counted > 0) met.add(chunk)
    const stored = isReference(value) ? decodeReference(value) : undefined
    if (stored?.count !== counted) yield wrongCount(chunk, { stored, counted })
    else if (counted === 0 && snapshot.get(garbageChunkKey(stored.zeroAtMs, chunk)) === undefined) yield missingGarbage(chunk)
  }
  if (met.size === uses.size) return
  for (const [chunk, { count }] of uses) {
    yield undefined
    if (!met.has(chunk)) yield wrongCount(chunk, { stored: undefined, counted: count })
  }
}

function wrongCount(chunk: ChunkId, { stored, counted }: { stored: Reference | undefined; counted: number }) {
  return {
    problem: 'reference-count-wrong' as const,
    where: `chunk ${chunk}`,
    detail: `${counted} extents use it, and ${stored === undefined ? 'none is' : `${stored.count} are`} counted`,
    mend: (repair: Repair) => {
      const now = findStored(repair, chunk)
      // What happens meanwhile keeps the difference as it is.
      const count = Math.max(0, (now?.count ?? 0) + counted - (stored?.count ?? 0))
      if (now?.count === 0) {
        if (count === 0) return
        repair.tx.delete(garbageChunkKey(now.zeroAtMs, chunk))
      }
      repair.tx.put(referenceKey(chunk), encodeReference({ ...now, count, zeroAtMs: count === 0 ? repair.nowMs : 0 }))
      if (count === 0) repair.tx.put(garbageChunkKey(repair.nowMs, chunk), EMPTY)
    },
  }
}

function findStored({ tx }: Repair, chunk: ChunkId): Reference | undefined {
  const row = tx.get(referenceKey(chunk))
  return row !== undefined && isReference(row) ? decodeReference(row) : undefined
}

function missingGarbage(chunk: ChunkId) {
  return {
    problem: 'garbage-chunk-missing' as const,
    where: `chunk ${chunk}`,
    detail: "nothing uses it, but it isn't on the garbage list; it is put there",
    mend: (repair: Repair) => {
      const now = findStored(repair, chunk)
      if (now?.count === 0) repair.tx.put(garbageChunkKey(now.zeroAtMs, chunk), EMPTY)
    },
  }
}

function unreadableRow(key: Buffer, what: string) {
  return {
    problem: 'garbage-row-unreadable' as const,
    where: `key ${key.toString('hex')}`,
    detail: `${what} has a key of ${key.length} bytes; it is removed`,
    mend: ({ tx }: Repair) => tx.delete(key),
  }
}

/** Each chunk on the garbage list has no references, since the moment that its key says. */
export function* checkGarbageChunks(snapshot: Snapshot): Steps {
  for (const { key } of snapshot.range(kindRange(SYSTEM_PREFIX, KIND.garbageChunk))) {
    yield undefined
    if (key.length !== GARBAGE_KEY_BYTES) {
      yield unreadableRow(key, 'a chunk on the garbage list')
      continue
    }
    const { zeroAtMs, chunk } = readGarbageChunkKey(key)
    if (isGarbage(snapshot, chunk, zeroAtMs)) continue
    yield {
      problem: 'garbage-chunk-stray',
      where: `chunk ${chunk}`,
      detail: 'it is on the garbage list, which its references contradict; it is taken off',
      mend: ({ tx }) => {
        if (!isGarbage(tx, chunk, zeroAtMs)) tx.delete(key)
      },
    }
  }
}

function isGarbage(snapshot: Snapshot, chunk: ChunkId, zeroAtMs: number): boolean {
  const row = snapshot.get(referenceKey(chunk))
  if (row === undefined || !isReference(row)) return false
  const reference = decodeReference(row)
  return reference.count === 0 && reference.zeroAtMs === zeroAtMs
}
