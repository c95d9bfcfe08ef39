// The contents of a file: inline, a few extents in the record, or a table of extents. Everything here works on one file
// inside one transaction; bytes that belong into chunks have been written before.

import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { Located } from './inodes.ts'
import { storeRecord } from './inodes.ts'
import { contentBytes, extentKey, garbageContentKey, inlineKey, keyAfter, kindRange, KIND, offsetOfExtentKey } from './keys.ts'
import { refuseHeld, withoutDigests } from './object-part.ts'
import { decodeExtent, encodeExtent, type Extent, type InodeRecord, MAX_EMBEDDED_EXTENTS, MAX_INLINE_BYTES } from './record.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'

const NOTHING = Buffer.alloc(0)

/** Whole new contents. `counted`: the extents' references are counted already. `stored`: so they are, in a table that is
 *  there already. */
export type NewContents =
  | { readonly kind: 'inline'; readonly bytes: Buffer }
  | { readonly kind: 'extents'; readonly extents: readonly Extent[]; readonly sizeBytes: number; readonly counted?: boolean }
  | { readonly kind: 'stored'; readonly content: number; readonly sizeBytes: number }

export type ContentFields = Pick<InodeRecord, 'content' | 'form' | 'extents' | 'sizeBytes'>

export const NO_CONTENT: ContentFields = { content: 0, form: 'none', extents: [], sizeBytes: 0 }

/** Stores new contents and gives the record's fields for them; what was there before is the caller's to discard. */
export function storeContents(t: VolumeTransaction, contents: NewContents): ContentFields {
  if (contents.kind === 'stored') return { content: contents.content, form: 'table', extents: [], sizeBytes: contents.sizeBytes }
  if (contents.kind === 'inline') {
    if (contents.bytes.length === 0) return NO_CONTENT
    const content = t.allocate()
    t.tx.put(inlineKey(t.prefix, content), contents.bytes)
    return { content, form: 'inline', extents: [], sizeBytes: contents.bytes.length }
  }
  if (contents.counted !== true) for (const extent of contents.extents) t.retain(extent.chunk)
  return arrange(t, contents.extents, contents.sizeBytes)
}

/** Replaces the contents of a file in one step. */
export function replaceContents(
  t: VolumeTransaction,
  located: Located,
  next: {
    contents: NewContents
    sha256: Buffer | undefined
    /** What S3 shall know of them; without it, what it knows and wasn't computed from the contents stays. */
    object?: Buffer | undefined
    /** The contents before belong to a version now. */
    isSetAside?: boolean
  },
): Located {
  const before = located.record
  if (next.isSetAside !== true) discardContents(t, before)
  const fields = storeContents(t, next.contents)
  const object = 'object' in next ? next.object : before.object
  return storeChanged(t, located, { ...before, ...fields, sha256: next.sha256, object })
}

/** Lets go of the contents of a file that is removed or replaced. A table goes onto the garbage list as a whole, so that
 *  this costs the same for any size, and a reader in the middle of it can finish. */
export function discardContents(t: VolumeTransaction, record: InodeRecord): void {
  if (record.form === 'inline') t.tx.delete(inlineKey(t.prefix, record.content))
  if (record.form === 'embedded') for (const extent of record.extents) t.release(extent.chunk)
  if (record.form === 'table') t.tx.put(garbageContentKey(t.nowMs, t.prefix, contentBytes(record.content)), NOTHING)
}

function storeChanged(t: VolumeTransaction, located: Located, record: InodeRecord): Located {
  t.countBytes(record.sizeBytes - located.record.sizeBytes)
  if (record.object !== undefined && record.object === located.record.object) {
    refuseHeld(record.object, t.nowMs)
    return storeRecord(t, located, { ...changed(t, record), object: withoutDigests(record.object) })
  }
  return storeRecord(t, located, changed(t, record))
}

function changed(t: VolumeTransaction, record: InodeRecord): InodeRecord {
  return { ...record, version: record.version + 1, mtimeNs: t.nowNs, ctimeNs: t.nowNs }
}

/** The extents that touch `[start, end)`, ascending, whole. */
export function* extentsIn(
  view: VolumeView,
  record: InodeRecord,
  { start, end }: { start: number; end: number },
): Generator<Extent> {
  if (record.form === 'embedded') {
    for (const extent of record.extents) if (extent.offset < end && extent.offset + extent.length > start) yield extent
  }
  if (record.form !== 'table' || start >= end) return
  const first = lastExtentAtOrBefore(view, record.content, start)
  if (first !== undefined && first.offset + first.length > start) yield first
  const from = keyAfter(extentKey(view.prefix, record.content, start))
  for (const { key, value } of view.snapshot.range({ start: from, end: extentKey(view.prefix, record.content, end) })) {
    yield decodeExtent(value, offsetOfExtentKey(key))
  }
}

