import { ShoalError } from '#foundation/errors.ts'
import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { type EntryForm, entryKey, inodeKey, parentOfEntryKey, readEntryKey } from './keys.ts'
import type { Decode } from '#kv/store.ts'
import type { Located } from './located.ts'
import { decodeLink, decodePointer, decodeRecord, encodeRecord, type InodeRecord, ListedRecord } from './record.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'

export type { Located } from './located.ts'

export function findEntry(view: VolumeView, parent: InodeId, at: { name: string; form: EntryForm }): Located | undefined {
  const key = entryKey(view.prefix, parent, at.name, at.form)
  if (at.form === 'directory') {
    const row = view.snapshot.getDecoded(key, decodeEntry)
    if (row === undefined) return undefined
    return typeof row === 'object' ? { record: row, entry: key, slot: key } : readLinked(view, key, row)
  }
  const value = view.snapshot.get(key)
  return value === undefined ? undefined : readEntry(view, key, value)
}

/** A directory's row leads to all that is in it, and is read far more often than it changes. */
const decodeEntry: Decode<InodeRecord | InodeId> = (value) => decodeLink(value) ?? decodeRecord(value)

/** The inode behind an entry's row. */
export function readEntry(view: VolumeView, key: Buffer, value: Buffer): Located {
  const linked = decodeLink(value)
  return linked === undefined ? { record: decodeRecord(value), entry: key, slot: key } : readLinked(view, key, linked)
}

function readLinked(view: VolumeView, key: Buffer, linked: InodeId): Located {
  const slot = inodeKey(view.prefix, linked)
  const row = view.snapshot.get(slot)
  if (row === undefined) throw danglingEntry(linked)
  return { record: decodeRecord(row), entry: key, slot }
}

/** The same, for listings. */
export function readListed(view: VolumeView, value: Buffer): ListedRecord {
  const linked = decodeLink(value)
  if (linked === undefined) return new ListedRecord(value)
  const row = view.snapshot.get(inodeKey(view.prefix, linked))
  if (row === undefined) throw danglingEntry(linked)
  return new ListedRecord(row)
}

export function findInode(view: VolumeView, inode: InodeId): Located | undefined {
  const slot = inodeKey(view.prefix, inode)
  const row = view.snapshot.get(slot)
  if (row === undefined) return undefined
  const pointer = decodePointer(row)
  if (pointer === undefined) return { record: decodeRecord(row), entry: undefined, slot }
  const value = view.snapshot.get(pointer)
  if (value === undefined) throw danglingEntry(inode)
  return { record: decodeRecord(value), entry: pointer, slot: pointer }
}

export function findRoot(view: VolumeView): Located {
  const root = findInode(view, ROOT_INODE)
  if (root === undefined) throw new ShoalError('CORRUPT', 'The root directory of the volume is missing: run "shoal fsck"')
  return root
}

/** Stores `record` where `located` was found, and gives the new state. */
export function storeRecord(t: VolumeTransaction, located: Located, record: InodeRecord): Located {
  t.tx.put(located.slot, encodeRecord(record))
  if (record.type === 'directory') t.touched.delete(record.inode)
  return { record, entry: located.entry, slot: located.slot }
}

/** The same inode as this transaction has it now. */
export function reload(view: VolumeView, located: Located): Located {
  const { slot, record: before } = located
  const row = before.type === 'directory' ? view.snapshot.getDecoded(slot, decodeEntry) : view.snapshot.get(slot)
  if (row === undefined || typeof row === 'number') throw danglingEntry(before.inode)
  return { ...located, record: Buffer.isBuffer(row) ? decodeRecord(row) : row }
}

/** The entry that leads to a directory: its parent and name; `undefined` for the root. */
export function parentOf(view: VolumeView, directory: InodeId): { parent: InodeId; name: string } | undefined {
  if (directory === ROOT_INODE) return undefined
  const row = view.snapshot.get(inodeKey(view.prefix, directory))
  const pointer = row === undefined ? undefined : decodePointer(row)
  if (pointer === undefined) throw danglingEntry(directory)
  return { parent: parentOfEntryKey(pointer), name: readEntryKey(pointer).name }
}

/** The path of a directory, without a leading slash. */
export function pathOfDirectory(t: VolumeTransaction, directory: InodeId): string {
  const known = t.paths.get(directory)
  if (known !== undefined) return known
  const above = parentOf(t, directory)
  const path = above === undefined ? '' : joinPath(pathOfDirectory(t, above.parent), above.name)
  t.paths.set(directory, path)
  return path
}

export function joinPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`
}

function danglingEntry(inode: InodeId): ShoalError {
  return new ShoalError('CORRUPT', `The rows of inode ${inode} don't fit together: run "shoal fsck"`, { details: { inode } })
}
