// Changing a part of a file: bytes at an offset, a range of another file, a new length. A change of few extents is made
// at once; one of many is described, to be made in steps.

import {
  arrange,
  type ContentFields,
  cut,
  discardContents,
  extentsIn,
  type NewContents,
  readInline,
  replaceContents,
  storeChanged,
  storeContents,
} from './contents.ts'
import { beginEdit, isKeptByEdit } from './edits.ts'
import { type Located, storeRecord } from './inodes.ts'
import { extentKey, inlineKey } from './keys.ts'
import { encodeExtent, type Extent, type InodeRecord, MAX_INLINE_BYTES } from './record.ts'
import { NOTHING_RESERVED, occupiedBytes, releasing, reserving, type Span, within } from './room.ts'
import { extentsOfPieces, type FileState, isSameContent, type Piece, type Rewrite } from './rewrite.ts'
import type { VolumeTransaction } from './transaction.ts'

/** One transaction handles this many extents at most: some 20 ms of work for the event loop. */
export const EXTENTS_AT_ONCE_MAX = 4_096

const NOTHING = Buffer.alloc(0)

/** Bytes for a range: themselves while the file stays inline, else as extents of chunks written before, or of another
 *  file. Holes in `from` become holes. */
export type RangeWrite =
  | { readonly kind: 'inline'; readonly offset: number; readonly bytes: Uint8Array }
  | {
      readonly kind: 'extents'
      readonly offset: number
      readonly length: number
      readonly from: { readonly contents: ContentFields; readonly start: number }
      readonly spilled?: Spilled | undefined
    }

/** The inline contents of one version of one file, written as a chunk. Another file at the same path counts its own versions. */
export interface Spilled {
  readonly of: FileState
  readonly extent: Extent
}

/** `spill`: the inline contents must become a chunk first. `extents`: the file is past inline. `steps`: the change is too
 *  large for one transaction. Nothing was changed then. */
export type RangeWriteResult =
  | { readonly done: Located }
  | { readonly needs: 'extents' }
  | { readonly needs: 'spill'; readonly bytes: Buffer; readonly of: FileState }
  | { readonly needs: 'steps'; readonly rewrite: Rewrite }

/** Extents that are in no file yet, as contents to take from. */
export function looseContents(extents: readonly Extent[]): ContentFields {
  const last = extents.at(-1)
  const sizeBytes = last === undefined ? 0 : last.offset + last.length
  return { content: 0, form: 'embedded', extents, sizeBytes, occupiedBytes: sizeBytes, reserved: NOTHING_RESERVED }
}

export function writeRange(t: VolumeTransaction, located: Located, write: RangeWrite): RangeWriteResult {
  if (write.kind === 'inline') return writeInlineRange(t, located, write)
  const { offset, length, from, spilled } = write
  const { sizeBytes } = located.record
  const middle = { contents: from.contents, start: from.start, end: from.start + length, target: offset }
  return place(t, located, {
    ...{ start: offset, end: offset + length, middle, spilled },
    sizeBytes: Math.max(sizeBytes, offset + length),
    reserved: located.record.reserved,
  })
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
  return { done: replaceInline(t, located, whole, record.reserved) }
}

function replaceInline(t: VolumeTransaction, located: Located, whole: Buffer, reserved: readonly Span[]): Located {
  const { record } = located
  const { isSetAside, object } = beginEdit(t, located)
  if (record.form === 'inline' && !isSetAside) t.tx.delete(inlineKey(t.prefix, record.content))
  const fields = storeContents(t, { kind: 'inline', bytes: whole })
  const room = { reserved, occupiedBytes: occupiedBytes([{ offset: 0, length: whole.length }], reserved) }
  return storeChanged(t, located, { ...record, ...fields, ...room, sha256: undefined, object })
}

/** Sets the length: what is beyond is cut off, what is missing is a hole. Past the inline limit the inline bytes are needed
 *  as a chunk. */
