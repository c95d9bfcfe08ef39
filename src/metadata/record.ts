// The inode record and the extent, as bytes: docs/formats/metadata.md.

import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, InodeId } from '#foundation/ids.ts'
import { type Attributes, FILE_TYPES, type FileType } from './attributes.ts'
import { readU64, writeU64 } from './keys.ts'
import { isObjectPart } from './object-part.ts'
import { NOTHING_RESERVED, readRoom, readRoomLength, roomLength, type Span, writeRoom } from './room.ts'

/** `length` bytes of a file from `offset` on are the bytes of `chunk` from `chunkOffset` on. */
export interface Extent {
  readonly offset: number
  readonly length: number
  readonly chunk: ChunkId
  readonly chunkOffset: number
}

/** Where the contents are: nowhere (empty, or one large hole), in one row beside the inode, in the record itself, or in
 *  rows of their own. */
export type ContentForm = 'none' | 'inline' | 'embedded' | 'table'

export interface InodeRecord extends Attributes {
  /** Names the rows that hold the contents; replacing a file's contents gives it a new one. 0 when there are none. */
  readonly content: number
  readonly form: ContentForm
  /** The extents in ascending order of offset, when `form` is `embedded`. */
  readonly extents: readonly Extent[]
  /** Of a table that was made before this was counted: as much as the length. */
  readonly occupiedBytes: number
  /** What is set aside, whether or not something is stored there; ascending and apart. */
  readonly reserved: readonly Span[]
  readonly hasXattrs: boolean
  /** Of a directory: S3 made it for the key of an object, and it goes with the last of them. */
  readonly isImplicit?: boolean
  /** What S3 knows of the file, as `object-part.ts` reads it. */
  readonly object?: Buffer | undefined
}

/** What a listing shows of a file. */
export type Listed = Pick<InodeRecord, 'inode' | 'type' | 'sizeBytes' | 'mtimeNs' | 'version' | 'sha256' | 'object'>

export const MAX_INLINE_BYTES = 4096
export const MAX_EMBEDDED_EXTENTS = 4

const RECORD_FORMAT = 1
const LINK_FORMAT = 2
const POINTER_FORMAT = 3
const FIXED_BYTES = 88
const DIGEST_BYTES = 32
export const EXTENT_BYTES = 40
const FORMS: readonly ContentForm[] = ['none', 'inline', 'embedded', 'table']
const NO_EXTENTS: readonly Extent[] = []

const FLAG_ROOM = 0x04
const FLAG_DIGEST = 0x10
const FLAG_XATTRS = 0x20
const FLAG_OBJECT = 0x40
const FLAG_IMPLICIT = 0x80

export function encodeRecord(record: InodeRecord): Buffer {
  const { sha256, extents, object } = record
  assert(extents.length <= MAX_EMBEDDED_EXTENTS, 'A record embeds four extents at most')
  const hasRoom = !isRoomPlain(record)
  const extentBytes = extents.length * (8 + EXTENT_BYTES)
  const roomBytes = hasRoom ? roomLength(record) : 0
  const lengthBytes = FIXED_BYTES + (sha256 === undefined ? 0 : DIGEST_BYTES) + extentBytes + roomBytes
  const bytes = Buffer.allocUnsafe(lengthBytes + (object === undefined ? 0 : object.length))
  bytes[0] = RECORD_FORMAT
  bytes[1] = FILE_TYPES.indexOf(record.type)
  bytes.writeUInt16BE(record.mode, 2)
  bytes.writeUInt32BE(record.uid, 4)
  bytes.writeUInt32BE(record.gid, 8)
  bytes.writeUInt32BE(record.links, 12)
  writeU64(bytes, record.inode, 16)
  writeU64(bytes, record.sizeBytes, 24)
  // A Buffer's own methods put a bigint together from two numbers, which takes ten times as long.
  const view = new DataView(bytes.buffer, bytes.byteOffset, FIXED_BYTES)
  view.setBigInt64(32, record.atimeNs)
  view.setBigInt64(40, record.mtimeNs)
  view.setBigInt64(48, record.ctimeNs)
  view.setBigInt64(56, record.btimeNs)
  writeU64(bytes, record.version, 64)
  bytes.writeUInt32BE(record.rdev, 72)
  bytes[76] =
    FORMS.indexOf(record.form) |
    (hasRoom ? FLAG_ROOM : 0) |
    (sha256 === undefined ? 0 : FLAG_DIGEST) |
    (record.hasXattrs ? FLAG_XATTRS : 0) |
    (object === undefined ? 0 : FLAG_OBJECT) |
    (record.isImplicit === true ? FLAG_IMPLICIT : 0)
  bytes[77] = extents.length
  bytes.writeUInt16BE(0, 78)
  writeU64(bytes, record.content, 80)
  let at = FIXED_BYTES
  if (sha256 !== undefined) at += sha256.copy(bytes, at)
  for (const extent of extents) {
    writeU64(bytes, extent.offset, at)
    writeExtent(bytes, extent, at + 8)
    at += 8 + EXTENT_BYTES
  }
  if (hasRoom) writeRoom(bytes, record, at)
  object?.copy(bytes, lengthBytes)
  return bytes
}

