// What S3 knows of a file beside its inode: the last part of its record, in files that have it (docs/formats/metadata.md).
// It stays as bytes until somebody asks, since a listing of a million needs little of it.

import { ShoalError } from '#foundation/errors.ts'
import type { Attributes } from './attributes.ts'
import { readU64, writeU64 } from './keys.ts'

export const CHECKSUM_ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number]

export interface ObjectChecksum {
  readonly algorithm: ChecksumAlgorithm
  /** `FULL_OBJECT`: of all bytes. `COMPOSITE`: of the checksums of the parts. */
  readonly type: 'FULL_OBJECT' | 'COMPOSITE'
  /** Base64, without the number of parts. */
  readonly value: string
  /** Those of the parts one after another, where they were sent: base64 of all. */
  readonly parts?: string
}

/** Kept as JSON; what is absent wasn't given. Text as it came in the header. */
export interface ObjectProperties {
  readonly contentType?: string
  readonly cacheControl?: string
  readonly contentDisposition?: string
  readonly contentEncoding?: string
  readonly contentLanguage?: string
  readonly expires?: string
  readonly redirect?: string
  /** User metadata: names in lower case, without `x-amz-meta-`. */
  readonly metadata?: Readonly<Record<string, string>>
  readonly tags?: readonly (readonly [key: string, value: string])[]
  readonly storageClass?: string
  readonly checksum?: ObjectChecksum
  /** Sizes of the parts that it was uploaded in, as runs: how many, and how long each. */
  readonly partSizes?: readonly (readonly [count: number, sizeBytes: number])[]
  /** The upload that made it: who completes it once more gets the same answer. */
  readonly upload?: string
  readonly retention?: { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly untilMs: number }
  readonly legalHold?: boolean
  /** Who wrote it. */
  readonly owner?: string
  /** Kept for the S3 door as it was given. */
  readonly acl?: unknown
  /** Its chunks are encrypted: `src/volume/content-cipher.ts`. */
  readonly encryption?: ObjectEncryption
}

export interface ObjectEncryption {
  /** Whose key seals the key of the contents: the node's own, or one that its client brings each time. */
  readonly kind: 'node' | 'customer'
  /** The sealed key, in base64. */
  readonly key: string
}

/** An object part, taken apart. */
export interface ObjectPart {
  /** The order among the versions of its key: later ones are greater. 0 for what is older than the volume's versioning. */
  readonly sequence: number
  /** Known as version `null`. */
  readonly isNull: boolean
  /** 16 bytes: the MD5 of the contents, or of the MD5s of its parts if `parts` is not 0. */
  readonly md5: Buffer | undefined
  readonly parts: number
  /** A tag that is no MD5, of contents whose own would change with the record's place. */
  readonly frozenTag: Buffer | undefined
  /** JSON of `ObjectProperties`; empty if there are none. */
  readonly properties: Buffer
  readonly isHeld: boolean
  readonly hasStorageClass: boolean
  readonly isEncrypted: boolean
  /** Parts of its contents have been changed in place since a version of it was kept. */
  readonly isEdited: boolean
}

const HEAD_BYTES = 16
const TAG_BYTES = 16
const NOTHING = Buffer.alloc(0)

const FLAG_TAG = 0x01
const FLAG_MD5 = 0x02
const FLAG_NULL = 0x04
const FLAG_HELD = 0x08
const FLAG_STORAGE_CLASS = 0x10
const FLAG_ENCRYPTED = 0x20
const FLAG_EDITED = 0x40

export const NO_OBJECT_PART: ObjectPart = {
  sequence: 0,
  isNull: true,
  md5: undefined,
  parts: 0,
  frozenTag: undefined,
  properties: NOTHING,
  isHeld: false,
  hasStorageClass: false,
  isEncrypted: false,
  isEdited: false,
}

