// Versions of files by their S3 keys, on volumes whose policy asks for them. The current version is the file itself, in its
// entry; those before it, and delete markers, are rows under the key: they stay where they are when directories move.
// What is a version and what becomes of "null" follows the Amazon S3 User Guide, "Retaining multiple versions of objects".

import { encodeName } from '#foundation/name.ts'
import { keyOfPath, MAX_KEY_BYTES } from '#foundation/object-key.ts'
import { discardContents } from './contents.ts'
import { pathOfDirectory } from './inodes.ts'
import {
  nullVersionKey,
  parentOfEntryKey,
  readEntryKey,
  readU64,
  sequenceOfVersionKey,
  versionKey,
  versionRange,
  writeU64,
} from './keys.ts'
import { decodeObjectPart, encodeObjectPart, isNullVersion, sequenceOf, withFrozenTag } from './object-part.ts'
import { decodeRecord, encodeRecord, type InodeRecord } from './record.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'

export interface DeleteMarker {
  readonly isNull: boolean
  readonly timeNs: bigint
  readonly owner: string
}

/** A row of a key's history: contents that were current once, or the mark that there were none. */
export interface VersionRow {
  readonly sequence: number
  readonly slot: Buffer
  readonly record: InodeRecord | undefined
  readonly marker: DeleteMarker | undefined
}

const MARKER_FORMAT = 4
const MARKER_BYTES = 12
const FLAG_NULL = 0x01

export const isVersioned = (t: VolumeTransaction): boolean => t.policy.versioning !== 'off'

function encodeMarker({ isNull, timeNs, owner }: DeleteMarker): Buffer {
  const name = Buffer.from(owner)
  const bytes = Buffer.alloc(MARKER_BYTES + name.length)
  bytes[0] = MARKER_FORMAT
  bytes[1] = isNull ? FLAG_NULL : 0
  bytes.writeBigInt64BE(timeNs, 4)
  name.copy(bytes, MARKER_BYTES)
  return bytes
}

function decodeMarker(bytes: Buffer): DeleteMarker | undefined {
  if (bytes[0] !== MARKER_FORMAT || bytes.length < MARKER_BYTES) return undefined
  return {
    isNull: ((bytes[1] as number) & FLAG_NULL) !== 0,
    timeNs: bytes.readBigInt64BE(4),
    owner: bytes.toString('utf8', MARKER_BYTES),
  }
}

export function readVersionRow(slot: Buffer, value: Buffer): VersionRow {
  const marker = decodeMarker(value)
  const record = marker === undefined ? decodeRecord(value) : undefined
  return { sequence: sequenceOfVersionKey(slot), slot, record, marker }
}

/** The version in a row, or `undefined` for bytes that are none. */
export function tryReadVersionRow(slot: Buffer, value: Buffer): VersionRow | undefined {
  try {
    return readVersionRow(slot, value)
  } catch {
    return undefined
  }
}

export const isNullRow = ({ record, marker }: VersionRow): boolean => marker?.isNull ?? isNullVersion(record?.object)

/** The S3 key of what an entry names, as bytes; `undefined` where it would be longer than S3's keys: such files have no
 *  versions. */
export function keyOfEntry(t: VolumeTransaction, entry: Buffer): Buffer | undefined {
  const directory = pathOfDirectory(t, parentOfEntryKey(entry))
  const names = directory === '' ? [] : directory.split('/')
  return keyBytes(keyOfPath([...names, readEntryKey(entry).name]))
}

export function keyBytes(key: string): Buffer | undefined {
  const bytes = encodeName(key)
  return bytes.length > MAX_KEY_BYTES ? undefined : bytes
}

/** The versions of a key that are not current, newest first. */
export function* versionsOf(view: VolumeView, key: Buffer): Generator<VersionRow> {
  for (const row of view.snapshot.range(versionRange(view.prefix, key))) yield readVersionRow(row.key, row.value)
}

export function newestVersion(view: VolumeView, key: Buffer): VersionRow | undefined {
  for (const row of view.snapshot.range({ ...versionRange(view.prefix, key), limit: 1 }))
    return readVersionRow(row.key, row.value)
  return undefined
}