export function decodeRecord(bytes: Buffer): InodeRecord {
  const object = objectOf(bytes)
  if (!isWhole(bytes, object)) throw corruptRecord(bytes)
  const flags = bytes[76] as number
  const hasDigest = (flags & FLAG_DIGEST) !== 0
  const count = bytes[77] as number
  const view = new DataView(bytes.buffer, bytes.byteOffset, FIXED_BYTES)
  const form = FORMS[flags & 3] as ContentForm
  const sizeBytes = readU64(bytes, 24)
  const extents = count === 0 ? NO_EXTENTS : decodeEmbedded(bytes, { at: FIXED_BYTES + (hasDigest ? DIGEST_BYTES : 0), count })
  const room = (flags & FLAG_ROOM) === 0 ? undefined : readRoom(bytes, roomOffset(bytes))
  return {
    inode: readU64(bytes, 16) as InodeId,
    type: FILE_TYPES[bytes[1] as number] ?? failType(bytes),
    mode: bytes.readUInt16BE(2),
    uid: bytes.readUInt32BE(4),
    gid: bytes.readUInt32BE(8),
    links: bytes.readUInt32BE(12),
    sizeBytes,
    atimeNs: view.getBigInt64(32),
    mtimeNs: view.getBigInt64(40),
    ctimeNs: view.getBigInt64(48),
    btimeNs: view.getBigInt64(56),
    rdev: bytes.readUInt32BE(72),
    version: readU64(bytes, 64),
    sha256: hasDigest ? bytes.subarray(FIXED_BYTES, FIXED_BYTES + DIGEST_BYTES) : undefined,
    content: readU64(bytes, 80),
    form,
    extents,
    occupiedBytes: room?.occupiedBytes ?? plainRoom({ form, sizeBytes, extents }),
    reserved: room?.reserved ?? NOTHING_RESERVED,
    hasXattrs: (flags & FLAG_XATTRS) !== 0,
    isImplicit: (flags & FLAG_IMPLICIT) !== 0,
    object,
  }
}

/** Whether the lengths in it, and in its object part, add up to what is there. */
function isWhole(bytes: Buffer, object: Buffer | undefined): boolean {
  if (bytes[0] !== RECORD_FORMAT || bytes.length < FIXED_BYTES || (bytes[77] as number) > MAX_EMBEDDED_EXTENTS) return false
  return object === undefined ? bytes.length === objectOffset(bytes) : isObjectPart(object)
}

/** Whether what a file occupies needn't be written down. */
export function isRoomPlain(record: InodeRecord): boolean {
  return record.reserved.length === 0 && record.occupiedBytes === plainRoom(record)
}

/** What contents occupy for which nothing is set aside; of a table, if it has no holes. */
function plainRoom({ form, sizeBytes, extents }: Pick<InodeRecord, 'form' | 'sizeBytes' | 'extents'>): number {
  if (form === 'none') return 0
  return form === 'embedded' ? extents.reduce((sum, { length }) => sum + length, 0) : sizeBytes
}

/** Where the room part begins, if there is one. */
function roomOffset(bytes: Buffer): number {
  const digestBytes = ((bytes[76] as number) & FLAG_DIGEST) === 0 ? 0 : DIGEST_BYTES
  return FIXED_BYTES + digestBytes + (bytes[77] as number) * (8 + EXTENT_BYTES)
}

/** Where the object part begins, if there is one, and else the record ends. */
function objectOffset(bytes: Buffer): number {
  const room = roomOffset(bytes)
  return ((bytes[76] as number) & FLAG_ROOM) === 0 ? room : room + readRoomLength(bytes, room)
}