export function encodeObjectPart(part: ObjectPart): Buffer {
  const tag = part.md5 ?? part.frozenTag
  const start = HEAD_BYTES + (tag === undefined ? 0 : TAG_BYTES)
  const bytes = Buffer.allocUnsafe(start + part.properties.length)
  bytes[0] =
    (tag === undefined ? 0 : FLAG_TAG) |
    (part.md5 === undefined ? 0 : FLAG_MD5) |
    (part.isNull ? FLAG_NULL : 0) |
    (part.isHeld ? FLAG_HELD : 0) |
    (part.hasStorageClass ? FLAG_STORAGE_CLASS : 0) |
    (part.isEncrypted ? FLAG_ENCRYPTED : 0) |
    (part.isEdited ? FLAG_EDITED : 0)
  bytes[1] = 0
  bytes.writeUInt16BE(part.parts, 2)
  bytes.writeUInt32BE(part.properties.length, 4)
  writeU64(bytes, part.sequence, 8)
  tag?.copy(bytes, HEAD_BYTES, 0, TAG_BYTES)
  part.properties.copy(bytes, start)
  return bytes
}

/** Whether `bytes` are exactly one object part. */
export function isObjectPart(bytes: Buffer): boolean {
  if (bytes.length < HEAD_BYTES) return false
  return bytes.length === propertiesAt(bytes) + bytes.readUInt32BE(4)
}

export function decodeObjectPart(bytes: Buffer | undefined): ObjectPart {
  if (bytes === undefined) return NO_OBJECT_PART
  const tag = hasFlag(bytes, FLAG_TAG) ? bytes.subarray(HEAD_BYTES, HEAD_BYTES + TAG_BYTES) : undefined
  const isMd5 = hasFlag(bytes, FLAG_MD5)
  return {
    sequence: sequenceOf(bytes),
    isNull: hasFlag(bytes, FLAG_NULL),
    md5: isMd5 ? tag : undefined,
    parts: bytes.readUInt16BE(2),
    frozenTag: isMd5 ? undefined : tag,
    properties: bytes.subarray(propertiesAt(bytes)),
    isHeld: hasFlag(bytes, FLAG_HELD),
    hasStorageClass: hasFlag(bytes, FLAG_STORAGE_CLASS),
    isEncrypted: hasFlag(bytes, FLAG_ENCRYPTED),
    isEdited: hasFlag(bytes, FLAG_EDITED),
  }
}

function propertiesAt(bytes: Buffer): number {
  return HEAD_BYTES + (hasFlag(bytes, FLAG_TAG) ? TAG_BYTES : 0)
}

function hasFlag(bytes: Buffer, flag: number): boolean {
  return ((bytes[0] as number) & flag) !== 0
}

export const sequenceOf = (bytes: Buffer | undefined): number => (bytes === undefined ? 0 : readU64(bytes, 8))
export const isNullVersion = (bytes: Buffer | undefined): boolean => bytes === undefined || hasFlag(bytes, FLAG_NULL)
export const isEdited = (bytes: Buffer | undefined): boolean => bytes !== undefined && hasFlag(bytes, FLAG_EDITED)
export const hasStorageClass = (bytes: Buffer | undefined): boolean => bytes !== undefined && hasFlag(bytes, FLAG_STORAGE_CLASS)

export interface Tagged extends Pick<Attributes, 'inode' | 'version' | 'sha256'> {
  readonly object?: Buffer | undefined
}

/** The entity tag as S3 has it, without quotes: 32 hexadecimal digits of an MD5, then a dash and the number of parts for
 *  what was uploaded in parts. What other doors have written has digits of its SHA-256, or of its inode and version, and
 *  "-0" behind them, so that no client takes them for an MD5. */
export function objectTag(record: Tagged): string {
  const { object } = record
  if (object !== undefined && hasFlag(object, FLAG_TAG)) {
    const digits = object.toString('hex', HEAD_BYTES, HEAD_BYTES + TAG_BYTES)
    if (!hasFlag(object, FLAG_MD5)) return `${digits}-0`
    const parts = object.readUInt16BE(2)
    return parts === 0 ? digits : `${digits}-${parts}`
  }
  return `${ownTag(record).toString('hex')}-0`
}

/** Of contents without an MD5. */
function ownTag({ sha256, inode, version }: Tagged): Buffer {
  if (sha256 !== undefined) return sha256.subarray(0, TAG_BYTES)
  const tag = Buffer.alloc(TAG_BYTES)
  writeU64(tag, inode, 0)
  writeU64(tag, version, 8)
  return tag
}

