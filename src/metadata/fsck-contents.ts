// Checks what a record says of its contents against the rows that hold them.

import { hash } from 'node:crypto'
import type { InodeId } from '#foundation/ids.ts'
import { cut, discardContents, NO_CONTENT, storeContents } from './contents.ts'
import {
  discardedKey,
  embeddedRecord,
  findInodeState,
  placeOfEntry,
  placeOfInode,
  placeOfVersion,
  type Steps,
  tryDecodeRecord,
  type VolumeCheck,
} from './fsck-check.ts'
import { occupiedByRows } from './fsck-room.ts'
import { discardRows } from './garbage.ts'
import { contentBytes, extentKey, idOfKey, inlineKey, inodeKey, kindRange, KIND, offsetOfExtentKey } from './keys.ts'
import { decodeExtent, encodeExtent, encodeRecord, EXTENT_BYTES, type Extent, type InodeRecord } from './record.ts'
import { occupiedBytes } from './room.ts'
import type { VolumeTransaction } from './transaction.ts'

/** `slot` is the key of the record: an entry's or an inode's. */
export function* checkContents(check: VolumeCheck, record: InodeRecord, slot: Buffer): Steps {
  yield* checkXattrFlag(check, record, slot)
  if (record.type !== 'file' && record.type !== 'symlink') {
    if (record.form === 'none' && record.sizeBytes === 0) return
    yield {
      problem: 'attributes-wrong',
      where: placeOf(check, record, slot),
      detail: `a ${record.type} can't have contents, this one claims ${record.sizeBytes} bytes`,
      mend: check.mend((t) =>
        change(t, { slot, inode: record.inode }, (now) => {
          if (now.type === 'file' || now.type === 'symlink') return now
          discardContents(t, now)
          return { ...now, ...NO_CONTENT }
        }),
      ),
    }
    return
  }
  if (record.form === 'inline') yield* checkInline(check, record, slot)
  else if (record.type === 'symlink') {
    yield { problem: 'inline-missing', where: placeOf(check, record, slot), detail: 'the target of the symbolic link is lost' }
  } else if (record.form === 'table') yield* checkTable(check, record, slot)
  else if (record.form === 'embedded') yield* checkEmbedded(check, record, slot)
  yield* checkRoom(check, record, slot)
}

function* checkRoom(check: VolumeCheck, record: InodeRecord, slot: Buffer): Steps {
  const occupied = occupiedByRows(check, record)
  if (occupied === undefined || occupied === record.occupiedBytes) return
  yield {
    problem: 'room-wrong',
    where: placeOf(check, record, slot),
    detail: `it occupies ${occupied} bytes, and the record says ${record.occupiedBytes}`,
    mend: check.mend((t) =>
      change(t, { slot, inode: record.inode }, (now) => ({ ...now, occupiedBytes: occupiedByRows(t, now) ?? now.occupiedBytes })),
    ),
  }
}

export function placeOf(check: VolumeCheck, record: InodeRecord, slot: Buffer): string {
  if (slot[8] === KIND.version) return placeOfVersion(check, slot)
  return slot[8] === KIND.entry ? placeOfEntry(check, slot) : placeOfInode(check, record.inode)
}

/** Stores what `fn` makes of the record at `slot`, if it is still that inode's. */
function change(
  t: VolumeTransaction,
  { slot, inode }: { slot: Buffer; inode: InodeId },
  fn: (now: InodeRecord) => InodeRecord,
): void {
  const value = t.tx.get(slot)
  const now = value === undefined ? undefined : tryDecodeRecord(value)
  if (now?.inode !== inode) return
  const next = fn(now)
  if (next !== now) t.tx.put(slot, encodeRecord(next))
}

function* checkXattrFlag(check: VolumeCheck, record: InodeRecord, slot: Buffer): Steps {
  // Rows without a flag are found where the rows are walked.
  if (!record.hasXattrs || hasXattrRows(check, record.inode)) return
  yield xattrFlagWrong(check, record, slot)
}

export function xattrFlagWrong(check: VolumeCheck, record: InodeRecord, slot: Buffer) {
  const { inode } = record
  return {
    problem: 'xattr-flag-wrong' as const,
    where: placeOf(check, record, slot),
    detail: `the record says that it has ${record.hasXattrs ? 'extended attributes, and there are none' : 'no extended attributes, and there are some'}`,
    mend: check.mend((t) => change(t, { slot, inode }, (now) => ({ ...now, hasXattrs: hasXattrRows(t, inode) }))),
  }
}

function hasXattrRows(view: Pick<VolumeCheck, 'snapshot' | 'prefix'>, inode: InodeId): boolean {
  const range = kindRange(view.prefix, KIND.xattr, contentBytes(inode))
  return view.snapshot.range({ ...range, limit: 1 }).next().done !== true
}