export function truncateRange(
  t: VolumeTransaction,
  located: Located,
  { sizeBytes, spilled }: { sizeBytes: number; spilled?: Spilled | undefined },
): RangeWriteResult {
  const { record } = located
  const reserved =
    sizeBytes < record.sizeBytes ? releasing(record.reserved, { start: sizeBytes, end: Infinity }) : record.reserved
  if (sizeBytes === 0) return { done: replaceEdited(t, located, { kind: 'inline', bytes: NOTHING }) }
  if (record.form === 'inline' && sizeBytes <= MAX_INLINE_BYTES) {
    const whole = Buffer.alloc(sizeBytes)
    readInline(t, record).copy(whole)
    return { done: replaceInline(t, located, whole, reserved) }
  }
  return place(t, located, { start: sizeBytes, end: Math.max(record.sizeBytes, sizeBytes), sizeBytes, spilled, reserved })
}

/** Makes a range a hole, as far as the file reaches, for which nothing is set aside. Inline bytes become zeros. Behind the end there is
 *  nothing to do, but that it was asked for shows in the file's times, as on other file systems. */
export function punchRange(
  t: VolumeTransaction,
  located: Located,
  { offset, length }: { readonly offset: number; readonly length: number },
): RangeWriteResult {
  const { record } = located
  const end = Math.min(offset + length, record.sizeBytes)
  if (end <= offset) return { done: storeTouched(t, located, record) }
  const reserved = releasing(record.reserved, { start: offset, end })
  if (record.form === 'inline')
    return { done: replaceInline(t, located, Buffer.from(readInline(t, record)).fill(0, offset, end), reserved) }
  return place(t, located, { start: offset, end, sizeBytes: record.sizeBytes, spilled: undefined, reserved })
}

export interface ReservedRange {
  readonly offset: number
  readonly length: number
  readonly keepsSize: boolean
}

/** Sets a range aside, which may be beyond the end: it counts as occupied. Without `keepsSize` the file reaches to its end at least.
 *  The file's times change in any case. */
export function reserveRange(
  t: VolumeTransaction,
  located: Located,
  { offset, length, keepsSize, spilled }: ReservedRange & { readonly spilled?: Spilled | undefined },
): RangeWriteResult {
  const { record } = located
  const span = { start: offset, end: offset + length }
  const isLonger = !keepsSize && span.end > record.sizeBytes
  const room = roomWith(t, record, span)
  if (!isLonger) return { done: storeTouched(t, located, { ...record, ...room }) }
  const longer = truncateRange(t, located, { sizeBytes: span.end, spilled })
  // Of inline bytes a chunk has to be made first.
  if (!('done' in longer) || room === undefined) return longer
  const after = roomWith(t, longer.done.record, span)
  return { done: after === undefined ? longer.done : storeRecord(t, longer.done, { ...longer.done.record, ...after }) }
}

/** The contents are what they were, and their time isn't. */
function storeTouched(t: VolumeTransaction, located: Located, record: InodeRecord): Located {
  return storeRecord(t, located, { ...record, mtimeNs: t.nowNs, ctimeNs: t.nowNs })
}

/** Too many ranges, and ranges of too many extents, are left as they are. */
function roomWith(
  t: VolumeTransaction,
  record: InodeRecord,
  span: Span,
): Pick<InodeRecord, 'reserved' | 'occupiedBytes'> | undefined {
  const reserved = reserving(record.reserved, span)
  const stored = takeUpTo(EXTENTS_AT_ONCE_MAX, storedIn(t, record, span))
  if (reserved === undefined || reserved === record.reserved || stored === undefined) return undefined
  const grown = occupiedWithin(stored, reserved, span) - occupiedWithin(stored, record.reserved, span)
  return { reserved, occupiedBytes: atMost(record.occupiedBytes + grown, record.sizeBytes, reserved) }
}

function storedIn(t: VolumeTransaction, record: InodeRecord, span: Span): Iterable<Pick<Extent, 'offset' | 'length'>> {
  return record.form === 'inline' ? [{ offset: 0, length: record.sizeBytes }] : extentsIn(t, record, span)
}

function occupiedWithin(stored: readonly Pick<Extent, 'offset' | 'length'>[], reserved: readonly Span[], span: Span): number {
  const parts = within(
    stored.map(({ offset, length }) => ({ start: offset, end: offset + length })),
    span,
  )
  return occupiedBytes(
    parts.map(({ start, end }) => ({ offset: start, length: end - start })),
    within(reserved, span),
  )
}

/** Gives a file whole contents that come of changing a part of those before. */
export function replaceEdited(t: VolumeTransaction, located: Located, contents: NewContents): Located {
  const edit = beginEdit(t, located)
  return replaceContents(t, located, { ...edit, contents, sha256: undefined })
}

