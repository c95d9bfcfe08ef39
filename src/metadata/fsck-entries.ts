// Checks the rows of all entries: each leads to an inode, which knows it; names and forms are legal; directories count
// what is in them.

import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { checkName } from '#foundation/path.ts'
import { discardContents } from './contents.ts'
import { formOf, newRecord } from './entries.ts'
import {
  embeddedRecord,
  findInodeState,
  lookAtInode,
  placeOfEntry,
  placeOfInode,
  readEntryValue,
  type Steps,
  tryDecodeRecord,
  type VolumeCheck,
} from './fsck-check.ts'
import { checkContents } from './fsck-contents.ts'
import { entryKey, entryRange, inodeKey, kindRange, KIND, parentOfEntryKey, readEntryKey } from './keys.ts'
import { addDirectoryLinks, moveRow, recreateDirectory } from './lost-and-found.ts'
import { encodeLink, encodePointer, encodeRecord, type InodeRecord } from './record.ts'
import type { VolumeTransaction } from './transaction.ts'

/** Entries moved to lost+found in one transaction. */
const MOVES_PER_STEP = 1_000

interface DirectoryTally {
  readonly inode: InodeId
  readonly firstEntry: Buffer
  entries: number
  subdirectories: number
}

export function* checkEntries(check: VolumeCheck): Steps {
  let open: DirectoryTally | undefined
  const unsure: DirectoryTally[] = []
  for (const { key, value } of check.snapshot.range(kindRange(check.prefix, KIND.entry))) {
    yield undefined
    if (key.length < 17) {
      yield unreadable(check, key, `an entry's key has ${key.length} bytes only`)
      continue
    }
    const parent = parentOfEntryKey(key)
    if (open?.inode !== parent) {
      if (open !== undefined) yield* closeDirectory(check, open, unsure)
      open = { inode: parent, firstEntry: key, entries: 0, subdirectories: 0 }
      check.seeId(parent)
    }
    open.entries += 1
    if (yield* checkEntry(check, key, value)) open.subdirectories += 1
  }
  if (open !== undefined) yield* closeDirectory(check, open, unsure)
  // Now it is known which directories have an entry although their own row is wrong.
  for (const directory of unsure) yield* checkUnsure(check, directory)
}

/** True for a subdirectory. */
function* checkEntry(check: VolumeCheck, key: Buffer, value: Buffer): Steps<boolean> {
  const { name, form } = readEntryKey(key)
  const state = readEntryValue(value)
  if (state === undefined) {
    yield unreadable(check, key, `its value can't be read (it starts with ${value.toString('hex', 0, 8)})`)
    return form === 'directory'
  }
  const fault = faultOfName(name)
  if (fault !== undefined) {
    yield {
      problem: 'entry-name-illegal',
      where: placeOfEntry(check, key),
      detail: `${fault}; it moves to lost+found`,
      mend: check.mend((t) => moveRow(t, key)),
    }
  }
  if ('link' in state) {
    yield* checkLink(check, key, state.link)
    return false
  }
  const { record } = state
  const isDirectory = record.type === 'directory'
  if (formOf(record.type) !== form) {
    yield {
      problem: 'entry-form-wrong',
      where: placeOfEntry(check, key),
      detail: `a ${record.type} is stored under the key of a ${form}`,
      mend: check.mend((t) => correctForm(t, key)),
    }
  }
  check.count(record)
  if (!(yield* checkPointer(check, key, record))) return isDirectory
  if (isDirectory) yield* checkEmptyDirectory(check, record)
  else if (record.links !== 1) yield linkCountWrong(check, record, { counted: 1, where: placeOfEntry(check, key) })
  yield* checkContents(check, record, key)
  return isDirectory
}

function unreadable(check: VolumeCheck, key: Buffer, detail: string) {
  return {
    problem: 'entry-unreadable' as const,
    where: key.length < 17 ? `${check.record.name}: entry ${key.toString('hex', 8)}` : placeOfEntry(check, key),
    detail: `${detail}; what it named can't be found through it any more, so the entry is removed`,
    mend: check.mend((t) => {
      const now = t.tx.get(key)
      if (now === undefined || (key.length >= 17 && readEntryValue(now) !== undefined)) return
      t.tx.delete(key)
      if (key.length >= 17 && readEntryKey(key).form === 'directory') addDirectoryLinks(t, parentOfEntryKey(key), -1)
    }),
  }
}

