// Files by their S3 keys: finding, writing and removing objects and their versions.

import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { MAX_KEY_BYTES, pathOfKey } from '#foundation/object-key.ts'
import { ShoalError } from '#foundation/errors.ts'
import { forgetEntry, isBareDirectory, removeEntry, restoreEntry } from './entries.ts'
import { ensureDirectory, type FileWrite, putFile, reportChange } from './files.ts'
import { findEntry, findRoot, type Located, storeRecord } from './inodes.ts'
import {
  decodeObjectPart,
  encodeObjectPart,
  isNullVersion,
  type ObjectProperties,
  readProperties,
  refuseHeld,
  sequenceOf,
  withProperties,
} from './object-part.ts'
import { encodeRecord, type InodeRecord } from './record.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'
import {
  type DeleteMarker,
  findVersion,
  isNullRow,
  isVersioned,
  keyBytes,
  markDeleted,
  newestVersion,
  removeVersion,
  takeVersion,
  type VersionRow,
} from './versions.ts'

/** Which version of a key: its number, or the one known as "null". */
export type VersionName = number | 'null'

export interface FoundVersion {
  readonly name: VersionName
  readonly isCurrent: boolean
  /** `undefined` for a delete marker. */
  readonly record: InodeRecord | undefined
  readonly marker: DeleteMarker | undefined
}

/** @throws NAME_TOO_LONG */
export function requireKeyBytes(key: string): Buffer {
  const bytes = keyBytes(key)
  if (bytes === undefined || bytes.length === 0)
    throw new ShoalError('NAME_TOO_LONG', `A key has 1 to ${MAX_KEY_BYTES} bytes; "${key.slice(0, 40)}…" has more`)
  return bytes
}

/** The directories on the way to `key` that are there, and the last segment. */
function walkTo(view: VolumeView, key: string): { directories: Located[]; name: string; isComplete: boolean } {
  const path = pathOfKey(key)
  const directories: Located[] = []
  for (const name of path.slice(0, -1)) {
    const above: InodeId = directories.at(-1)?.record.inode ?? ROOT_INODE
    const next = findEntry(view, above, { name, form: 'directory' })
    if (next === undefined) return { directories, name: path.at(-1) as string, isComplete: false }
    directories.push(next)
  }
  return { directories, name: path.at(-1) as string, isComplete: true }
}

/** The file that is the object `key`; symbolic links and special files are none. */
export function findObject(view: VolumeView, key: string): Located | undefined {
  const { directories, name, isComplete } = walkTo(view, key)
  if (!isComplete) return undefined
  const found = findEntry(view, directories.at(-1)?.record.inode ?? ROOT_INODE, { name, form: 'file' })
  return found?.record.type === 'file' ? found : undefined
}

export const nameOfRecord = (record: Pick<InodeRecord, 'object'>): VersionName =>
  isNullVersion(record.object) ? 'null' : sequenceOf(record.object)

export const nameOfRow = (row: VersionRow): VersionName => (isNullRow(row) ? 'null' : row.sequence)

/** A version of a key, the current one without `version`. Of a key whose newest is a delete marker, that. */
export function findObjectVersion(view: VolumeView, key: string, version?: VersionName): FoundVersion | undefined {
  const current = findObject(view, key)?.record
  if (current !== undefined && (version === undefined || nameOfRecord(current) === version))
    return { name: nameOfRecord(current), isCurrent: true, record: current, marker: undefined }
  const bytes = keyBytes(key)
  if (bytes === undefined) return undefined
  const newest = current === undefined ? newestVersion(view, bytes) : undefined
  if (version === undefined) return newest?.marker === undefined ? undefined : describe(newest, true)
  const row = findVersion(view, bytes, version)
  return row === undefined ? undefined : describe(row, row.marker !== undefined && row.sequence === newest?.sequence)
}

function describe(row: VersionRow, isCurrent: boolean): FoundVersion {
  return { name: nameOfRow(row), isCurrent, record: row.record, marker: row.marker }
}

export type ObjectWrite = Pick<FileWrite, 'contents' | 'sha256' | 'object' | 'check'>

/** Makes or replaces the object `key`, with the directories that its path needs. */
export function putObject(t: VolumeTransaction, key: string, write: ObjectWrite): InodeRecord {
  requireKeyBytes(key)
  return putFile(t, pathOfKey(key), { ...write, createParents: true, besideDirectory: true }).located.record
}

export interface ObjectRemoval {
  readonly version?: VersionName | undefined
  /** Throws if what is there is not what it must be, `undefined` for a delete marker. Not asked where there is nothing. */
  readonly check?: ((existing: InodeRecord | undefined) => void) | undefined
  /** Removes what governance retention protects. */
  readonly bypass?: boolean | undefined
}

export interface ObjectRemoved {
  /** The version that is gone, or the delete marker that was made. */
  readonly version: VersionName | undefined
  readonly isMarker: boolean
}

