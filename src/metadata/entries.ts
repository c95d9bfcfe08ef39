// Names in directories: making, removing, renaming and linking them, as POSIX.1-2017 has it for open, mkdir, unlink,
// rmdir, rename and link; rename's flags as in Linux' renameat2(2).

import { ShoalError } from '#foundation/errors.ts'
import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { nameOfSegment } from '#foundation/object-key.ts'
import { inheritAcls } from './acls.ts'
import type { FileType } from './attributes.ts'
import { type ContentFields, discardContents, NO_CONTENT } from './contents.ts'
import { findEntry, joinPath, type Located, parentOf, pathOfDirectory, reload, storeRecord } from './inodes.ts'
import { type EntryForm, entryKey, entryRange, inodeKey, isMarkerKey, xattrKey } from './keys.ts'
import { removeLocksOf } from './locks.ts'
import { removeFileLocksOf } from './file-locks.ts'
import { refuseHeld } from './object-part.ts'
import { decodeLink, decodeRecord, encodeLink, encodePointer, encodeRecord, type InodeRecord } from './record.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'
import { isVersioned, keyOfEntry, markDeleted, setAside, stampObject } from './versions.ts'
import { removeAllXattrs } from './xattrs.ts'

/** ext4's limit; more names for one file is more likely a mistake than a use. */
export const MAX_LINKS = 65_000

export interface NewInode {
  readonly type: FileType
  readonly mode: number
  readonly uid?: number
  readonly gid?: number
  readonly rdev?: number
  readonly atimeNs?: bigint | undefined
  readonly mtimeNs?: bigint | undefined
  readonly contents?: ContentFields
  readonly sha256?: Buffer | undefined
  /** Of a directory: it goes with the last object in it. */
  readonly isImplicit?: boolean
  /** What S3 shall know of a file. */
  readonly object?: Buffer | undefined
}

export const formOf = (type: FileType): EntryForm => (type === 'directory' ? 'directory' : 'file')

/** Makes a new inode under a name that is free. @throws ALREADY_EXISTS */
export function createEntry(t: VolumeTransaction, parent: Located, create: { name: string; inode: NewInode }): Located {
  const directory = parent.record.inode
  for (const form of ['file', 'directory'] as const) {
    if (findEntry(t, directory, { name: create.name, form }) !== undefined) throw alreadyExists(t, directory, create.name)
  }
  return addEntry(t, parent, create)
}

/** Makes a new inode under a name that the caller has just seen to be free. */
export function addEntry(
  t: VolumeTransaction,
  parent: Located,
  { name, inode: init }: { name: string; inode: NewInode },
): Located {
  const form = formOf(init.type)
  const directory = parent.record.inode
  const inode = t.allocate() as InodeId
  const entry = entryKey(t.prefix, directory, name, form)
  const { mode, xattrs } = inheritAcls(t, parent.record, init)
  for (const xattr of xattrs) t.tx.put(xattrKey(t.prefix, inode, xattr.name), xattr.value)
  const record = { ...newRecord(t, inode, { ...init, mode }), hasXattrs: xattrs.length > 0 }
  return placeNew(t, parent, { entry, name, record: stamped(t, entry, record) })
}

/** Makes a file of a version taken out of its key's history, under a name that the caller has just seen to be free. */
export function restoreEntry(t: VolumeTransaction, parent: Located, at: { name: string; record: InodeRecord }): Located {
  const record = { ...at.record, inode: t.allocate() as InodeId, ctimeNs: t.nowNs }
  return placeNew(t, parent, { entry: entryKey(t.prefix, parent.record.inode, at.name, 'file'), name: at.name, record })
}

function placeNew(
  t: VolumeTransaction,
  parent: Located,
  { entry, name, record }: { entry: Buffer; name: string; record: InodeRecord },
): Located {
  const { inode, type } = record
  const directory = parent.record.inode
  t.tx.put(entry, encodeRecord(record))
  t.tx.put(inodeKey(t.prefix, inode), encodePointer(entry))
  t.countFiles(1)
  t.countBytes(record.type === 'file' ? record.sizeBytes : 0)
  touchDirectory(t, parent, type === 'directory' ? 1 : 0)
  t.change({ kind: 'create', inode, parent: directory, type, path: joinPath(pathOfDirectory(t, directory), name) })
  return { record, entry, slot: entry }
}