/** The version `sequence` of a key, or its version "null", if it is not the current one. */
export function findVersion(view: VolumeView, key: Buffer, which: number | 'null'): VersionRow | undefined {
  const sequence = which === 'null' ? nullSequence(view, key) : which
  if (sequence === undefined) return undefined
  const slot = versionKey(view.prefix, key, sequence)
  const value = view.snapshot.get(slot)
  return value === undefined ? undefined : readVersionRow(slot, value)
}

function nullSequence(view: VolumeView, key: Buffer): number | undefined {
  const row = view.snapshot.get(nullVersionKey(view.prefix, key))
  return row === undefined ? undefined : readU64(row, 0)
}

/** Keeps what is current at `key` and about to be replaced or removed. True: the version has its contents now, and the
 *  caller must not discard them. */
export function setAside(t: VolumeTransaction, key: Buffer, record: InodeRecord): boolean {
  const { versioning } = t.policy
  const isNull = isNullVersion(record.object)
  if (versioning === 'off' || (versioning === 'suspended' && isNull)) return false
  // The record of a file of several names has one number for all of them.
  const newest = newestVersion(t, key)
  const known = sequenceOf(record.object)
  const sequence = newest === undefined || known > newest.sequence ? known : t.allocate()
  const object = encodeObjectPart({ ...decodeObjectPart(withFrozenTag(record)), sequence, isEdited: false })
  putVersion(t, key, { sequence, isNull, value: encodeRecord({ ...record, links: 1, hasXattrs: false, object }) })
  t.countFiles(1)
  t.countBytes(record.sizeBytes)
  return true
}

function putVersion(t: VolumeTransaction, key: Buffer, row: { sequence: number; isNull: boolean; value: Buffer }): void {
  if (row.isNull) {
    dropNullVersion(t, key)
    const pointer = Buffer.alloc(8)
    writeU64(pointer, row.sequence, 0)
    t.tx.put(nullVersionKey(t.prefix, key), pointer)
  }
  t.tx.put(versionKey(t.prefix, key, row.sequence), row.value)
}

/** There is one version "null" at most: a new one takes the place of the old. */
function dropNullVersion(t: VolumeTransaction, key: Buffer): void {
  const before = findVersion(t, key, 'null')
  if (before !== undefined) removeVersion(t, key, before)
}

/** The object part with the place among the versions that a new current version of `key` gets. */
export function stampObject(t: VolumeTransaction, key: Buffer, object: Buffer | undefined): Buffer | undefined {
  const { versioning } = t.policy
  if (versioning === 'off') return object
  if (versioning === 'suspended') dropNullVersion(t, key)
  const part = decodeObjectPart(object)
  return encodeObjectPart({ ...part, sequence: t.allocate(), isNull: versioning === 'suspended' })
}

/** Marks that there is nothing at `key` from now on. Gives the marker's row. */
export function markDeleted(t: VolumeTransaction, key: Buffer): VersionRow {
  const isNull = t.policy.versioning === 'suspended'
  const sequence = t.allocate()
  const marker = { isNull, timeNs: t.nowNs, owner: t.principal }
  putVersion(t, key, { sequence, isNull, value: encodeMarker(marker) })
  return { sequence, slot: versionKey(t.prefix, key, sequence), record: undefined, marker }
}

/** Removes a version for good. */
export function removeVersion(t: VolumeTransaction, key: Buffer, row: VersionRow): void {
  t.tx.delete(row.slot)
  if (isNullRow(row)) t.tx.delete(nullVersionKey(t.prefix, key))
  if (row.record === undefined) return
  discardContents(t, row.record)
  t.countFiles(-1)
  t.countBytes(-row.record.sizeBytes)
}

/** Takes a version out of the history to make it current again; its contents and their count go with it. */
export function takeVersion(t: VolumeTransaction, key: Buffer, row: VersionRow): void {
  t.tx.delete(row.slot)
  if (isNullRow(row)) t.tx.delete(nullVersionKey(t.prefix, key))
  if (row.record === undefined) return
  t.countFiles(-1)
  t.countBytes(-row.record.sizeBytes)
}

/** Whether any key has versions or markers. */
export function hasVersions(view: VolumeView): boolean {
  for (const _ of view.snapshot.range({ ...versionRange(view.prefix), limit: 1 })) return true
  return false
}
