// The contents of a file: inline, a few extents in the record, or a table of extents. Everything here works on one file
// inside one transaction; bytes that belong into chunks have been written before.

import { ShoalError } from '#foundation/errors.ts'
import type { Located } from './inodes.ts'
import { storeRecord } from './inodes.ts'
import { contentBytes, extentKey, inlineKey, keyAfter, kindRange, KIND, offsetOfExtentKey } from './keys.ts'
import { decodeExtent, encodeExtent, type Extent, type InodeRecord, MAX_EMBEDDED_EXTENTS } from './record.ts'
import { NOTHING_RESERVED, occupiedBytes } from './room.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'

/** Whole new contents. `counted`: the extents' references are counted already. `stored`: so they are, in a table that is
 *  there already. */
export type NewContents =
  | { readonly kind: 'inline'; readonly bytes: Buffer }
  | { readonly kind: 'extents'; readonly extents: readonly Extent[]; readonly sizeBytes: number; readonly counted?: boolean }
  | { readonly kind: 'stored'; readonly content: number; readonly sizeBytes: number; readonly occupiedBytes: number }

export type ContentFields = Pick<InodeRecord, 'content' | 'form' | 'extents' | 'sizeBytes' | 'occupiedBytes' | 'reserved'>

export const NO_CONTENT: ContentFields = {
  ...{ content: 0, form: 'none', extents: [], sizeBytes: 0 },
  ...{ occupiedBytes: 0, reserved: NOTHING_RESERVED },
}

/** Stores new contents and gives the record's fields for them; what was there before is the caller's to discard. */
export function storeContents(t: VolumeTransaction, contents: NewContents): ContentFields {
  if (contents.kind === 'stored') {
    const { content, sizeBytes, occupiedBytes } = contents
    return { ...NO_CONTENT, content, form: 'table', sizeBytes, occupiedBytes }
  }
  if (contents.kind === 'inline') {
    if (contents.bytes.length === 0) return NO_CONTENT
    const content = t.allocate()
    t.tx.put(inlineKey(t.prefix, content), contents.bytes)
    return { ...NO_CONTENT, content, form: 'inline', sizeBytes: contents.bytes.length, occupiedBytes: contents.bytes.length }
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
    /** What S3 shall know of them. */
    object: Buffer | undefined
    /** The contents before belong to a version now. */
    isSetAside?: boolean
  },
): Located {
  const before = located.record
  if (next.isSetAside !== true) discardContents(t, before)
  const fields = storeContents(t, next.contents)
  return storeChanged(t, located, { ...before, ...fields, sha256: next.sha256, object: next.object })
}

/** Lets go of the contents of a file that is removed or replaced. A table goes onto the garbage list as a whole, so that
 *  this costs the same for any size, and a reader in the middle of it can finish. */
export function discardContents(t: VolumeTransaction, record: InodeRecord): void {
  if (record.form === 'inline') t.tx.delete(inlineKey(t.prefix, record.content))
  if (record.form === 'embedded') for (const extent of record.extents) t.release(extent.chunk)
  if (record.form === 'table') t.discard(contentBytes(record.content))
}

export function storeChanged(t: VolumeTransaction, located: Located, record: InodeRecord): Located {
  t.countBytes(record.sizeBytes - located.record.sizeBytes)
  return storeRecord(t, located, { ...record, version: record.version + 1, mtimeNs: t.nowNs, ctimeNs: t.nowNs })
}

/** The extents that touch `[start, end)`, ascending, whole. */
export function* extentsIn(
  view: VolumeView,
  record: ContentFields,
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
export function arrange(
  t: VolumeTransaction,
  extents: readonly Extent[],
  sizeBytes: number,
  reserved = NOTHING_RESERVED,
): ContentFields {
  const fields = { ...NO_CONTENT, sizeBytes, occupiedBytes: occupiedBytes(extents, reserved), reserved }
  if (extents.length === 0) return fields
  if (extents.length <= MAX_EMBEDDED_EXTENTS) return { ...fields, form: 'embedded', extents }
  const content = t.allocate()
  for (const extent of extents) t.tx.put(extentKey(t.prefix, content, extent.offset), encodeExtent(extent))
  return { ...fields, content, form: 'table' }
}