/** A file of a volume with versions gets its place among those of its key. */
function stamped(t: VolumeTransaction, entry: Buffer, record: InodeRecord): InodeRecord {
  const key = record.type === 'file' && isVersioned(t) ? keyOfEntry(t, entry) : undefined
  return key === undefined ? record : { ...record, object: stampObject(t, key, record.object) }
}

export function newRecord(t: VolumeTransaction, inode: InodeId, init: NewInode): InodeRecord {
  return {
    inode,
    type: init.type,
    mode: init.mode,
    uid: init.uid ?? 0,
    gid: init.gid ?? 0,
    links: init.type === 'directory' ? 2 : 1,
    atimeNs: init.atimeNs ?? t.nowNs,
    mtimeNs: init.mtimeNs ?? t.nowNs,
    ctimeNs: t.nowNs,
    btimeNs: t.nowNs,
    rdev: init.rdev ?? 0,
    version: 1,
    sha256: init.sha256,
    hasXattrs: false,
    isImplicit: init.isImplicit === true,
    object: init.object,
    ...(init.contents ?? NO_CONTENT),
  }
}

/** The root directory of a new volume. */
export function createRoot(t: VolumeTransaction): void {
  t.tx.put(inodeKey(t.prefix, ROOT_INODE), encodeRecord(newRecord(t, ROOT_INODE, { type: 'directory', mode: 0o755 })))
}

/** A directory's times and link count follow its entries. */
function touchDirectory(t: VolumeTransaction, directory: Located, linksDelta: number): void {
  const { inode } = directory.record
  if (linksDelta !== 0) t.forgetDirectories()
  else if (t.touched.has(inode)) return
  const located = reload(t, directory)
  const { record } = located
  storeRecord(t, located, { ...record, links: record.links + linksDelta, mtimeNs: t.nowNs, ctimeNs: t.nowNs })
  t.touched.add(inode)
}

/** The object of a directory's own S3 key, which ends in its slash. */
export const MARKER_NAME = nameOfSegment('')

/** Whether an entry is a marker without contents: other doors see its directory in its place. */
export function isHiddenMarker(key: Buffer, value: Buffer): boolean {
  return isMarkerKey(key) && decodeLink(value) === undefined && decodeRecord(value).sizeBytes === 0
}

/** Without even a marker in it. */
export function isBareDirectory(view: VolumeView, directory: InodeId): boolean {
  for (const _ of view.snapshot.range({ ...entryRange(view.prefix, directory), limit: 1 })) return false
  return true
}

export function isEmptyDirectory(view: VolumeView, directory: InodeId): boolean {
  for (const { key, value } of view.snapshot.range({ ...entryRange(view.prefix, directory), limit: 2 }))
    if (!isHiddenMarker(key, value)) return false
  return true
}

/** Removes a name; the last one takes the inode with it. @throws DIRECTORY_NOT_EMPTY */
export function removeEntry(t: VolumeTransaction, parent: Located, at: { name: string; target: Located }): void {
  const { name, target } = at
  const { record } = target
  if (record.type === 'directory' && !isEmptyDirectory(t, record.inode)) {
    throw new ShoalError(
      'DIRECTORY_NOT_EMPTY',
      `Directory "/${joinPath(pathOfDirectory(t, parent.record.inode), name)}" is not empty`,
    )
  }
  dropName(t, target, 'deleted')
  reportRemoval(t, parent, at)
}

/** Removes a file without keeping a version of it. */
export function forgetEntry(t: VolumeTransaction, parent: Located, at: { name: string; target: Located }): void {
  dropName(t, at.target, 'forgotten')
  reportRemoval(t, parent, at)
}

function reportRemoval(t: VolumeTransaction, parent: Located, { name, target }: { name: string; target: Located }): void {
  const { record } = target
  touchDirectory(t, parent, record.type === 'directory' ? -1 : 0)
  const path = joinPath(pathOfDirectory(t, parent.record.inode), name)
  t.change({ kind: 'remove', inode: record.inode, parent: parent.record.inode, type: record.type, path })
}

/** What the history of a file's key shows of it, on a volume with versions: it was deleted, something took its place, or
 *  that version never was. */