function* checkInline(check: VolumeCheck, record: InodeRecord, slot: Buffer): Steps {
  const { content, inode, sizeBytes } = record
  const row = check.snapshot.get(inlineKey(check.prefix, content))
  const where = placeOf(check, record, slot)
  if (row === undefined) {
    yield { problem: 'inline-missing', where, detail: `the ${sizeBytes} bytes of its contents are lost` }
    return
  }
  yield* checkOwner(check, record, { slot, owned: check.inlineOwned })
  if (row.length !== sizeBytes) {
    yield {
      problem: 'inline-length-wrong',
      where,
      detail: `its size is ${sizeBytes}, and ${row.length} bytes are kept; the size is set to them`,
      mend: check.mend((t) =>
        change(t, { slot, inode }, (now) => {
          const length = now.form === 'inline' ? t.tx.get(inlineKey(t.prefix, now.content))?.length : undefined
          if (length === undefined || length === now.sizeBytes) return now
          if (now.type === 'file') t.countBytes(length - now.sizeBytes)
          const room = { occupiedBytes: occupiedBytes([{ offset: 0, length }], now.reserved) }
          return { ...now, ...room, sizeBytes: length, sha256: undefined, version: now.version + 1 }
        }),
      ),
    }
  } else if (check.verify && record.sha256 !== undefined && !hash('sha256', row, 'buffer').equals(record.sha256)) {
    yield {
      problem: 'content-digest-wrong',
      where,
      detail: `its ${sizeBytes} bytes don't have the SHA-256 that was computed when they were written`,
    }
  }
}

/** Each content has one record, and none on the garbage list has any. */
function* checkOwner(
  check: VolumeCheck,
  record: InodeRecord,
  { slot, owned }: { slot: Buffer; owned: VolumeCheck['inlineOwned'] },
): Steps {
  const { content, inode } = record
  if (owned.has(content)) {
    yield {
      problem: 'content-shared',
      where: placeOf(check, record, slot),
      detail: `its contents (${content}) belong to another inode as well; it gets a copy of its own`,
      mend: check.mend((t) =>
        change(t, { slot, inode }, (now) => (now.content === content ? { ...now, ...copyContents(t, now) } : now)),
      ),
    }
  }
  owned.add(content)
  const discarded = check.discarded.rows.get(discardedKey(check.prefix, contentBytes(content)))
  if (discarded === undefined) return
  yield {
    problem: 'discarded-in-use',
    where: placeOf(check, record, slot),
    detail: `its contents (${content}) are on the garbage list; they are taken off it`,
    mend: (repair) => {
      const value = repair.tx.get(slot)
      if (value !== undefined && tryDecodeRecord(value)?.content === content) repair.tx.delete(discarded)
    },
  }
}

function copyContents(t: VolumeTransaction, record: InodeRecord) {
  const { content, sizeBytes } = record
  if (record.form === 'inline') {
    const bytes = t.tx.get(inlineKey(t.prefix, content)) ?? Buffer.alloc(0)
    return { ...storeContents(t, { kind: 'inline', bytes }), sizeBytes }
  }
  const extents: Extent[] = []
  for (const { key, value } of t.tx.range(kindRange(t.prefix, KIND.extent, contentBytes(content))))
    extents.push(decodeExtent(value, offsetOfExtentKey(key)))
  return storeContents(t, { kind: 'extents', extents, sizeBytes })
}

function* checkEmbedded(check: VolumeCheck, record: InodeRecord, slot: Buffer): Steps {
  let end = 0
  for (const extent of record.extents) {
    const fault = faultOf(extent, end, record.sizeBytes)
    if (fault === undefined) {
      end = extent.offset + extent.length
      continue
    }
    yield {
      problem: 'extent-wrong',
      where: placeOf(check, record, slot),
      detail: `${fault}; what can't be read of it is cut off`,
      mend: check.mend((t) => change(t, { slot, inode: record.inode }, (now) => straighten(t, now))),
    }
    return
  }
}

function faultOf(extent: Extent, end: number, sizeBytes: number): string | undefined {
  const { offset, length } = extent
  const name = `the extent of ${length} bytes at ${offset}`
  if (length === 0) return `${name} is empty`
  if (offset < end) return `${name} begins before the end of the one before it, ${end}`
  return offset + length > sizeBytes ? `${name} ends behind the file's ${sizeBytes} bytes` : undefined
}

/** The extents of a record without what overlaps or is beyond the end. */
function straighten(t: VolumeTransaction, record: InodeRecord): InodeRecord {
  if (record.form !== 'embedded') return record
  const extents: Extent[] = []
  let end = 0
  for (const extent of record.extents) {
    const piece = trim(extent, end, record.sizeBytes)
    if (piece === undefined) t.release(extent.chunk)
    else extents.push(piece)
    if (piece !== undefined) end = piece.offset + piece.length
  }
  const room = { occupiedBytes: occupiedBytes(extents, record.reserved) }
  return { ...record, ...room, extents, form: extents.length === 0 ? 'none' : 'embedded', version: record.version + 1 }
}

/** What of `extent` lies within `[start, end)`. */
function trim(extent: Extent, start: number, end: number): Extent | undefined {
  if (extent.length === 0 || extent.offset >= end || extent.offset + extent.length <= start) return undefined
  const [tail = extent] = extent.offset < start ? cut(extent, { start: 0, end: start }) : [extent]
  const [head = tail] = tail.offset + tail.length > end ? cut(tail, { start: end, end: Infinity }) : [tail]
  return head
}