function faultOfName(name: string): string | undefined {
  try {
    checkName(name)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

function correctForm(t: VolumeTransaction, key: Buffer): void {
  const record = embeddedRecord(t, key)
  const { name, form } = readEntryKey(key)
  const value = t.tx.get(key)
  if (value === undefined || (record !== undefined && formOf(record.type) === form)) return
  const parent = parentOfEntryKey(key)
  const right = entryKey(t.prefix, parent, name, record === undefined ? 'file' : formOf(record.type))
  moveRow(t, key, t.tx.get(right) === undefined ? { parent, name } : undefined)
}

function* checkLink(check: VolumeCheck, key: Buffer, inode: InodeId): Steps {
  const state = findInodeState(check, inode)
  const where = placeOfEntry(check, key)
  check.seeId(inode)
  if (state.kind === 'embedded' && state.record.type !== 'directory') {
    yield {
      problem: 'entry-link-wrong',
      where,
      detail: `it is one more name of inode ${inode}, whose record is still inside another entry`,
      mend: check.mend((t) => shareInode(t, key, inode)),
    }
    return
  }
  if (state.kind !== 'shared' || state.record.type === 'directory') {
    yield {
      problem: 'entry-dangling',
      where,
      detail: `it names inode ${inode}, which ${state.kind === 'absent' ? "doesn't exist" : "can't be read, or is a directory"}; the entry is removed`,
      mend: check.mend((t) => {
        const now = t.tx.get(key)
        const target = lookAtInode(t, inode)
        const isFine = target.kind === 'shared' && target.record.type !== 'directory'
        if (now?.equals(encodeLink(inode)) === true && !isFine) t.tx.delete(key)
      }),
    }
    return
  }
  const known = check.names.get(inode)
  if (known === undefined) check.names.set(inode, { count: 1, entry: key })
  else known.count += 1
  if (readEntryKey(key).form === 'directory') {
    yield {
      problem: 'entry-form-wrong',
      where,
      detail: 'a further name of a file is stored under the key of a directory',
      mend: check.mend((t) => correctForm(t, key)),
    }
  }
}

/** Gives an inode whose record is in an entry a row of its own, and the entry at `key` is one name more. */
function shareInode(t: VolumeTransaction, key: Buffer, inode: InodeId): void {
  const state = lookAtInode(t, inode)
  if (t.tx.get(key)?.equals(encodeLink(inode)) !== true) return
  if (state.kind !== 'shared' && state.kind !== 'embedded') return
  if (state.kind === 'embedded') t.tx.put(state.entry, encodeLink(inode))
  t.tx.put(inodeKey(t.prefix, inode), encodeRecord({ ...state.record, links: state.record.links + 1 }))
}

/** False if the record has a twin elsewhere. */
function* checkPointer(check: VolumeCheck, key: Buffer, record: InodeRecord): Steps<boolean> {
  const { inode } = record
  const row = check.snapshot.get(inodeKey(check.prefix, inode))
  if (row?.equals(encodePointer(key)) === true) return true
  const where = placeOfEntry(check, key)
  const other = findInodeState(check, inode)
  if (other.kind === 'shared' || other.kind === 'embedded') {
    check.twins.add(inode)
    yield {
      problem: 'inode-twice',
      where,
      detail: `inode ${inode} has a record here and in ${other.kind === 'shared' ? 'a row of its own' : placeOfEntry(check, other.entry)}; the latter is kept`,
      mend: check.mend((t) => mergeTwin(t, key, inode)),
    }
    return false
  }
  check.adopted.set(inode, key)
  yield {
    problem: 'inode-pointer-wrong',
    where,
    detail: `the row of inode ${inode} ${row === undefined ? 'is missing' : "doesn't lead here"}`,
    mend: check.mend((t) => {
      const state = lookAtInode(t, inode)
      if (embeddedRecord(t, key)?.inode !== inode || state.kind === 'shared' || state.kind === 'embedded') return
      t.tx.put(inodeKey(t.prefix, inode), encodePointer(key))
    }),
  }
  return true
}

/** Of two records of one inode the one that the inode's row knows stays; the other entry becomes a further name of it,
 *  or goes where it is a directory's. */
function mergeTwin(t: VolumeTransaction, key: Buffer, inode: InodeId): void {
  const twin = embeddedRecord(t, key)
  const state = lookAtInode(t, inode)
  if (twin?.inode !== inode || (state.kind !== 'shared' && state.kind !== 'embedded')) return
  if (state.kind === 'embedded' && state.entry.equals(key)) return
  t.countFiles(-1)
  if (twin.type === 'file') t.countBytes(-twin.sizeBytes)
  const kept = state.record
  const sharesContents = twin.form === kept.form && twin.content === kept.content && twin.form !== 'embedded'
  if (!sharesContents) discardContents(t, twin)
  if (twin.type === 'directory' || kept.type === 'directory') {
    t.tx.delete(key)
    if (twin.type === 'directory') addDirectoryLinks(t, parentOfEntryKey(key), -1)
    return
  }
  t.tx.put(key, encodeLink(inode))
  if (state.kind === 'embedded') t.tx.put(state.entry, encodeLink(inode))
  t.tx.put(inodeKey(t.prefix, inode), encodeRecord({ ...kept, links: kept.links + 1 }))
}

/** A directory with entries is checked where its entries end. */
function* checkEmptyDirectory(check: VolumeCheck, record: InodeRecord): Steps {
  for (const _ of check.snapshot.range({ ...entryRange(check.prefix, record.inode), limit: 1 })) return
  yield* checkDirectoryLinks(check, record, 0)
}

function* closeDirectory(check: VolumeCheck, directory: DirectoryTally, unsure: DirectoryTally[]): Steps {
  const state = findInodeState(check, directory.inode)
  if ((state.kind === 'shared' || state.kind === 'embedded') && state.record.type === 'directory') {
    yield* checkDirectoryLinks(check, state.record, directory.subdirectories)
  } else if (directory.inode !== ROOT_INODE) {
    unsure.push(directory)
  }
}

function* checkDirectoryLinks(check: VolumeCheck, record: InodeRecord, subdirectories: number): Steps {
  const counted = 2 + subdirectories
  if (record.links === counted) return
  yield {
    problem: 'directory-links-wrong',
    where: placeOfInode(check, record.inode),
    detail: `the directory counts ${record.links} links; 2 and ${subdirectories} subdirectories make ${counted}`,
    // What happens meanwhile keeps the difference as it is.
    mend: check.mend((t) => addDirectoryLinks(t, record.inode, counted - record.links)),
  }
}

function* checkUnsure(check: VolumeCheck, directory: DirectoryTally): Steps {
  const { inode, entries, subdirectories, firstEntry } = directory
  const state = findInodeState(check, inode)
  const isThere = state.kind === 'shared' || state.kind === 'embedded'
  if (isThere && state.record.type === 'directory') {
    yield* checkDirectoryLinks(check, state.record, subdirectories)
    return
  }
  check.lostParents.add(inode)
  yield {
    problem: 'entry-without-parent',
    where: placeOfEntry(check, firstEntry),
    detail: `${entries} entries name ${inode} as their directory, which ${isThere ? `is a ${state.record.type}` : "doesn't exist"}`,
    mend: check.mend((t) => {
      const now = lookAtInode(t, inode)
      if (now.kind !== 'shared' && now.kind !== 'embedded') recreateDirectory(t, inode, subdirectories)
      else if (now.record.type !== 'directory') moveEntries(t, inode)
    }),
  }
}

function moveEntries(t: VolumeTransaction, parent: InodeId): void {
  const rows = [...t.tx.range({ ...entryRange(t.prefix, parent), limit: MOVES_PER_STEP })]
  for (const { key } of rows) moveRow(t, key)
}

export function linkCountWrong(check: VolumeCheck, record: InodeRecord, { counted, where }: { counted: number; where: string }) {
  return {
    problem: 'link-count-wrong' as const,
    where,
    detail: `the file counts ${record.links} names and has ${counted}`,
    mend: check.mend((t) => {
      const state = lookAtInode(t, record.inode)
      if (state.kind !== 'shared' && state.kind !== 'embedded') return
      const slot = state.kind === 'embedded' ? state.entry : inodeKey(t.prefix, record.inode)
      t.tx.put(slot, encodeRecord({ ...state.record, links: Math.max(1, state.record.links + counted - record.links) }))
    }),
  }
}

/** The root directory, which no entry names. */
export function* checkRoot(check: VolumeCheck): Steps {
  const key = inodeKey(check.prefix, ROOT_INODE)
  const isRoot = (row: Buffer | undefined): boolean => {
    const record = row === undefined ? undefined : tryDecodeRecord(row)
    return record?.type === 'directory' && record.inode === ROOT_INODE
  }
  const row = check.snapshot.get(key)
  if (isRoot(row)) {
    yield* checkEmptyDirectory(check, tryDecodeRecord(row as Buffer) as InodeRecord)
    return
  }
  yield {
    problem: 'root-missing',
    where: `${check.record.name}:/`,
    detail: row === undefined ? 'the root directory has no record' : "the root directory's record can't be read",
    mend: check.mend((t) => {
      if (isRoot(t.tx.get(key))) return
      let links = 2
      for (const entry of t.tx.range(entryRange(t.prefix, ROOT_INODE))) {
        if (tryDecodeRecord(entry.value)?.type === 'directory') links += 1
      }
      t.tx.put(key, encodeRecord({ ...newRecord(t, ROOT_INODE, { type: 'directory', mode: 0o755 }), links }))
    }),
  }
}