type History = 'deleted' | 'replaced' | 'forgotten'

function dropName(t: VolumeTransaction, target: Located, history: History): void {
  const { record, entry, slot } = target
  const hasHistory = record.type === 'file' && history !== 'forgotten' && isVersioned(t)
  const key = hasHistory && entry !== undefined ? keyOfEntry(t, entry) : undefined
  const isSetAside = key !== undefined && record.links === 1 && setAside(t, key, record)
  if (!isSetAside && history !== 'forgotten') refuseHeld(record.object, t.nowMs)
  if (key !== undefined && history === 'deleted') markDeleted(t, key)
  if (record.type === 'directory') dropMarker(t, record.inode)
  if (entry !== undefined) t.tx.delete(entry)
  const hasOtherNames = record.type !== 'directory' && record.links > 1
  if (hasOtherNames) {
    t.tx.put(slot, encodeRecord({ ...record, links: record.links - 1, ctimeNs: t.nowNs }))
    return
  }
  t.tx.delete(inodeKey(t.prefix, record.inode))
  if (record.hasXattrs) removeAllXattrs(t, record.inode)
  removeLocksOf(t, record.inode)
  removeFileLocksOf(t, record.inode)
  if (!isSetAside) discardContents(t, record)
  t.countFiles(-1)
  t.countBytes(record.type === 'file' ? -record.sizeBytes : 0)
}

function dropMarker(t: VolumeTransaction, directory: InodeId): void {
  const marker = findEntry(t, directory, { name: MARKER_NAME, form: 'file' })
  if (marker !== undefined) dropName(t, marker, 'deleted')
}

/** Gives a file one more name. @throws NOT_PERMITTED for directories, ALREADY_EXISTS, TOO_MANY_LINKS */
export function linkEntry(t: VolumeTransaction, source: Located, target: { parent: Located; name: string }): Located {
  const { record } = source
  const directory = target.parent.record.inode
  if (record.type === 'directory')
    throw new ShoalError('NOT_PERMITTED', 'A directory can have one name only: use a symbolic link instead')
  if (record.links >= MAX_LINKS)
    throw new ShoalError('TOO_MANY_LINKS', `The file has ${record.links} names already, which is the most it can have`)
  for (const form of ['file', 'directory'] as const) {
    if (findEntry(t, directory, { name: target.name, form }) !== undefined) throw alreadyExists(t, directory, target.name)
  }
  const slot = inodeKey(t.prefix, record.inode)
  const linked = { ...record, links: record.links + 1, ctimeNs: t.nowNs }
  t.tx.put(slot, encodeRecord(linked))
  if (source.entry !== undefined && source.slot === source.entry) t.tx.put(source.entry, encodeLink(record.inode))
  const entry = entryKey(t.prefix, directory, target.name, 'file')
  t.tx.put(entry, encodeLink(record.inode))
  touchDirectory(t, target.parent, 0)
  t.change({
    kind: 'link',
    inode: record.inode,
    parent: directory,
    type: record.type,
    path: joinPath(pathOfDirectory(t, directory), target.name),
  })
  return { record: linked, entry, slot }
}

export interface Place {
  readonly parent: Located
  readonly name: string
}

export type RenameMode = 'replace' | 'no-replace' | 'exchange'

/** Moves the entry `source` to the name `target`. @throws NOT_FOUND, ALREADY_EXISTS, MOVE_INTO_ITSELF, IS_A_DIRECTORY,
 *  NOT_A_DIRECTORY, DIRECTORY_NOT_EMPTY */
