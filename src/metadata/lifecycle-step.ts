// The versions of a key for lifecycle rules, and what these do to them.

import type { InodeRecord } from './record.ts'
import { isShoalError } from '#foundation/errors.ts'
import { findObject, nameOfRecord, nameOfRow, removeObject, requireKeyBytes, type VersionName } from './objects.ts'
import { isNullVersion, readProperties, refuseHeld } from './object-part.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'
import { versionsOf } from './versions.ts'

export interface KeyVersion {
  readonly name: VersionName
  readonly createdMs: number
  /** `undefined` for a delete marker. */
  readonly record: InodeRecord | undefined
}

/** Newest first; the current one is the first. */
export function versionsOfKey(view: VolumeView, key: string): KeyVersion[] {
  const current = findObject(view, key)?.record
  const found: KeyVersion[] = current === undefined ? [] : [describe(nameOfRecord(current), current)]
  for (const row of versionsOf(view, requireKeyBytes(key))) {
    if (row.record !== undefined) found.push(describe(nameOfRow(row), row.record))
    else found.push({ name: nameOfRow(row), createdMs: toMs(row.marker?.timeNs ?? 0n), record: undefined })
  }
  return found
}

/** Doors can set a file's mtime to long ago: it has been here only since it was made. */
function describe(name: VersionName, record: InodeRecord): KeyVersion {
  const { mtimeNs, btimeNs } = record
  return { name, createdMs: toMs(mtimeNs > btimeNs ? mtimeNs : btimeNs), record }
}

const toMs = (timeNs: bigint): number => Number(timeNs / 1_000_000n)

export const tagsOfRecord = (record: InodeRecord): readonly (readonly [key: string, value: string])[] =>
  readProperties(record.object).tags ?? []

/** Removes a version, or the current one as its owner would. False if a legal hold or a retention keeps it. */
export function letGo(t: VolumeTransaction, key: string, version: KeyVersion | 'current'): boolean {
  const record = version === 'current' ? findObject(t, key)?.record : version.record
  const { versioning } = t.policy
  const isKept =
    version === 'current' && (versioning === 'enabled' || (versioning === 'suspended' && !isNullVersion(record?.object)))
  if (!isKept && isHeld(record, t.nowMs)) return false
  removeObject(t, key, version === 'current' ? {} : { version: version.name })
  return true
}

function isHeld(record: InodeRecord | undefined, nowMs: number): boolean {
  try {
    refuseHeld(record?.object, nowMs)
    return false
  } catch (error) {
    if (isShoalError(error, 'NOT_PERMITTED')) return true
    throw error
  }
}
