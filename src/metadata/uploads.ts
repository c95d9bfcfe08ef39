// Upload sessions: parts arrive in any order, hold references to their chunks, and become a file in one step. Nothing of
// a session shows in the namespace before its commit.

import { ShoalError } from '#foundation/errors.ts'
import type { UploadId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import type { Transaction } from '#kv/store.ts'
import type { NewContents } from './contents.ts'
import { type AttributeChanges, type Conditions, type FileWrite, type FileWritten, putFile } from './files.ts'
import { discardRows } from './garbage.ts'
import {
  contentBytes,
  extentKey,
  keyAfter,
  type KeyPrefix,
  kindRange,
  KIND,
  numberOfPartKey,
  offsetOfPartExtentKey,
  partExtentKey,
  partKey,
  readU64,
  uploadKey,
  uploadOfKey,
  writeU64,
} from './keys.ts'
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm, type ObjectChecksum } from './object-part.ts'
import { decodeExtent, encodeExtent, type Extent } from './record.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'

/** Amazon S3's limits for multipart uploads, which REST shares. */
export const MAX_PARTS = 10_000
export const MAX_PART_BYTES = 5 * 1024 ** 3

/** One transaction moves this many extents at most; a larger upload is prepared in several before it is published. */
const EXTENTS_PER_STEP = 1_000

export interface UploadSession {
  readonly path: Path
  readonly principal: string
  readonly startedNs: bigint
  readonly expiresNs: bigint
  readonly conditions?: Conditions
  readonly attributes?: AttributeChanges
  readonly createParents: boolean
  /** Sessions that a long streamed write opens for itself are not listed. */
  readonly hidden: boolean
  /** Of an S3 multipart upload. */
  readonly object?: UploadObject
  /** How far the commit of a large session has come. */
  readonly committing?: {
    readonly content: number
    readonly part: number
    readonly partOffset: number
    readonly fileOffset: number
    /** Not known of a session that an older release began to commit. */
    readonly storedBytes?: number
  }
}

export interface PartInfo {
  readonly number: number
  readonly sizeBytes: number
  readonly extents: number
  /** Of the part's bytes, where it was computed. */
  readonly sha256: Buffer | undefined
  /** Of a part that came by S3. */
  readonly object?: PartObject
}

/** What the object of a multipart upload shall have. */
export interface UploadObject {
  /** JSON of `ObjectProperties`. */
  readonly properties: string
  readonly checksum?: Pick<ObjectChecksum, 'algorithm' | 'type'>
}

/** What S3 knows of a part. */
export interface PartObject {
  readonly md5: Buffer
  readonly modifiedNs: bigint
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: Buffer }
}

export function beginUpload(t: VolumeTransaction, id: UploadId, session: UploadSession): void {
  t.tx.put(uploadKey(t.prefix, id), encodeSession(session))
}

export function findUpload(view: VolumeView, id: UploadId): UploadSession | undefined {
  const row = view.snapshot.get(uploadKey(view.prefix, id))
  return row === undefined ? undefined : decodeSession(row)
}

/** @throws UPLOAD_NOT_FOUND */
export function requireUpload(view: VolumeView, id: UploadId): UploadSession {
  const session = findUpload(view, id)
  if (session === undefined) {
    throw new ShoalError('UPLOAD_NOT_FOUND', `There is no upload "${id}": it was committed, aborted or has expired`, {
      details: { upload: id },
    })
  }
  return session
}

export function* listUploads(view: VolumeView, after?: UploadId): Generator<{ id: UploadId; session: UploadSession }> {
  const range = kindRange(view.prefix, KIND.upload)
  const start = after === undefined ? range.start : keyAfter(uploadKey(view.prefix, after))
  for (const { key, value } of view.snapshot.range({ ...range, start }))
    yield { id: uploadOfKey(key), session: decodeSession(value) }
}

export function listParts(view: VolumeView, id: UploadId): PartInfo[] {
  const range = kindRange(view.prefix, KIND.part, Buffer.from(id, 'hex'))
  return [...view.snapshot.range(range)].map(({ key, value }) => decodePart(numberOfPartKey(key), value))
}

/** Adds a part, in the place of the one of the same number. `extents` start at 0 within the part. */
export function putPart(
  t: VolumeTransaction,
  id: UploadId,
  part: { number: number; sizeBytes: number; sha256: Buffer | undefined; extents: readonly Extent[]; object?: PartObject },
): void {
  const session = requireUpload(t, id)
  if (session.committing !== undefined)
    throw new ShoalError('CONFLICT', `Upload "${id}" is being committed: no part can be added any more`)
  for (const extent of part.extents) t.retain(extent.chunk)
  removePartExtents(t, id, part.number)
  for (const extent of part.extents)
    t.tx.put(partExtentKey(t.prefix, id, { part: part.number, offset: extent.offset }), encodeExtent(extent))
  t.tx.put(partKey(t.prefix, id, part.number), encodePart({ ...part, extents: part.extents.length }))
}

