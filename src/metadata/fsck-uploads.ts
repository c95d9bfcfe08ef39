// Checks upload sessions and their parts.

import type { UploadId } from '#foundation/ids.ts'
import { discardedKey, type Finding, type Steps, type VolumeCheck } from './fsck-check.ts'
import {
  contentBytes,
  kindRange,
  KIND,
  numberOfPartKey,
  offsetOfPartExtentKey,
  partExtentKey,
  partKey,
  uploadKey,
  uploadOfKey,
} from './keys.ts'
import { decodeExtent, EXTENT_BYTES } from './record.ts'
import type { VolumeTransaction } from './transaction.ts'
import { decodePart, type PartInfo, removePart, tryDecodeSession, type UploadSession } from './uploads.ts'

/** The bytes of an upload's id. */
const idOf = (upload: UploadId): Buffer => Buffer.from(upload, 'hex')

export function* checkUploads(check: VolumeCheck): Steps {
  for (const { key, value } of check.snapshot.range(kindRange(check.prefix, KIND.upload))) {
    yield undefined
    const upload = uploadOfKey(key)
    const where = placeOfUpload(check, upload)
    const session = tryDecodeSession(value)
    if (session === undefined) {
      yield {
        problem: 'upload-unreadable',
        where,
        detail: "the session can't be read; it is ended",
        mend: check.mend((t) => {
          const now = t.tx.get(key)
          if (now === undefined || tryDecodeSession(now) !== undefined) return
          t.tx.delete(key)
          t.discard(idOf(upload))
        }),
      }
      continue
    }
    if (session.committing !== undefined) check.seeId(session.committing.content)
    yield* checkDiscarded(check, upload, session)
  }
  yield* checkParts(check)
}

function placeOfUpload(check: VolumeCheck, upload: UploadId): string {
  return `${check.record.name}: upload ${upload}`
}

/** Neither a session nor what its commit has prepared can be on the garbage list while the session lasts. */
function* checkDiscarded(check: VolumeCheck, upload: UploadId, session: UploadSession): Steps {
  const { committing } = session
  for (const what of [idOf(upload), ...(committing === undefined ? [] : [contentBytes(committing.content)])]) {
    const discarded = check.discarded.rows.get(discardedKey(check.prefix, what))
    if (discarded === undefined) continue
    yield {
      problem: 'discarded-in-use',
      where: placeOfUpload(check, upload),
      detail: 'it is still open and on the garbage list; it is taken off it',
      mend: (repair) => {
        if (repair.tx.get(uploadKey(check.prefix, upload)) !== undefined) repair.tx.delete(discarded)
      },
    }
  }
}

/** Parts and their extents are two ranges of the same order: they are walked side by side. */
function* checkParts(check: VolumeCheck): Steps {
  const parts = check.snapshot.range(kindRange(check.prefix, KIND.part))
  const extents = check.snapshot.range(kindRange(check.prefix, KIND.partExtent))
  let part = parts.next()
  let extent = extents.next()
  let reported: UploadId | undefined
  while (part.done !== true || extent.done !== true) {
    yield undefined
    const partAt = part.done === true ? undefined : placeOfRow(part.value.key)
    const extentAt = extent.done === true ? undefined : placeOfRow(extent.value.key)
    const at = firstOf(partAt, extentAt)
    const tally = { count: 0, end: 0, isGapless: true }
    while (extent.done !== true && isSame(placeOfRow(extent.value.key), at)) {
      const { key, value } = extent.value
      if (value.length === EXTENT_BYTES) {
        const { offset, length } = decodeExtent(value, offsetOfPartExtentKey(key))
        tally.isGapless &&= offset === tally.end && length > 0
        tally.end = offset + length
      }
      tally.count += 1
      yield undefined
      extent = extents.next()
    }
    const info = part.done !== true && isSame(partAt, at) ? decodePart(at.part, part.value.value) : undefined
    if (part.done !== true && isSame(partAt, at)) part = parts.next()
    const finding = judgePart(check, at, { info, tally, isReported: reported === at.upload })
    if (finding !== undefined) yield finding
    if (finding?.problem === 'part-stray') reported = at.upload
  }
}

interface PartPlace {
  readonly upload: UploadId
  readonly part: number
}

const placeOfRow = (key: Buffer): PartPlace => ({ upload: uploadOfKey(key), part: numberOfPartKey(key) })

function isSame(a: PartPlace | undefined, b: PartPlace): boolean {
  return a !== undefined && a.upload === b.upload && a.part === b.part
}

function firstOf(a: PartPlace | undefined, b: PartPlace | undefined): PartPlace {
  if (a === undefined || b === undefined) return (a ?? b) as PartPlace
  return b.upload < a.upload || (b.upload === a.upload && b.part < a.part) ? b : a
}

interface PartRows {
  readonly info: PartInfo | undefined
  readonly tally: { readonly count: number; readonly end: number; readonly isGapless: boolean }
  readonly isReported: boolean
}

function judgePart(check: VolumeCheck, at: PartPlace, { info, tally, isReported }: PartRows): Finding | undefined {
  const { upload, part } = at
  if (check.discarded.rows.has(discardedKey(check.prefix, idOf(upload)))) return undefined
  const row = check.snapshot.get(uploadKey(check.prefix, upload))
  if (row === undefined) return isReported ? undefined : strayPart(check, at)
  const session = tryDecodeSession(row)
  const isRight = info !== undefined && info.extents === tally.count && info.sizeBytes === tally.end && tally.isGapless
  if (isRight || session === undefined) return undefined
  return {
    problem: 'part-wrong',
    where: `${placeOfUpload(check, upload)}, part ${part}`,
    detail:
      info === undefined
        ? `${tally.count} extents belong to no part; they are removed`
        : `the part of ${info.sizeBytes} bytes in ${info.extents} extents has ${tally.count} that end at ${tally.end}; it is removed and must be sent again`,
    ...(session.committing === undefined ? { mend: check.mend((t) => dropPart(t, at)) } : {}),
  }
}

function strayPart(check: VolumeCheck, { upload }: PartPlace): Finding {
  return {
    problem: 'part-stray',
    where: placeOfUpload(check, upload),
    detail: "parts of an upload that doesn't exist; they go onto the garbage list",
    mend: check.mend((t) => {
      if (t.tx.get(uploadKey(t.prefix, upload)) !== undefined) return
      t.discard(idOf(upload))
    }),
  }
}

/** Removes the part unless it has been sent again. */
function dropPart(t: VolumeTransaction, { upload, part }: PartPlace): void {
  const row = t.tx.get(partKey(t.prefix, upload, part))
  const info = row === undefined ? undefined : decodePart(part, row)
  let end = 0
  let count = 0
  let isGapless = true
  const start = partExtentKey(t.prefix, upload, { part, offset: 0 })
  for (const { key, value } of t.tx.range({ start, end: partExtentKey(t.prefix, upload, { part: part + 1, offset: 0 }) })) {
    const { offset, length } = decodeExtent(value, offsetOfPartExtentKey(key))
    isGapless &&= offset === end
    end = offset + length
    count += 1
  }
  if (info !== undefined && info.extents === count && info.sizeBytes === end && isGapless) return
  removePart(t, upload, part)
}