export function renameEntry(
  t: VolumeTransaction,
  source: Place & { located: Located },
  target: Place & { located: Located | undefined; mode: RenameMode },
): void {
  const moving = source.located
  const there = target.located
  if (target.mode === 'no-replace' && there !== undefined) throw alreadyExists(t, target.parent.record.inode, target.name)
  if (target.mode === 'exchange' && there === undefined) throw missing(t, target)
  if (there !== undefined && there.record.inode === moving.record.inode) return
  refuseOwnSubtree(t, moving, target.parent)
  const path = joinPath(pathOfDirectory(t, target.parent.record.inode), target.name)
  const from = joinPath(pathOfDirectory(t, source.parent.record.inode), source.name)
  if (target.mode === 'exchange' && there !== undefined) {
    refuseOwnSubtree(t, there, source.parent)
    exchange(t, { ...source, located: moving }, { ...target, located: there })
    t.change({
      kind: 'rename',
      inode: there.record.inode,
      parent: source.parent.record.inode,
      type: there.record.type,
      path: from,
      from: path,
      fromParent: target.parent.record.inode,
    })
  } else {
    if (there !== undefined) replaceTarget(t, moving, { ...target, located: there })
    const left = moving.record.type === 'file' && isVersioned(t) ? keyOfEntry(t, moving.entry as Buffer) : undefined
    if (left !== undefined) markDeleted(t, left)
    t.tx.delete(moving.entry as Buffer)
    placeEntry(t, moving, target)
    const isDirectory = moving.record.type === 'directory' ? 1 : 0
    const isReplacedDirectory = there?.record.type === 'directory' ? 1 : 0
    touchDirectory(t, source.parent, -isDirectory)
    touchDirectory(t, target.parent, isDirectory - isReplacedDirectory)
  }
  t.forgetDirectories()
  t.change({
    kind: 'rename',
    inode: moving.record.inode,
    parent: target.parent.record.inode,
    type: moving.record.type,
    path,
    from,
    fromParent: source.parent.record.inode,
  })
}

function replaceTarget(t: VolumeTransaction, moving: Located, target: Place & { located: Located }): void {
  const there = target.located.record
  const path = joinPath(pathOfDirectory(t, target.parent.record.inode), target.name)
  if (there.type === 'directory' && moving.record.type !== 'directory')
    throw new ShoalError('IS_A_DIRECTORY', `"/${path}" is a directory: a file can't take its place`)
  if (there.type !== 'directory' && moving.record.type === 'directory')
    throw new ShoalError('NOT_A_DIRECTORY', `"/${path}" is not a directory: a directory can't take its place`)
  if (there.type === 'directory' && !isEmptyDirectory(t, there.inode))
    throw new ShoalError('DIRECTORY_NOT_EMPTY', `Directory "/${path}" is not empty`)
  dropName(t, target.located, 'replaced')
}

function exchange(t: VolumeTransaction, source: Place & { located: Located }, target: Place & { located: Located }): void {
  t.tx.delete(source.located.entry as Buffer)
  t.tx.delete(target.located.entry as Buffer)
  placeEntry(t, source.located, target)
  placeEntry(t, target.located, source)
  const delta = (target.located.record.type === 'directory' ? 1 : 0) - (source.located.record.type === 'directory' ? 1 : 0)
  touchDirectory(t, source.parent, delta)
  touchDirectory(t, target.parent, -delta)
}

function placeEntry(t: VolumeTransaction, moving: Located, { parent, name }: Place): void {
  const { record } = moving
  refuseHeld(record.object, t.nowMs)
  const entry = entryKey(t.prefix, parent.record.inode, name, formOf(record.type))
  const changed = encodeRecord({ ...stamped(t, entry, record), ctimeNs: t.nowNs })
  if (moving.slot === moving.entry) {
    t.tx.put(entry, changed)
    t.tx.put(inodeKey(t.prefix, record.inode), encodePointer(entry))
  } else {
    t.tx.put(entry, encodeLink(record.inode))
    t.tx.put(moving.slot, changed)
  }
}

function refuseOwnSubtree(t: VolumeTransaction, moving: Located, targetParent: Located): void {
  if (moving.record.type !== 'directory') return
  let at: InodeId | undefined = targetParent.record.inode
  while (at !== undefined) {
    if (at === moving.record.inode)
      throw new ShoalError('MOVE_INTO_ITSELF', "A directory can't be moved into itself or into what is below it")
    at = parentOf(t, at)?.parent
  }
}

export function alreadyExists(t: VolumeTransaction, parent: InodeId, name: string): ShoalError {
  const path = joinPath(pathOfDirectory(t, parent), name)
  return new ShoalError('ALREADY_EXISTS', `There is something at "/${path}" already`, { details: { path } })
}

function missing(t: VolumeTransaction, { parent, name }: Place): ShoalError {
  const path = joinPath(pathOfDirectory(t, parent.record.inode), name)
  return new ShoalError('NOT_FOUND', `There is nothing at "/${path}"`, { details: { path } })
}