function removePartExtents(t: VolumeTransaction, id: UploadId, part: number): void {
  for (const { key, extent } of [...partExtents(t, id, part)]) {
    t.tx.delete(key)
    t.release(extent.chunk)
  }
}

/** Takes a part away as if it had never been sent. */
export function removePart(t: VolumeTransaction, id: UploadId, part: number): void {
  removePartExtents(t, id, part)
  t.tx.delete(partKey(t.prefix, id, part))
}

function* partExtents(view: VolumeView, id: UploadId, part: number, from = 0): Generator<{ key: Buffer; extent: Extent }> {
  const start = partExtentKey(view.prefix, id, { part, offset: from })
  const end = partExtentKey(view.prefix, id, { part: part + 1, offset: 0 })
  for (const { key, value } of view.snapshot.range({ start, end }))
    yield { key, extent: decodeExtent(value, offsetOfPartExtentKey(key)) }
}

/** The extents of one part, from 0 on. */
export function extentsOfPart(view: VolumeView, id: UploadId, part: number): Extent[] {
  return [...partExtents(view, id, part)].map(({ extent }) => extent)
}

export interface CommitOptions extends Pick<FileWrite, 'object' | 'check' | 'besideDirectory'> {
  readonly sha256: Buffer | undefined
  /** What `sha256` was computed from. @throws CONFLICT when these are no longer the parts */
  readonly parts?: readonly PartInfo[]
  /** Takes none but `parts` into the file. */
  readonly isSelection?: boolean
}

/** Publishes the session's file. A session of many extents needs several calls, each a transaction of its own: until one
 *  answers with the file, nothing is visible, and the session can still be aborted. */
export function commitUploadStep(t: VolumeTransaction, id: UploadId, options: CommitOptions): FileWritten | 'more' {
  const session = requireUpload(t, id)
  const all = listParts(t, id)
  const selected = options.isSelection === true ? new Set(options.parts?.map(({ number }) => number)) : undefined
  const parts = selected === undefined ? all : all.filter(({ number }) => selected.has(number))
  if (options.parts !== undefined && !areSameParts(parts, options.parts)) {
    throw new ShoalError('CONFLICT', `Parts of upload "${id}" were sent while it was being committed: commit it again`, {
      details: { upload: id },
    })
  }
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
  const total = parts.reduce((sum, part) => sum + part.extents, 0)
  if (total > EXTENTS_PER_STEP) {
    const step = moveExtents(t, id, { session, parts })
    if (step === 'more') return 'more'
    for (const { number } of all) if (selected?.has(number) === false) removePart(t, id, number)
    const written = publish(t, { session, options, contents: { kind: 'stored', ...step, sizeBytes } })
    // The rows of the parts no longer own their chunks; the collector removes them.
    t.tx.delete(uploadKey(t.prefix, id))
    t.discard(Buffer.from(id, 'hex'), { ownsChunks: false })
    return written
  }
  const extents: Extent[] = []
  let fileOffset = 0
  for (const part of parts) {
    for (const { key, extent } of [...partExtents(t, id, part.number)]) {
      extents.push({ ...extent, offset: extent.offset + fileOffset })
      t.tx.delete(key)
    }
    t.tx.delete(partKey(t.prefix, id, part.number))
    fileOffset += part.sizeBytes
  }
  for (const { number } of all) if (selected?.has(number) === false) removePart(t, id, number)
  t.tx.delete(uploadKey(t.prefix, id))
  return publish(t, { session, options, contents: { kind: 'extents', extents, sizeBytes, counted: true } })
}

function areSameParts(a: readonly PartInfo[], b: readonly PartInfo[]): boolean {
  return (
    a.length === b.length &&
    a.every((part, at) => encodePart(part).equals(encodePart(b[at] as PartInfo)) && part.number === b[at]?.number)
  )
}

