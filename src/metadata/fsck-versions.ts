// Checks the versions of objects that are not current, and which of them is known as "null".

import { checkContents } from './fsck-contents.ts'
import { placeOfVersion, type Steps, tryDecodeRecord, type VolumeCheck } from './fsck-check.ts'
import {
  keyOfNullVersionKey,
  keyOfVersionKey,
  kindRange,
  KIND,
  nullVersionKey,
  readU64,
  sequenceOfVersionKey,
  versionKey,
  writeU64,
} from './keys.ts'
import { decodeObjectPart, encodeObjectPart, sequenceOf } from './object-part.ts'
import { encodeRecord, type InodeRecord } from './record.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'
import { isNullRow, tryReadVersionRow, type VersionRow } from './versions.ts'

/** The volume's prefix and kind, then at least a byte of a key, the byte behind it and the number. */
const KEY_BYTES_MIN = 9 + 1 + 9

export function* checkVersions(check: VolumeCheck): Steps {
  for (const { key: slot, value } of check.snapshot.range(kindRange(check.prefix, KIND.version))) {
    yield undefined
    const row = readRow(slot, value)
    if (row === undefined) {
      yield unreadable(check, slot)
      continue
    }
    check.seeId(row.sequence)
    if (isNullRow(row) && pointed(check, slot) !== row.sequence) yield* checkNull(check, row)
    if (row.record === undefined) continue
    check.count(row.record)
    if (sequenceOf(row.record.object) !== row.sequence) yield numberWrong(check, row)
    yield* checkContents(check, row.record, slot)
  }
  yield* checkPointers(check)
}

function readRow(slot: Buffer, value: Buffer): VersionRow | undefined {
  const row = slot.length < KEY_BYTES_MIN ? undefined : tryReadVersionRow(slot, value)
  return row === undefined || row.record === undefined || row.record.type === 'file' ? row : undefined
}

function unreadable(check: VolumeCheck, slot: Buffer) {
  return {
    problem: 'version-unreadable' as const,
    where: `${check.record.name}: version ${slot.toString('hex', 9)}`,
    detail: "the row of a version can't be read; it is removed",
    mend: check.mend((t) => {
      const value = t.tx.get(slot)
      if (value !== undefined && readRow(slot, value) === undefined) t.tx.delete(slot)
    }),
  }
}

function numberWrong(check: VolumeCheck, { slot, sequence }: VersionRow) {
  return {
    problem: 'version-number-wrong' as const,
    where: placeOfVersion(check, slot),
    detail: 'the record of a version has another number than its row; it gets that of the row',
    mend: check.mend((t) =>
      change(t, slot, (record) => {
        const object = encodeObjectPart({ ...decodeObjectPart(record.object), sequence })
        return { ...record, object }
      }),
    ),
  }
}

function change(t: VolumeTransaction, slot: Buffer, fn: (record: InodeRecord) => InodeRecord): void {
  const value = t.tx.get(slot)
  const record = value === undefined ? undefined : tryDecodeRecord(value)
  if (record !== undefined) t.tx.put(slot, encodeRecord(fn(record)))
}

/** The number that is said to be version "null" of the key of `slot`. */
function pointed(view: VolumeView, slot: Buffer): number | undefined {
  const pointer = view.snapshot.get(nullVersionKey(view.prefix, keyOfVersionKey(slot)))
  return pointer?.length === 8 ? readU64(pointer, 0) : undefined
}

/** A key has one version "null" at most: of two, the one that is pointed to stays it. */
function* checkNull(check: VolumeCheck, { slot, sequence }: VersionRow): Steps {
  yield {
    problem: 'version-null-wrong',
    where: placeOfVersion(check, slot),
    detail: 'nothing says that this is the version "null" of its key; it is said, or another one stays it',
    mend: check.mend((t) => {
      const value = t.tx.get(slot)
      const row = value === undefined ? undefined : readRow(slot, value)
      if (row === undefined || !isNullRow(row)) return
      const other = pointed(t, slot)
      const key = keyOfVersionKey(slot)
      if (other === undefined || !isNullAt(t, versionKey(t.prefix, key, other))) {
        const pointer = Buffer.alloc(8)
        writeU64(pointer, sequence, 0)
        t.tx.put(nullVersionKey(t.prefix, key), pointer)
      } else if (row.record === undefined) t.tx.delete(slot)
      else
        change(t, slot, (record) => {
          const object = encodeObjectPart({ ...decodeObjectPart(record.object), isNull: false })
          return { ...record, object }
        })
    }),
  }
}

function isNullAt(view: VolumeView, slot: Buffer): boolean {
  const value = view.snapshot.get(slot)
  const row = value === undefined ? undefined : readRow(slot, value)
  return row !== undefined && isNullRow(row)
}

function* checkPointers(check: VolumeCheck): Steps {
  for (const { key } of check.snapshot.range(kindRange(check.prefix, KIND.nullVersion))) {
    yield undefined
    if (isRight(check, key)) continue
    yield {
      problem: 'version-null-stray',
      where: `${check.record.name}: version "null" of ${JSON.stringify(keyOfNullVersionKey(key).toString())}`,
      detail: 'the row that says which version is "null" leads to none that is; it is removed',
      mend: check.mend((t) => {
        if (!isRight(t, key)) t.tx.delete(key)
      }),
    }
  }
}

function isRight(view: VolumeView, pointerKey: Buffer): boolean {
  const pointer = view.snapshot.get(pointerKey)
  if (pointer?.length !== 8) return false
  const slot = versionKey(view.prefix, keyOfNullVersionKey(pointerKey), readU64(pointer, 0))
  return sequenceOfVersionKey(slot) === readU64(pointer, 0) && isNullAt(view, slot)
}