function* checkTable(check: VolumeCheck, record: InodeRecord, slot: Buffer): Steps {
  const { content, sizeBytes } = record
  yield* checkOwner(check, record, { slot, owned: check.tableOwned })
  let end = 0
  for (const { key, value } of check.snapshot.range(kindRange(check.prefix, KIND.extent, contentBytes(content)))) {
    yield undefined
    // Reported where the chunks are counted.
    if (value.length !== EXTENT_BYTES) continue
    const extent = decodeExtent(value, offsetOfExtentKey(key))
    const fault = faultOf(extent, end, sizeBytes)
    if (fault === undefined) {
      end = extent.offset + extent.length
      continue
    }
    yield {
      problem: 'extent-wrong',
      where: placeOf(check, record, slot),
      detail: `${fault}; what can't be read of it is cut off`,
      mend: check.mend((t) => {
        const now = embeddedRecord(t, slot)
        if (now?.content === content && now.form === 'table') straightenRow(t, { key, content, sizeBytes: now.sizeBytes })
      }),
    }
  }
}

function straightenRow(t: VolumeTransaction, row: { key: Buffer; content: number; sizeBytes: number }): void {
  const { key, content, sizeBytes } = row
  const value = t.tx.get(key)
  if (value?.length !== EXTENT_BYTES) return
  const extent = decodeExtent(value, offsetOfExtentKey(key))
  const before = kindRange(t.prefix, KIND.extent, contentBytes(content))
  const [last] = t.tx.range({ start: before.start, end: key, reverse: true, limit: 1 })
  const previous = last === undefined ? undefined : decodeExtent(last.value, offsetOfExtentKey(last.key))
  const piece = trim(extent, previous === undefined ? 0 : previous.offset + previous.length, sizeBytes)
  t.tx.delete(key)
  const target = piece === undefined ? undefined : extentKey(t.prefix, content, piece.offset)
  if (piece === undefined || target === undefined || t.tx.get(target) !== undefined) t.release(extent.chunk)
  else t.tx.put(target, encodeExtent(piece))
}

/** Rows that no record has: they are left from something that was interrupted or damaged. */
export function* checkStrayRows(check: VolumeCheck): Steps {
  for (const { key } of check.snapshot.range(kindRange(check.prefix, KIND.inline))) {
    yield undefined
    const content = idOfKey(key)
    check.seeId(content)
    if (check.inlineOwned.has(content)) continue
    yield {
      problem: 'inline-stray',
      where: `${check.record.name}: contents ${content}`,
      detail: 'no file has these inline contents; they are removed',
      mend: check.mend((t) => t.tx.delete(key)),
    }
  }
  yield* checkStrayExtents(check)
  yield* checkXattrRows(check)
}

function* checkStrayExtents(check: VolumeCheck): Steps {
  const { start, end } = kindRange(check.prefix, KIND.extent)
  for (let from = start; ;) {
    const [row] = check.snapshot.range({ start: from, end, limit: 1 })
    if (row === undefined) return
    yield undefined
    const content = idOfKey(row.key)
    check.seeId(content)
    const below = kindRange(check.prefix, KIND.extent, contentBytes(content))
    if (!check.tableOwned.has(content) && !check.isPrepared(content) && !check.isDiscarded(content)) {
      yield {
        problem: 'extents-stray',
        where: `${check.record.name}: contents ${content}`,
        detail: 'no file has these extents; they go onto the garbage list',
        mend: (repair) => {
          if (repair.tx.range({ ...below, limit: 1 }).next().done === true) return
          discardRows(repair.tx, { prefix: check.prefix, what: contentBytes(content), nowMs: repair.nowMs })
        },
      }
    }
    from = below.end
  }
}

function* checkXattrRows(check: VolumeCheck): Steps {
  const { start, end } = kindRange(check.prefix, KIND.xattr)
  for (let from = start; ;) {
    const [row] = check.snapshot.range({ start: from, end, limit: 1 })
    if (row === undefined) return
    yield undefined
    const inode = idOfKey(row.key) as InodeId
    const below = kindRange(check.prefix, KIND.xattr, contentBytes(inode))
    yield* checkXattrsOf(check, inode, below)
    from = below.end
  }
}

function* checkXattrsOf(check: VolumeCheck, inode: InodeId, rows: { start: Buffer; end: Buffer }): Steps {
  const state = findInodeState(check, inode)
  check.seeId(inode)
  if (state.kind === 'shared' || state.kind === 'embedded') {
    const slot = state.kind === 'embedded' ? state.entry : inodeKey(check.prefix, inode)
    if (!state.record.hasXattrs) yield xattrFlagWrong(check, state.record, slot)
    return
  }
  yield {
    problem: 'xattr-stray',
    where: `${check.record.name}:(inode ${inode})`,
    detail: "extended attributes of an inode that doesn't exist; they are removed",
    mend: check.mend((t) => {
      if (t.tx.get(inodeKey(t.prefix, inode)) !== undefined) return
      for (const { key } of t.tx.range(rows)) t.tx.delete(key)
    }),
  }
}
