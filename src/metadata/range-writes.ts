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
import type { Located } from './inodes.ts'
import { extentKey, inlineKey } from './keys.ts'
import { encodeExtent, type Extent, MAX_INLINE_BYTES } from './record.ts'
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
  return { content: 0, form: 'embedded', extents, sizeBytes: last === undefined ? 0 : last.offset + last.length }
}

export function writeRange(t: VolumeTransaction, located: Located, write: RangeWrite): RangeWriteResult {
  if (write.kind === 'inline') return writeInlineRange(t, located, write)
  const { offset, length, from, spilled } = write
  const { sizeBytes } = located.record
  const middle = { contents: from.contents, start: from.start, end: from.start + length, target: offset }
  return place(t, located, {
    start: offset,
    end: offset + length,
    middle,
    sizeBytes: Math.max(sizeBytes, offset + length),
    spilled,
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
  return { done: replaceInline(t, located, whole) }
}

function replaceInline(t: VolumeTransaction, located: Located, whole: Buffer): Located {
  const { record } = located
  const { isSetAside, object } = beginEdit(t, located)
  if (record.form === 'inline' && !isSetAside) t.tx.delete(inlineKey(t.prefix, record.content))
  const fields = storeContents(t, { kind: 'inline', bytes: whole })
  return storeChanged(t, located, { ...record, ...fields, sha256: undefined, object })
}

/** Sets the length: what is beyond is cut off, what is missing is a hole. Past the inline limit the inline bytes are needed
 *  as a chunk. */
export function truncateRange(
  t: VolumeTransaction,
  located: Located,
  { sizeBytes, spilled }: { sizeBytes: number; spilled?: Spilled | undefined },
): RangeWriteResult {
  const { record } = located
  if (sizeBytes === 0) return { done: replaceEdited(t, located, { kind: 'inline', bytes: NOTHING }) }
  if (record.form === 'inline' && sizeBytes <= MAX_INLINE_BYTES) {
    const whole = Buffer.alloc(sizeBytes)
    readInline(t, record).copy(whole)
    return { done: replaceInline(t, located, whole) }
  }
  return place(t, located, { start: sizeBytes, end: Math.max(record.sizeBytes, sizeBytes), sizeBytes, spilled })
}

/** Makes a range a hole, as far as the file reaches. Inline bytes become zeros. */
export function punchRange(
  t: VolumeTransaction,
  located: Located,
  { offset, length }: { readonly offset: number; readonly length: number },
): RangeWriteResult {
  const { record } = located
  const end = Math.min(offset + length, record.sizeBytes)
  if (end <= offset) return { done: located }
  if (record.form === 'inline') return writeInlineRange(t, located, { offset, bytes: Buffer.alloc(end - offset) })
  return place(t, located, { start: offset, end, sizeBytes: record.sizeBytes, spilled: undefined })
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
}

function place(t: VolumeTransaction, located: Located, { start, end, middle, sizeBytes, spilled }: Placement): RangeWriteResult {
  const { record } = located
  let base: ContentFields = record
  if (record.form === 'inline') {
    if (spilled === undefined || !isSameContent(record, spilled.of))
      return { needs: 'spill', bytes: readInline(t, record), of: { inode: record.inode, version: record.version } }
    base = looseContents([spilled.extent])
  }
  if (record.form === 'table' && !isKeptByEdit(t, located) && changeTable(t, record, { start, end, middle })) {
    const { object } = beginEdit(t, located)
    return { done: storeChanged(t, located, { ...record, sizeBytes, sha256: undefined, object }) }
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
  return { done: storeChanged(t, located, { ...record, ...arrange(t, whole, sizeBytes), sha256: undefined, object }) }
}

/** Changes a table of extents in place. False if somebody is reading it, or there is too much to change. */
function changeTable(
  t: VolumeTransaction,
  record: ContentFields,
  { start, end, middle }: { start: number; end: number; middle: Piece | undefined },
): boolean {
  const overlapped = takeUpTo(EXTENTS_AT_ONCE_MAX, extentsIn(t, record, { start, end }))
  const placed = middle === undefined ? [] : takeUpTo(EXTENTS_AT_ONCE_MAX, extentsOfPieces(t, [middle]))
  if (overlapped === undefined || placed === undefined) return false
  const touchesNoRow = overlapped.length === 0 && placed.length === 0
  if (t.isOpen(record.content) && !touchesNoRow) return false
  const added = [...overlapped.flatMap((old) => cut(old, { start, end })), ...placed]
  for (const extent of added) t.retain(extent.chunk)
  for (const old of overlapped) {
    t.release(old.chunk)
    t.tx.delete(extentKey(t.prefix, record.content, old.offset))
  }
  for (const extent of added) t.tx.put(extentKey(t.prefix, record.content, extent.offset), encodeExtent(extent))
  return true
}

/** All of `extents`, or `undefined` if they are more than `limit`. */
function takeUpTo(limit: number, extents: Iterable<Extent>): Extent[] | undefined {
  const taken: Extent[] = []
  for (const extent of extents) {
    if (taken.length === limit) return undefined
    taken.push(extent)
  }
  return taken
}