function lastExtentAtOrBefore(view: VolumeView, content: number, offset: number): Extent | undefined {
  const { start } = kindRange(view.prefix, KIND.extent, contentBytes(content))
  const end = keyAfter(extentKey(view.prefix, content, offset))
  for (const { key, value } of view.snapshot.range({ start, end, reverse: true, limit: 1 })) {
    return decodeExtent(value, offsetOfExtentKey(key))
  }
  return undefined
}

export function readInline(view: VolumeView, record: InodeRecord): Buffer {
  const bytes = view.snapshot.get(inlineKey(view.prefix, record.content))
  if (bytes === undefined || bytes.length !== record.sizeBytes) {
    throw new ShoalError('CORRUPT', `The inline contents of inode ${record.inode} don't fit its size: run "shoal fsck"`)
  }
  return bytes
}

/** Bytes for a range: themselves while the file stays inline, else as extents of chunks written before. */
export type RangeWrite =
  | { readonly kind: 'inline'; readonly offset: number; readonly bytes: Uint8Array }
  | {
      readonly kind: 'extents'
      readonly offset: number
      readonly length: number
      readonly extents: readonly Extent[]
      readonly spilled?: Spilled
    }

/** The inline contents of `version`, written as a chunk. */
export interface Spilled {
  readonly version: number
  readonly extent: Extent
}

/** `spill`: the inline contents must become a chunk first. `extents`: the file is past inline. Nothing was changed then. */
export type RangeWriteResult =
  | { readonly done: Located }
  | { readonly needs: 'extents' }
  | { readonly needs: 'spill'; readonly bytes: Buffer; readonly version: number }

export function writeRange(t: VolumeTransaction, located: Located, write: RangeWrite): RangeWriteResult {
  const { record } = located
  if (write.kind === 'inline') return writeInlineRange(t, located, write)
  const end = write.offset + write.length
  const base = spilledBase(t, record, write.spilled)
  if ('needs' in base) return base
  return {
    done: placeExtents(t, located, {
      base,
      start: write.offset,
      end,
      extents: write.extents,
      sizeBytes: Math.max(record.sizeBytes, end),
    }),
  }
}

function writeInlineRange(
  t: VolumeTransaction,
  located: Located,
  { offset, bytes }: { offset: number; bytes: Uint8Array },
): RangeWriteResult {
  const { record } = located
  const sizeBytes = Math.max(record.sizeBytes, offset + bytes.length)
  const isSmall = record.form === 'inline' || (record.form === 'none' && record.sizeBytes <= MAX_INLINE_BYTES)
  if (!isSmall || sizeBytes > MAX_INLINE_BYTES) return { needs: 'extents' }
  const whole = Buffer.alloc(sizeBytes)
  if (record.form === 'inline') readInline(t, record).copy(whole)
  whole.set(bytes, offset)
  return { done: replaceInline(t, located, whole) }
}

function replaceInline(t: VolumeTransaction, located: Located, whole: Buffer): Located {
  const { record } = located
  if (record.form === 'inline') t.tx.delete(inlineKey(t.prefix, record.content))
  return storeChanged(t, located, { ...record, ...storeContents(t, { kind: 'inline', bytes: whole }), sha256: undefined })
}

/** The record as if its inline contents had always been a chunk. */
function spilledBase(
  t: VolumeTransaction,
  record: InodeRecord,
  spilled: Spilled | undefined,
): InodeRecord | { needs: 'spill'; bytes: Buffer; version: number } {
  if (record.form !== 'inline') return record
  if (spilled?.version !== record.version) return { needs: 'spill', bytes: readInline(t, record), version: record.version }
  t.tx.delete(inlineKey(t.prefix, record.content))
  t.retain(spilled.extent.chunk)
  return { ...record, content: 0, form: 'embedded', extents: [spilled.extent] }
}

interface Placement {
  readonly base: InodeRecord
  readonly start: number
  readonly end: number
  /** Ascending and within `[start, end)`; what they leave out becomes a hole. */
  readonly extents: readonly Extent[]
  readonly sizeBytes: number
}