/** Removes an object as DeleteObject does: without a version it leaves a delete marker where there are versions. */
export function removeObject(t: VolumeTransaction, key: string, removal: ObjectRemoval): ObjectRemoved {
  const bytes = requireKeyBytes(key)
  const current = findObject(t, key)
  if (removal.version !== undefined) return removeOneVersion(t, key, { ...removal, bytes, current })
  const newest = current === undefined && isVersioned(t) ? newestVersion(t, bytes) : undefined
  const isNothing = current === undefined && newest === undefined
  if (isNothing && removal.check !== undefined) return { version: undefined, isMarker: false }
  removal.check?.(current?.record)
  if (current !== undefined) removeCurrent(t, key, current, 'marker')
  if (!isVersioned(t)) return { version: undefined, isMarker: false }
  const marker = current === undefined ? markDeleted(t, bytes) : newestVersion(t, bytes)
  return { version: marker === undefined ? undefined : nameOfRow(marker), isMarker: true }
}

function removeOneVersion(
  t: VolumeTransaction,
  key: string,
  removal: ObjectRemoval & { bytes: Buffer; current: Located | undefined },
): ObjectRemoved {
  const { version, bytes, current, bypass, check } = removal
  if (current !== undefined && nameOfRecord(current.record) === version) {
    check?.(current.record)
    refuseHeld(current.record.object, t.nowMs, bypass)
    removeCurrent(t, key, current, 'nothing')
    promote(t, key, bytes)
    return { version, isMarker: false }
  }
  const row = findVersion(t, bytes, version as VersionName)
  if (row === undefined) return { version, isMarker: false }
  check?.(row.record)
  refuseHeld(row.record?.object, t.nowMs, bypass)
  const wasNewest = current === undefined && newestVersion(t, bytes)?.sequence === row.sequence
  removeVersion(t, bytes, row)
  if (wasNewest) promote(t, key, bytes)
  return { version, isMarker: row.marker !== undefined }
}

/** `leaves`: a marker where there are versions, or nothing at all, not even a version. */
function removeCurrent(t: VolumeTransaction, key: string, target: Located, leaves: 'marker' | 'nothing'): void {
  const { directories, name } = walkTo(t, key)
  const parent = directories.at(-1) ?? findRoot(t)
  if (leaves === 'marker') removeEntry(t, parent, { name, target })
  else forgetEntry(t, parent, { name, target })
  removeImplicit(t, directories, pathOfKey(key))
}

/** Directories that S3 made for keys go with the last entry in them. */
function removeImplicit(t: VolumeTransaction, directories: readonly Located[], path: readonly string[]): void {
  for (let depth = directories.length - 1; depth >= 0; depth -= 1) {
    const target = directories[depth] as Located
    if (target.record.isImplicit !== true || !isBareDirectory(t, target.record.inode)) return
    removeEntry(t, directories[depth - 1] ?? findRoot(t), { name: path[depth] as string, target })
  }
}

/** Makes the newest version of a key that is left current again, unless it is a delete marker. */
function promote(t: VolumeTransaction, key: string, bytes: Buffer): void {
  const newest = newestVersion(t, bytes)
  if (newest?.record === undefined) return
  const path = pathOfKey(key)
  const parent = ensureDirectory(t, path.slice(0, -1), { besideFiles: true })
  const name = path.at(-1) as string
  if (findEntry(t, parent.record.inode, { name, form: 'file' }) !== undefined) return
  takeVersion(t, bytes, newest)
  restoreEntry(t, parent, { name, record: newest.record })
}

/** Changes the properties of an object, which changes neither its contents nor its version. `undefined` if there is none.
 *  `change` may throw. */
export function changeProperties(
  t: VolumeTransaction,
  key: string,
  { version, change }: { version?: VersionName | undefined; change: (properties: ObjectProperties) => ObjectProperties },
): FoundVersion | undefined {
  const changed = (record: InodeRecord): InodeRecord => {
    const part = withProperties(decodeObjectPart(record.object), change(readProperties(record.object)))
    return { ...record, object: encodeObjectPart(part), ctimeNs: t.nowNs }
  }
  const current = findObject(t, key)
  if (current !== undefined && (version === undefined || nameOfRecord(current.record) === version)) {
    const stored = storeRecord(t, current, changed(current.record))
    reportChange(t, stored, 'attributes')
    return { name: nameOfRecord(stored.record), isCurrent: true, record: stored.record, marker: undefined }
  }
  if (version === undefined) return findObjectVersion(t, key)
  const row = findVersion(t, requireKeyBytes(key), version)
  if (row?.record === undefined) return row === undefined ? undefined : describe(row, false)
  const record = changed(row.record)
  t.tx.put(row.slot, encodeRecord(record))
  return describe({ ...row, record }, false)
}
