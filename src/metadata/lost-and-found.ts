// Where a repair puts what it can't put back: `/lost+found/<inode>` of the volume, as fsck of ext4 does.

import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { formOf, newRecord } from './entries.ts'
import { embeddedRecord, lookAtInode } from './fsck-check.ts'
import { findEntry } from './inodes.ts'
import { entryKey, inodeKey, parentOfEntryKey } from './keys.ts'
import { decodeLink, encodeLink, encodePointer, encodeRecord, type InodeRecord } from './record.ts'
import type { VolumeTransaction } from './transaction.ts'

const LOST_AND_FOUND = 'lost+found'

function lostAndFound(t: VolumeTransaction): InodeId {
  const found = findEntry(t, ROOT_INODE, { name: LOST_AND_FOUND, form: 'directory' })
  if (found !== undefined) return found.record.inode
  const inode = t.allocate() as InodeId
  putDirectory(t, { inode, parent: ROOT_INODE, name: LOST_AND_FOUND, subdirectories: 0 })
  t.change({ kind: 'create', inode, parent: ROOT_INODE, path: LOST_AND_FOUND, type: 'directory' })
  return inode
}

function putDirectory(
  t: VolumeTransaction,
  directory: { inode: InodeId; parent: InodeId; name: string; subdirectories: number },
): void {
  const { inode, parent, name, subdirectories } = directory
  const entry = entryKey(t.prefix, parent, name, 'directory')
  const record = newRecord(t, inode, { type: 'directory', mode: 0o700 })
  t.tx.put(entry, encodeRecord({ ...record, links: record.links + subdirectories }))
  t.tx.put(inodeKey(t.prefix, inode), encodePointer(entry))
  t.countFiles(1)
  addDirectoryLinks(t, parent, 1)
}

/** A free name for an inode in lost+found. */
function freePlace(t: VolumeTransaction, inode: InodeId): { parent: InodeId; name: string } {
  const parent = lostAndFound(t)
  for (let copy = 0; ; copy += 1) {
    const name = copy === 0 ? String(inode) : `${inode}.${copy}`
    const isTaken = (['file', 'directory'] as const).some(
      (other) => t.tx.get(entryKey(t.prefix, parent, name, other)) !== undefined,
    )
    if (!isTaken) return { parent, name }
  }
}

/** Moves an entry that holds its record, or a link, to lost+found or to `to`. */
export function moveRow(t: VolumeTransaction, key: Buffer, to?: { parent: InodeId; name: string }): void {
  const value = t.tx.get(key)
  if (value === undefined) return
  const record = embeddedRecord(t, key)
  const form = record === undefined ? 'file' : formOf(record.type)
  const inode = record?.inode ?? decodeLink(value)
  if (inode === undefined) return
  const { parent, name } = to ?? freePlace(t, inode)
  const target = entryKey(t.prefix, parent, name, form)
  t.tx.delete(key)
  t.tx.put(target, value)
  if (record !== undefined) t.tx.put(inodeKey(t.prefix, record.inode), encodePointer(target))
  if (record?.type === 'directory') {
    addDirectoryLinks(t, parentOfEntryKey(key), -1)
    addDirectoryLinks(t, parent, 1)
  }
  report(t, { inode, parent, type: record?.type, name })
}

function report(
  t: VolumeTransaction,
  { inode, parent, type, name }: { inode: InodeId; parent: InodeId; type: InodeRecord['type'] | undefined; name: string },
): void {
  const isLost = findEntry(t, ROOT_INODE, { name: LOST_AND_FOUND, form: 'directory' })?.record.inode === parent
  if (!isLost) return
  t.change({ kind: 'create', inode, parent, path: `${LOST_AND_FOUND}/${name}`, ...(type === undefined ? {} : { type }) })
}

/** Gives a record that stands in its inode's row a name. */
export function attachShared(t: VolumeTransaction, record: InodeRecord): void {
  const form = formOf(record.type)
  const { parent, name } = freePlace(t, record.inode)
  const entry = entryKey(t.prefix, parent, name, form)
  if (form === 'directory') {
    t.tx.put(entry, encodeRecord(record))
    t.tx.put(inodeKey(t.prefix, record.inode), encodePointer(entry))
    addDirectoryLinks(t, parent, 1)
  } else {
    t.tx.put(entry, encodeLink(record.inode))
    t.tx.put(inodeKey(t.prefix, record.inode), encodeRecord({ ...record, links: 1 }))
  }
  report(t, { inode: record.inode, parent, type: record.type, name })
}

/** Makes a directory of the number `inode` anew, for entries that still name it as their parent. */
export function recreateDirectory(t: VolumeTransaction, inode: InodeId, subdirectories: number): void {
  const { parent, name } = freePlace(t, inode)
  putDirectory(t, { inode, parent, name, subdirectories })
  report(t, { inode, parent, type: 'directory', name })
}

/** Adds to a directory's link count, if it is there. */
export function addDirectoryLinks(t: VolumeTransaction, inode: InodeId, delta: number): void {
  const state = lookAtInode(t, inode)
  if ((state.kind !== 'shared' && state.kind !== 'embedded') || state.record.type !== 'directory') return
  const slot = state.kind === 'embedded' ? state.entry : inodeKey(t.prefix, inode)
  t.tx.put(slot, encodeRecord({ ...state.record, links: Math.max(0, state.record.links + delta) }))
}
