// Before a part of a file's contents changes: on a volume with versioning the first change since they were written as a
// whole keeps them as a version. Further ones change what is current now in place, until it is replaced as a whole.

import type { Located } from './inodes.ts'
import {
  decodeObjectPart,
  encodeObjectPart,
  isEdited,
  readProperties,
  refuseEncrypted,
  refuseHeld,
  withoutDigests,
  withProperties,
} from './object-part.ts'
import type { VolumeTransaction } from './transaction.ts'
import { keyOfEntry, setAside, stampObject } from './versions.ts'

/** Whether the contents must stay as they are, since a version will have them. */
export function isKeptByEdit(t: VolumeTransaction, { record, entry }: Located): boolean {
  const isWhole = record.type === 'file' && record.sizeBytes > 0 && record.links === 1 && !isEdited(record.object)
  return isWhole && entry !== undefined && t.policy.versioning === 'enabled' && keyOfEntry(t, entry) !== undefined
}

export interface Edit {
  /** The contents belong to a version now: the caller must neither change nor discard them. */
  readonly isSetAside: boolean
  /** What S3 knows of the file from now on. */
  readonly object: Buffer | undefined
}

/** @throws NOT_PERMITTED for contents on hold that no version can keep, UNSUPPORTED for encrypted ones */
export function beginEdit(t: VolumeTransaction, located: Located): Edit {
  const { record, entry } = located
  refuseEncrypted(record.object)
  const key = isKeptByEdit(t, located) && entry !== undefined ? keyOfEntry(t, entry) : undefined
  const object = withoutDigests(record.object)
  if (key === undefined) {
    refuseHeld(record.object, t.nowMs)
    return { isSetAside: false, object: t.policy.versioning === 'enabled' ? edited(object) : object }
  }
  setAside(t, key, record)
  return { isSetAside: true, object: edited(stampObject(t, key, released(object))) }
}

/** Holds are of the version that they were put on. */
function released(object: Buffer | undefined): Buffer | undefined {
  const { retention, legalHold, ...properties } = readProperties(object)
  if (retention === undefined && legalHold === undefined) return object
  return encodeObjectPart(withProperties(decodeObjectPart(object), properties))
}

function edited(object: Buffer | undefined): Buffer | undefined {
  return object === undefined ? undefined : encodeObjectPart({ ...decodeObjectPart(object), isEdited: true })
}