function publish(
  t: VolumeTransaction,
  { session, options, contents }: { session: UploadSession; options: CommitOptions; contents: NewContents },
): FileWritten {
  const { conditions, attributes, createParents, path } = session
  return putFile(t, path, {
    contents,
    sha256: options.sha256,
    createParents,
    ...(conditions === undefined ? {} : { conditions }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(options.besideDirectory === undefined ? {} : { besideDirectory: options.besideDirectory }),
    ...(options.check === undefined ? {} : { check: options.check }),
    object: options.object,
  })
}

function moveExtents(
  t: VolumeTransaction,
  id: UploadId,
  { session, parts }: { session: UploadSession; parts: PartInfo[] },
): 'more' | { content: number; occupiedBytes: number } {
  const progress = {
    ...(session.committing ?? {
      ...{ content: t.allocate(), part: parts[0]?.number ?? 0, partOffset: 0 },
      ...{ fileOffset: 0, storedBytes: 0 },
    }),
  }
  let budget = EXTENTS_PER_STEP
  for (const part of parts) {
    if (part.number < progress.part) continue
    if (part.number > progress.part) Object.assign(progress, { part: part.number, partOffset: 0 })
    for (const { extent } of partExtents(t, id, part.number, progress.partOffset)) {
      if (budget === 0) {
        t.tx.put(uploadKey(t.prefix, id), encodeSession({ ...session, committing: progress }))
        return 'more'
      }
      const offset = progress.fileOffset + extent.offset
      t.tx.put(extentKey(t.prefix, progress.content, offset), encodeExtent(extent))
      progress.partOffset = extent.offset + extent.length
      if (progress.storedBytes !== undefined) progress.storedBytes += extent.length
      budget -= 1
    }
    progress.fileOffset += part.sizeBytes
    // The next part starts afresh: its number is above this one's.
    progress.part = part.number + 1
    progress.partOffset = 0
  }
  return { content: progress.content, occupiedBytes: progress.storedBytes ?? progress.fileOffset }
}

/** Ends a session without a file; the collector lets go of its chunks. @throws UPLOAD_NOT_FOUND */
export function abortUpload(t: VolumeTransaction, id: UploadId): void {
  const session = requireUpload(t, id)
  if (session.committing !== undefined) discardPrepared(t.tx, t.prefix, { content: session.committing.content, nowMs: t.nowMs })
  t.tx.delete(uploadKey(t.prefix, id))
  t.discard(Buffer.from(id, 'hex'))
}

/** Rows prepared for a file that is not to be: they own no chunks yet, so they just go. */
export function discardPrepared(
  tx: Transaction,
  prefix: KeyPrefix,
  { content, nowMs }: { content: number; nowMs: number },
): void {
  discardRows(tx, { prefix, what: contentBytes(content), nowMs, ownsChunks: false })
}

function encodeSession(session: UploadSession): Buffer {
  return Buffer.from(JSON.stringify(session, (_, value: unknown) => (typeof value === 'bigint' ? { ns: String(value) } : value)))
}

function decodeSession(bytes: Buffer): UploadSession {
  return JSON.parse(bytes.toString('utf8'), (_, value: unknown) => (isNs(value) ? BigInt(value.ns) : value)) as UploadSession
}

/** The session in a row, or `undefined` for bytes that are none. */
export function tryDecodeSession(bytes: Buffer): UploadSession | undefined {
  try {
    const session: Partial<UploadSession> = decodeSession(bytes)
    return Array.isArray(session.path) && typeof session.expiresNs === 'bigint' ? (session as UploadSession) : undefined
  } catch {
    return undefined
  }
}

function isNs(value: unknown): value is { ns: string } {
  return typeof value === 'object' && value !== null && 'ns' in value && Object.keys(value).length === 1
}

const PART_BYTES = 12
const DIGESTED_PART_BYTES = PART_BYTES + 32
/** With an MD5, a time and a checksum behind the digest, which is zeros where it isn't known. */
const OBJECT_PART_BYTES = DIGESTED_PART_BYTES + 16 + 8 + 1
const UNKNOWN_DIGEST = Buffer.alloc(32)

function encodePart(part: PartInfo): Buffer {
  const { sha256, object } = part
  const bareBytes = sha256 === undefined ? PART_BYTES : DIGESTED_PART_BYTES
  const checksum = object?.checksum
  const lengthBytes = object === undefined ? bareBytes : OBJECT_PART_BYTES + (checksum?.value.length ?? 0)
  const bytes = Buffer.alloc(lengthBytes)
  writeU64(bytes, part.sizeBytes, 0)
  bytes.writeUInt32BE(part.extents, 8)
  sha256?.copy(bytes, PART_BYTES)
  if (object === undefined) return bytes
  object.md5.copy(bytes, DIGESTED_PART_BYTES)
  bytes.writeBigInt64BE(object.modifiedNs, DIGESTED_PART_BYTES + 16)
  if (checksum === undefined) return bytes
  bytes[OBJECT_PART_BYTES - 1] = 1 + CHECKSUM_ALGORITHMS.indexOf(checksum.algorithm)
  checksum.value.copy(bytes, OBJECT_PART_BYTES)
  return bytes
}

export function decodePart(number: number, bytes: Buffer): PartInfo {
  const digest = bytes.length < DIGESTED_PART_BYTES ? undefined : bytes.subarray(PART_BYTES, DIGESTED_PART_BYTES)
  const isKnown = digest !== undefined && !(bytes.length >= OBJECT_PART_BYTES && digest.equals(UNKNOWN_DIGEST))
  return {
    number,
    sizeBytes: readU64(bytes, 0),
    extents: bytes.readUInt32BE(8),
    sha256: isKnown ? digest : undefined,
    ...(bytes.length < OBJECT_PART_BYTES ? {} : { object: decodePartObject(bytes) }),
  }
}

function decodePartObject(bytes: Buffer): PartObject {
  const algorithm = CHECKSUM_ALGORITHMS[(bytes[OBJECT_PART_BYTES - 1] as number) - 1]
  return {
    md5: bytes.subarray(DIGESTED_PART_BYTES, DIGESTED_PART_BYTES + 16),
    modifiedNs: bytes.readBigInt64BE(DIGESTED_PART_BYTES + 16),
    ...(algorithm === undefined ? {} : { checksum: { algorithm, value: bytes.subarray(OBJECT_PART_BYTES) } }),
  }
}