export function encodeProperties(properties: ObjectProperties): Buffer {
  const text = JSON.stringify(properties)
  return text === '{}' ? NOTHING : Buffer.from(text)
}

export function readProperties(bytes: Buffer | undefined): ObjectProperties {
  if (bytes === undefined) return {}
  const at = propertiesAt(bytes)
  if (at === bytes.length) return {}
  try {
    return JSON.parse(bytes.toString('utf8', at)) as ObjectProperties
  } catch (cause) {
    throw new ShoalError('CORRUPT', 'The S3 properties of a file can\'t be read: run "shoal fsck"', { cause })
  }
}

/** `part` with other properties. */
export function withProperties(part: ObjectPart, properties: ObjectProperties): ObjectPart {
  return {
    ...part,
    properties: encodeProperties(properties),
    isHeld: properties.retention !== undefined || properties.legalHold === true,
    hasStorageClass: properties.storageClass !== undefined,
    isEncrypted: properties.encryption !== undefined,
  }
}

/** The part when a door that knows nothing of S3 has written into the contents: what was computed from them goes. */
export function withoutDigests(bytes: Buffer | undefined): Buffer | undefined {
  if (bytes === undefined) return undefined
  const part = decodeObjectPart(bytes)
  const { checksum: _checksum, partSizes: _sizes, upload: _upload, ...kept } = readProperties(bytes)
  const bare = { ...withProperties(part, kept), md5: undefined, frozenTag: undefined, parts: 0 }
  return isBare(bare) ? undefined : encodeObjectPart(bare)
}

function isBare(part: ObjectPart): boolean {
  return part.sequence === 0 && part.isNull && part.properties.length === 0 && part.md5 === undefined
}

/** How a file's chunks are encrypted; `undefined` if they aren't. */
export function encryptionOf(object: Buffer | undefined): ObjectEncryption | undefined {
  return object !== undefined && hasFlag(object, FLAG_ENCRYPTED) ? readProperties(object).encryption : undefined
}

/** For changes that know nothing of encryption. @throws NOT_PERMITTED for a file whose chunks are encrypted */
export function refuseEncrypted(object: Buffer | undefined): void {
  if (object === undefined || !hasFlag(object, FLAG_ENCRYPTED)) return
  throw new ShoalError(
    'NOT_PERMITTED',
    'The file is encrypted: a part of it can neither be changed nor copied from. Write or copy it whole',
  )
}

/** The part of a copy that another door makes: all but what is of the one file and version. */
export function copiedPart(object: Buffer | undefined): Buffer | undefined {
  if (object === undefined) return undefined
  const { md5, frozenTag, parts } = decodeObjectPart(object)
  const { upload: _upload, retention: _retention, legalHold: _hold, owner: _owner, acl: _acl, ...kept } = readProperties(object)
  const part = withProperties({ ...NO_OBJECT_PART, md5, frozenTag, parts }, kept)
  return isBare(part) ? undefined : encodeObjectPart(part)
}

/** `bypass` passes a retention in governance mode by. @throws NOT_PERMITTED for a version under legal hold or retention */
export function refuseHeld(object: Buffer | undefined, nowMs: number, bypass = false): void {
  if (object === undefined || !hasFlag(object, FLAG_HELD)) return
  const { legalHold, retention } = readProperties(object)
  const isRetained = retention !== undefined && retention.untilMs > nowMs && !(bypass && retention.mode === 'GOVERNANCE')
  if (legalHold !== true && !isRetained) return
  throw new ShoalError(
    'NOT_PERMITTED',
    'The file is under a legal hold or a retention period: it can neither be changed nor removed',
  )
}

/** The part with a tag that no longer depends on inode and version. */
export function withFrozenTag(record: Tagged): Buffer {
  const part = decodeObjectPart(record.object)
  if (part.md5 !== undefined || part.frozenTag !== undefined || record.sha256 !== undefined) return encodeObjectPart(part)
  return encodeObjectPart({ ...part, frozenTag: ownTag(record) })
}