function placeExtents(t: VolumeTransaction, located: Located, { base, start, end, extents, sizeBytes }: Placement): Located {
  const overlapped = [...extentsIn(t, base, { start, end })]
  const remains = overlapped.flatMap((old) => cut(old, { start, end }))
  const placed = [...remains, ...extents].toSorted(byOffset)
  for (const extent of placed) t.retain(extent.chunk)
  if (base.form === 'table' && t.isOpen(base.content)) {
    // Its readers go on with the old table, which keeps its references until the collector takes it.
    const untouched = [...extentsIn(t, base, { start: 0, end: base.sizeBytes })].filter(isOutside({ start, end }))
    for (const extent of untouched) t.retain(extent.chunk)
    discardContents(t, base)
    const fields = arrange(t, [...untouched, ...placed].toSorted(byOffset), sizeBytes)
    return storeChanged(t, located, { ...base, ...fields, sha256: undefined })
  }
  for (const old of overlapped) t.release(old.chunk)
  if (base.form === 'table') {
    for (const old of overlapped) t.tx.delete(extentKey(t.prefix, base.content, old.offset))
    for (const extent of placed) t.tx.put(extentKey(t.prefix, base.content, extent.offset), encodeExtent(extent))
    return storeChanged(t, located, { ...base, sizeBytes, sha256: undefined })
  }
  const untouched = base.extents.filter(isOutside({ start, end }))
  const all = [...untouched, ...placed].toSorted(byOffset)
  return storeChanged(t, located, { ...base, ...arrange(t, all, sizeBytes), sha256: undefined })
}

function byOffset(a: Extent, b: Extent): number {
  return a.offset - b.offset
}

function isOutside({ start, end }: { start: number; end: number }): (extent: Extent) => boolean {
  return ({ offset, length }) => offset >= end || offset + length <= start
}

/** What is left of an extent outside `[start, end)`: nothing, one piece or two. */
export function cut(extent: Extent, { start, end }: { start: number; end: number }): Extent[] {
  const pieces: Extent[] = []
  const extentEnd = extent.offset + extent.length
  if (extent.offset < start) pieces.push({ ...extent, length: start - extent.offset })
  if (extentEnd > end)
    pieces.push({ ...extent, offset: end, length: extentEnd - end, chunkOffset: extent.chunkOffset + end - extent.offset })
  return pieces
}

/** Keeps up to four extents in the record, more in a table of their own. */
function arrange(t: VolumeTransaction, extents: readonly Extent[], sizeBytes: number): ContentFields {
  if (extents.length === 0) return { ...NO_CONTENT, sizeBytes }
  if (extents.length <= MAX_EMBEDDED_EXTENTS) return { content: 0, form: 'embedded', extents, sizeBytes }
  const content = t.allocate()
  for (const extent of extents) t.tx.put(extentKey(t.prefix, content, extent.offset), encodeExtent(extent))
  return { content, form: 'table', extents: [], sizeBytes }
}

/** Sets the length: what is beyond is cut off, what is missing is a hole. */
export function truncateContents(t: VolumeTransaction, located: Located, sizeBytes: number): Located {
  const { record } = located
  if (sizeBytes === 0) return replaceContents(t, located, { contents: { kind: 'inline', bytes: NOTHING }, sha256: undefined })
  if (record.form === 'inline' && sizeBytes <= MAX_INLINE_BYTES) {
    const whole = Buffer.alloc(sizeBytes)
    readInline(t, record).copy(whole)
    return replaceInline(t, located, whole)
  }
  assert(record.form !== 'inline', 'Inline contents are spilled before they are extended past the limit')
  const end = Math.max(record.sizeBytes, sizeBytes)
  return placeExtents(t, located, { base: record, start: sizeBytes, end, extents: [], sizeBytes })
}

/** Truncation past the inline limit needs the inline bytes as a chunk first. */
export function truncateRange(
  t: VolumeTransaction,
  located: Located,
  { sizeBytes, spilled }: { sizeBytes: number; spilled?: Spilled },
): RangeWriteResult {
  if (located.record.form !== 'inline' || sizeBytes <= MAX_INLINE_BYTES) return { done: truncateContents(t, located, sizeBytes) }
  const base = spilledBase(t, located.record, spilled)
  if ('needs' in base) return base
  return { done: placeExtents(t, located, { base, start: base.sizeBytes, end: sizeBytes, extents: [], sizeBytes }) }
}

/** The extents of `[start, start + length)` of a file as they would stand at `target` in another, holes left out. */
export function shiftedExtents(
  view: VolumeView,
  record: InodeRecord,
  range: { start: number; length: number; target: number },
): Extent[] {
  const { start, length, target } = range
  const end = start + length
  const shifted: Extent[] = []
  for (const extent of extentsIn(view, record, { start, end })) {
    const from = Math.max(extent.offset, start)
    const to = Math.min(extent.offset + extent.length, end)
    shifted.push({
      chunk: extent.chunk,
      offset: target + from - start,
      length: to - from,
      chunkOffset: extent.chunkOffset + from - extent.offset,
    })
  }
  return shifted
}