interface Placement {
  readonly start: number
  readonly end: number
  /** What stands in `[start, end)` afterwards; without it, a hole. */
  readonly middle?: Piece
  readonly sizeBytes: number
  readonly spilled: Spilled | undefined
  /** What is set aside afterwards. Where it takes steps, nothing. */
  readonly reserved: readonly Span[]
}

function place(
  t: VolumeTransaction,
  located: Located,
  { start, end, middle, sizeBytes, spilled, reserved }: Placement,
): RangeWriteResult {
  const { record } = located
  let base: ContentFields = record
  if (record.form === 'inline') {
    if (spilled === undefined || !isSameContent(record, spilled.of))
      return { needs: 'spill', bytes: readInline(t, record), of: { inode: record.inode, version: record.version } }
    base = looseContents([spilled.extent])
  }
  const grown =
    record.form === 'table' && !isKeptByEdit(t, located) ? changeTable(t, record, { start, end, middle, reserved }) : undefined
  if (grown !== undefined) {
    const { object } = beginEdit(t, located)
    const room = { reserved, occupiedBytes: atMost(record.occupiedBytes + grown, sizeBytes, reserved) }
    return { done: storeChanged(t, located, { ...record, ...room, sizeBytes, sha256: undefined, object }) }
  }
  const pieces: Piece[] = [
    { contents: base, start: 0, end: Math.min(start, record.sizeBytes), target: 0 },
    ...(middle === undefined ? [] : [middle]),
    { contents: base, start: end, end: record.sizeBytes, target: end },
  ]
  const whole = takeUpTo(EXTENTS_AT_ONCE_MAX, extentsOfPieces(t, pieces))
  if (whole === undefined) return { needs: 'steps', rewrite: { before: record, pieces, sizeBytes } }
  for (const extent of whole) t.retain(extent.chunk)
  const { isSetAside, object } = beginEdit(t, located)
  // A table's readers go on with the old one, which keeps its references until the collector takes it.
  if (!isSetAside) discardContents(t, record)
  return { done: storeChanged(t, located, { ...record, ...arrange(t, whole, sizeBytes, reserved), sha256: undefined, object }) }
}

/** A table that was made before this was counted is taken for one without holes. */
function atMost(bytes: number, sizeBytes: number, reserved: readonly Span[]): number {
  return Math.max(0, Math.min(bytes, sizeBytes + occupiedBytes([], reserved)))
}

/** Changes a table of extents in place, and tells how much more it occupies. `undefined` if somebody is reading it, or there is too much
 *  to change. */
function changeTable(
  t: VolumeTransaction,
  record: ContentFields,
  { start, end, middle, reserved }: { start: number; end: number; middle: Piece | undefined; reserved: readonly Span[] },
): number | undefined {
  const overlapped = takeUpTo(EXTENTS_AT_ONCE_MAX, extentsIn(t, record, { start, end }))
  const placed = middle === undefined ? [] : takeUpTo(EXTENTS_AT_ONCE_MAX, extentsOfPieces(t, [middle]))
  if (overlapped === undefined || placed === undefined) return undefined
  const touchesNoRow = overlapped.length === 0 && placed.length === 0
  if (t.isOpen(record.content) && !touchesNoRow) return undefined
  const added = [...overlapped.flatMap((old) => cut(old, { start, end })), ...placed]
  for (const extent of added) t.retain(extent.chunk)
  for (const old of overlapped) {
    t.release(old.chunk)
    t.tx.delete(extentKey(t.prefix, record.content, old.offset))
  }
  for (const extent of added) t.tx.put(extentKey(t.prefix, record.content, extent.offset), encodeExtent(extent))
  const [changed, behind] = [
    { start, end },
    { start: end, end: Infinity },
  ]
  const before = occupiedWithin(overlapped, record.reserved, changed) + occupiedWithin([], record.reserved, behind)
  return occupiedWithin(placed, reserved, changed) + occupiedWithin([], reserved, behind) - before
}

/** All of `extents`, or `undefined` if they are more than `limit`. */
function takeUpTo<T>(limit: number, extents: Iterable<T>): T[] | undefined {
  const taken: T[] = []
  for (const extent of extents) {
    if (taken.length === limit) return undefined
    taken.push(extent)
  }
  return taken
}