function objectOf(bytes: Buffer): Buffer | undefined {
  return ((bytes[76] as number) & FLAG_OBJECT) === 0 ? undefined : bytes.subarray(objectOffset(bytes))
}

/** What a listing shows of a record, each field read when it is asked for: a page has a thousand of them, and whatever is
 *  made of them while it is put together has to be cleared away again. */
export class ListedRecord implements Listed {
  readonly #bytes: Buffer

  /** @throws CORRUPT */
  constructor(bytes: Buffer) {
    if (!isWhole(bytes, objectOf(bytes))) throw corruptRecord(bytes)
    this.#bytes = bytes
  }

  get inode(): InodeId {
    return readU64(this.#bytes, 16) as InodeId
  }

  get type(): FileType {
    return FILE_TYPES[this.#bytes[1] as number] ?? failType(this.#bytes)
  }

  get sizeBytes(): number {
    return readU64(this.#bytes, 24)
  }

  get mtimeNs(): bigint {
    return this.#bytes.readBigInt64BE(40)
  }

  get version(): number {
    return readU64(this.#bytes, 64)
  }

  get sha256(): Buffer | undefined {
    const isKnown = ((this.#bytes[76] as number) & FLAG_DIGEST) !== 0
    return isKnown ? this.#bytes.subarray(FIXED_BYTES, FIXED_BYTES + DIGEST_BYTES) : undefined
  }

  get object(): Buffer | undefined {
    return objectOf(this.#bytes)
  }

  /** All of it. @throws CORRUPT */
  whole(): InodeRecord {
    return decodeRecord(this.#bytes)
  }
}

function decodeEmbedded(bytes: Buffer, { at, count }: { at: number; count: number }): Extent[] {
  const extents: Extent[] = []
  for (let index = 0; index < count; index += 1) {
    const from = at + index * (8 + EXTENT_BYTES)
    extents.push(readExtent(bytes, { offset: readU64(bytes, from), at: from + 8 }))
  }
  return extents
}

function writeExtent(bytes: Buffer, extent: Extent, at: number): void {
  bytes.writeUInt32BE(extent.length, at)
  bytes.writeUInt32BE(extent.chunkOffset, at + 4)
  bytes.write(extent.chunk, at + 8, 32, 'hex')
}

function readExtent(bytes: Buffer, { offset, at }: { offset: number; at: number }): Extent {
  return {
    offset,
    length: bytes.readUInt32BE(at),
    chunkOffset: bytes.readUInt32BE(at + 4),
    chunk: bytes.toString('hex', at + 8, at + 40) as ChunkId,
  }
}

/** The value of an extent's own row; its offset is in the key. */
export function encodeExtent(extent: Extent): Buffer {
  const bytes = Buffer.allocUnsafe(EXTENT_BYTES)
  writeExtent(bytes, extent, 0)
  return bytes
}

export function decodeExtent(bytes: Buffer, offset: number): Extent {
  if (bytes.length !== EXTENT_BYTES)
    throw new ShoalError('CORRUPT', `An extent row has ${bytes.length} bytes instead of ${EXTENT_BYTES}: run "shoal fsck"`)
  return readExtent(bytes, { offset, at: 0 })
}

/** The entry of a file that has more names than one: the record itself is in the inode's row. */
export function encodeLink(inode: InodeId): Buffer {
  const bytes = Buffer.alloc(9)
  bytes[0] = LINK_FORMAT
  writeU64(bytes, inode, 1)
  return bytes
}

/** The inode that a link entry names; `undefined` if the value is a record. */
export function decodeLink(bytes: Buffer): InodeId | undefined {
  return bytes[0] === LINK_FORMAT && bytes.length === 9 ? (readU64(bytes, 1) as InodeId) : undefined
}

/** The row of an inode whose record is embedded in its entry: the key of that entry. */
export function encodePointer(entryKey: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(1 + entryKey.length)
  bytes[0] = POINTER_FORMAT
  entryKey.copy(bytes, 1)
  return bytes
}

export function decodePointer(bytes: Buffer): Buffer | undefined {
  return bytes[0] === POINTER_FORMAT ? bytes.subarray(1) : undefined
}

function failType(bytes: Buffer): never {
  throw corruptRecord(bytes)
}

function corruptRecord(bytes: Buffer): ShoalError {
  return new ShoalError(
    'CORRUPT',
    `An inode record can't be read (it starts with ${bytes.toString('hex', 0, 8)}): run "shoal fsck"`,
  )
}
