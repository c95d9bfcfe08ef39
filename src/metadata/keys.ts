// The key layout of a namespace, described byte by byte in docs/formats/metadata.md.
//
// Every key starts with tenant (u32) and volume (u32); what belongs to the whole shard stands under tenant 0, volume 0.
// Then one byte names the kind. Numbers are big-endian, so that the order of keys is the order of numbers.

import { assert } from '#foundation/assert.ts'
import type { ChunkId, InodeId, TenantId, UploadId, VolumeId } from '#foundation/ids.ts'
import { decodeName, encodeName } from '#foundation/name.ts'
import { nameOfSegment, segmentOfName } from '#foundation/object-key.ts'

export const KIND = {
  entry: 0x65, // e: parent, segment, "/" for a directory
  inode: 0x69, // i: id
  extent: 0x78, // x: content, offset
  inline: 0x64, // d: content
  xattr: 0x61, // a: inode, name
  lock: 0x6c, // l: inode, token
  fileLock: 0x66, // f: inode, session, family, owner
  session: 0x6d, // m: session
  sessionLock: 0x71, // q: session, inode, family, owner
  upload: 0x75, // u: upload id
  part: 0x70, // p: upload id, number
  partExtent: 0x79, // y: upload id, number, offset within the part
  counters: 0x6e, // n
  volume: 0x76, // v: the policy, once a volume; under the system prefix: tenant, name -> volume id
  reference: 0x72, // r: chunk (system)
  garbageChunk: 0x67, // g: time, chunk (system)
  garbageContent: 0x6b, // k: number, tenant, volume, what (system)
  change: 0x63, // c: number (system)
  changeCounter: 0x73, // s (system)
  volumeCounter: 0x77, // w (system)
  version: 0x6f, // o: S3 key, which version
  nullVersion: 0x7a, // z: S3 key
  remembered: 0x4d, // M: origin, generation, request (system)
  settings: 0x62, // b: what S3 knows of the volume as a bucket, once a volume
} as const

const SLASH = 0x2f
const HEAD_BYTES = 9
const NOTHING = Buffer.alloc(0)

/** Tenant and volume, the first eight bytes of a key. */
export type KeyPrefix = Buffer

export function volumePrefix(tenant: TenantId, volume: VolumeId): KeyPrefix {
  const prefix = Buffer.alloc(8)
  prefix.writeUInt32BE(tenant, 0)
  prefix.writeUInt32BE(volume, 4)
  return prefix
}

export const SYSTEM_PREFIX: KeyPrefix = Buffer.alloc(8)

function newKey(prefix: KeyPrefix, kind: number, lengthBytes: number): Buffer {
  const key = Buffer.allocUnsafe(HEAD_BYTES + lengthBytes)
  // Eight bytes are sooner copied here than by the system's own function is called.
  for (let at = 0; at < 8; at += 1) key[at] = prefix[at] as number
  key[8] = kind
  return key
}

export function writeU64(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32BE(Math.floor(value / 2 ** 32), at)
  buffer.writeUInt32BE(value >>> 0, at + 4)
}

export function readU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4)
}

export type EntryForm = 'file' | 'directory'

export function entryKey(prefix: KeyPrefix, parent: InodeId, name: string, form: EntryForm): Buffer {
  const segment = segmentOfName(name)
  const bytes = isShortAscii(segment) ? undefined : encodeName(segment)
  const lengthBytes = bytes?.length ?? segment.length
  const key = newKey(prefix, KIND.entry, 8 + lengthBytes + (form === 'directory' ? 1 : 0))
  writeU64(key, parent, HEAD_BYTES)
  if (bytes !== undefined) bytes.copy(key, HEAD_BYTES + 8)
  else for (let at = 0; at < lengthBytes; at += 1) key[HEAD_BYTES + 8 + at] = segment.charCodeAt(at)
  if (form === 'directory') key[key.length - 1] = SLASH
  return key
}

/** Most names: their bytes are their characters, and a loop over them is shorter than the way to the encoder and back. */
function isShortAscii(text: string): boolean {
  if (text.length > 32) return false
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

/** The name in an entry's key, as paths show it, and which form it has. */
export function readEntryKey(key: Buffer): { name: string; form: EntryForm } {
  const isDirectory = key.length > HEAD_BYTES + 8 && key[key.length - 1] === SLASH
  const segment = decodeName(key.subarray(HEAD_BYTES + 8, isDirectory ? key.length - 1 : key.length))
  return { name: nameOfSegment(segment), form: isDirectory ? 'directory' : 'file' }
}

/** Whether the entry is the file of a directory's empty segment. */
export const isMarkerKey = (key: Buffer): boolean => key.length === HEAD_BYTES + 8

export function parentOfEntryKey(key: Buffer): InodeId {
  return readU64(key, HEAD_BYTES) as InodeId
}

/** All entries of a directory: start and end of the range. */
export function entryRange(prefix: KeyPrefix, parent: InodeId): { start: Buffer; end: Buffer } {
  const start = newKey(prefix, KIND.entry, 8)
  writeU64(start, parent, HEAD_BYTES)
  const end = newKey(prefix, KIND.entry, 8)
  writeU64(end, parent + 1, HEAD_BYTES)
  return { start, end }
}

function numberKey(prefix: KeyPrefix, kind: number, id: number): Buffer {
  const key = newKey(prefix, kind, 8)
  writeU64(key, id, HEAD_BYTES)
  return key
}

export const inodeKey = (prefix: KeyPrefix, inode: InodeId): Buffer => numberKey(prefix, KIND.inode, inode)
export const inlineKey = (prefix: KeyPrefix, content: number): Buffer => numberKey(prefix, KIND.inline, content)
export const changeKey = (number: number): Buffer => numberKey(SYSTEM_PREFIX, KIND.change, number)
export const idOfKey = (key: Buffer): number => readU64(key, HEAD_BYTES)

export function extentKey(prefix: KeyPrefix, content: number, offset: number): Buffer {
  const key = newKey(prefix, KIND.extent, 16)
  writeU64(key, content, HEAD_BYTES)
  writeU64(key, offset, HEAD_BYTES + 8)
  return key
}

export const offsetOfExtentKey = (key: Buffer): number => readU64(key, HEAD_BYTES + 8)

export function xattrKey(prefix: KeyPrefix, inode: InodeId, name: string): Buffer {
  const bytes = encodeName(name)
  const key = newKey(prefix, KIND.xattr, 8 + bytes.length)
  writeU64(key, inode, HEAD_BYTES)
  bytes.copy(key, HEAD_BYTES + 8)
  return key
}

export const nameOfXattrKey = (key: Buffer): string => decodeName(key.subarray(HEAD_BYTES + 8))

export function lockKey(prefix: KeyPrefix, inode: InodeId, token: string): Buffer {
  const key = newKey(prefix, KIND.lock, 24)
  writeU64(key, inode, HEAD_BYTES)
  key.write(token, HEAD_BYTES + 8, 'hex')
  return key
}

export const tokenOfLockKey = (key: Buffer): string => key.toString('hex', HEAD_BYTES + 8, HEAD_BYTES + 24)

/** Whose lock of flock(2) or fcntl(2) it is: a mount's session, and one of its owners. */
export interface LockHolder {
  /** 32 lower-case hexadecimal characters. */
  readonly session: string
  /** The two kinds of locks know nothing of each other. */
  readonly family: 'flock' | 'posix'
  /** As the mount's kernel names it: 16 lower-case hexadecimal characters. */
  readonly owner: string
}

const FAMILIES = ['flock', 'posix'] as const

export function fileLockKey(prefix: KeyPrefix, inode: InodeId, { session, family, owner }: LockHolder): Buffer {
  const key = newKey(prefix, KIND.fileLock, 33)
  writeU64(key, inode, HEAD_BYTES)
  key.write(session, HEAD_BYTES + 8, 'hex')
  key[HEAD_BYTES + 24] = FAMILIES.indexOf(family)
  key.write(owner, HEAD_BYTES + 25, 'hex')
  return key
}

/** `undefined` for a key that is none. */
export function readFileLockKey(key: Buffer): (LockHolder & { readonly inode: InodeId }) | undefined {
  const family = FAMILIES[key[HEAD_BYTES + 24] ?? FAMILIES.length]
  if (key.length !== HEAD_BYTES + 33 || family === undefined) return undefined
  return {
    inode: idOfKey(key) as InodeId,
    session: key.toString('hex', HEAD_BYTES + 8, HEAD_BYTES + 24),
    family,
    owner: key.toString('hex', HEAD_BYTES + 25),
  }
}

export function sessionKey(prefix: KeyPrefix, session: string): Buffer {
  const key = newKey(prefix, KIND.session, 16)
  key.write(session, HEAD_BYTES, 'hex')
  return key
}

export const sessionOfKey = (key: Buffer): string => key.toString('hex', HEAD_BYTES, HEAD_BYTES + 16)

/** The same lock by its session, so that a session's are found when it ends. */
export function sessionLockKey(prefix: KeyPrefix, inode: InodeId, { session, family, owner }: LockHolder): Buffer {
  const key = newKey(prefix, KIND.sessionLock, 33)
  key.write(session, HEAD_BYTES, 'hex')
  writeU64(key, inode, HEAD_BYTES + 16)
  key[HEAD_BYTES + 24] = FAMILIES.indexOf(family)
  key.write(owner, HEAD_BYTES + 25, 'hex')
  return key
}

/** `undefined` for a key that is none. */
export function readSessionLockKey(key: Buffer): (LockHolder & { readonly inode: InodeId }) | undefined {
  const family = FAMILIES[key[HEAD_BYTES + 24] ?? FAMILIES.length]
  if (key.length !== HEAD_BYTES + 33 || family === undefined) return undefined
  return {
    session: sessionOfKey(key),
    inode: readU64(key, HEAD_BYTES + 16) as InodeId,
    family,
    owner: key.toString('hex', HEAD_BYTES + 25),
  }
}

/** Greater than every sequence: its complement orders the newest first. */
const SEQUENCE_TOP = Number.MAX_SAFE_INTEGER

/** A row of a key's history: the key with NUL as 00 FF, then 00, then what orders the newest first. */
export function versionKey(prefix: KeyPrefix, key: Buffer, sequence: number): Buffer {
  const end = Buffer.alloc(9)
  writeU64(end, SEQUENCE_TOP - sequence, 1)
  return kindRange(prefix, KIND.version, Buffer.concat([escapeNul(key), end])).start
}

/** All versions of `key`, newest first; of all keys without one. */
export function versionRange(prefix: KeyPrefix, key?: Buffer): { start: Buffer; end: Buffer } {
  return kindRange(prefix, KIND.version, key === undefined ? undefined : Buffer.concat([escapeNul(key), Buffer.alloc(1)]))
}

/** Where versions of keys from `key` on begin; with `after`, of those behind it and its own behind `after`. */
export function versionStart(prefix: KeyPrefix, key: Buffer, after?: number): Buffer {
  if (after !== undefined) return keyAfter(versionKey(prefix, key, after))
  return kindRange(prefix, KIND.version, escapeNul(key)).start
}

export const sequenceOfVersionKey = (key: Buffer): number => SEQUENCE_TOP - readU64(key, key.length - 8)
export const keyOfVersionKey = (key: Buffer): Buffer => unescapeNul(key.subarray(HEAD_BYTES, key.length - 9))

/** Which of a key's versions is known as "null". */
export function nullVersionKey(prefix: KeyPrefix, key: Buffer): Buffer {
  return kindRange(prefix, KIND.nullVersion, key).start
}

export const keyOfNullVersionKey = (key: Buffer): Buffer => Buffer.from(key.subarray(HEAD_BYTES))

function escapeNul(bytes: Buffer): Buffer {
  if (!bytes.includes(0)) return bytes
  return Buffer.from(bytes.toString('latin1').replaceAll('\0', '\0\xff'), 'latin1')
}

function unescapeNul(bytes: Buffer): Buffer {
  if (!bytes.includes(0)) return Buffer.from(bytes)
  return Buffer.from(bytes.toString('latin1').replaceAll('\0\xff', '\0'), 'latin1')
}

export function uploadKey(prefix: KeyPrefix, upload: UploadId): Buffer {
  const key = newKey(prefix, KIND.upload, 16)
  key.write(upload, HEAD_BYTES, 'hex')
  return key
}

export const uploadOfKey = (key: Buffer): UploadId => key.toString('hex', HEAD_BYTES, HEAD_BYTES + 16) as UploadId

export function partKey(prefix: KeyPrefix, upload: UploadId, part: number): Buffer {
  const key = newKey(prefix, KIND.part, 20)
  key.write(upload, HEAD_BYTES, 'hex')
  key.writeUInt32BE(part, HEAD_BYTES + 16)
  return key
}

export const numberOfPartKey = (key: Buffer): number => key.readUInt32BE(HEAD_BYTES + 16)

export function partExtentKey(prefix: KeyPrefix, upload: UploadId, at: { part: number; offset: number }): Buffer {
  const key = newKey(prefix, KIND.partExtent, 28)
  key.write(upload, HEAD_BYTES, 'hex')
  key.writeUInt32BE(at.part, HEAD_BYTES + 16)
  writeU64(key, at.offset, HEAD_BYTES + 20)
  return key
}

export const offsetOfPartExtentKey = (key: Buffer): number => readU64(key, HEAD_BYTES + 20)

export const countersKey = (prefix: KeyPrefix): Buffer => newKey(prefix, KIND.counters, 0)
export const policyKey = (prefix: KeyPrefix): Buffer => newKey(prefix, KIND.volume, 0)
export const settingsKey = (prefix: KeyPrefix): Buffer => newKey(prefix, KIND.settings, 0)

export function volumeNameKey(tenant: TenantId, name: string): Buffer {
  const bytes = Buffer.from(name, 'utf8')
  const key = newKey(SYSTEM_PREFIX, KIND.volume, 4 + bytes.length)
  key.writeUInt32BE(tenant, HEAD_BYTES)
  bytes.copy(key, HEAD_BYTES + 4)
  return key
}

export const tenantOfVolumeNameKey = (key: Buffer): TenantId => key.readUInt32BE(HEAD_BYTES) as TenantId
export const nameOfVolumeNameKey = (key: Buffer): string => key.toString('utf8', HEAD_BYTES + 4)

export function referenceKey(chunk: ChunkId): Buffer {
  const key = newKey(SYSTEM_PREFIX, KIND.reference, 32)
  key.write(chunk, HEAD_BYTES, 'hex')
  return key
}

export const chunkOfReferenceKey = (key: Buffer): ChunkId => key.toString('hex', HEAD_BYTES) as ChunkId

export function garbageChunkKey(zeroAtMs: number, chunk: ChunkId): Buffer {
  const key = newKey(SYSTEM_PREFIX, KIND.garbageChunk, 40)
  writeU64(key, zeroAtMs, HEAD_BYTES)
  key.write(chunk, HEAD_BYTES + 8, 'hex')
  return key
}

export function readGarbageChunkKey(key: Buffer): { zeroAtMs: number; chunk: ChunkId } {
  return { zeroAtMs: readU64(key, HEAD_BYTES), chunk: key.toString('hex', HEAD_BYTES + 8) as ChunkId }
}

/** `what`: 8 bytes for a content, 16 for an upload session, none for a whole volume. */
export function garbageContentKey(number: number, prefix: KeyPrefix, what: Buffer): Buffer {
  assert(prefix.length === 8, 'A key prefix has eight bytes')
  const key = newKey(SYSTEM_PREFIX, KIND.garbageContent, 16 + what.length)
  writeU64(key, number, HEAD_BYTES)
  prefix.copy(key, HEAD_BYTES + 8)
  what.copy(key, HEAD_BYTES + 16)
  return key
}

export function readGarbageContentKey(key: Buffer): { number: number; prefix: KeyPrefix; what: Buffer } {
  return {
    number: readU64(key, HEAD_BYTES),
    prefix: Buffer.from(key.subarray(HEAD_BYTES + 8, HEAD_BYTES + 16)),
    what: Buffer.from(key.subarray(HEAD_BYTES + 16)),
  }
}

/** Of one origin: its youngest generation; with `generation` where that begins, with `id` the row of a request. */
export function rememberedKey(origin: number, generation?: number, id: Buffer = NOTHING): Buffer {
  if (generation === undefined) return newKeyOf(origin, 0)
  const key = newKeyOf(origin, 4 + id.length)
  key.writeUInt32BE(generation, HEAD_BYTES + 1)
  id.copy(key, HEAD_BYTES + 5)
  return key
}

function newKeyOf(origin: number, lengthBytes: number): Buffer {
  const key = newKey(SYSTEM_PREFIX, KIND.remembered, 1 + lengthBytes)
  key[HEAD_BYTES] = origin
  return key
}

export const CHANGE_COUNTER_KEY: Buffer = newKey(SYSTEM_PREFIX, KIND.changeCounter, 0)
export const VOLUME_COUNTER_KEY: Buffer = newKey(SYSTEM_PREFIX, KIND.volumeCounter, 0)

/** Every key of one kind, or of one kind below `below` (the bytes after the kind). */
export function kindRange(prefix: KeyPrefix, kind: number, below: Buffer = NOTHING): { start: Buffer; end: Buffer } {
  const start = newKey(prefix, kind, below.length)
  below.copy(start, HEAD_BYTES)
  return { start, end: keyAfterPrefix(start) }
}

/** The smallest key greater than every key that starts with `prefix`. */
export function keyAfterPrefix(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  for (let at = end.length - 1; at >= 0; at -= 1) {
    const byte = end[at] as number
    if (byte < 0xff) {
      end[at] = byte + 1
      return end.subarray(0, at + 1)
    }
  }
  assert(false, 'A prefix of 0xff bytes alone has no end')
}

/** The smallest key greater than `key`. */
export function keyAfter(key: Uint8Array): Buffer {
  const next = Buffer.alloc(key.length + 1)
  next.set(key, 0)
  return next
}

export function contentBytes(content: number): Buffer {
  const bytes = Buffer.alloc(8)
  writeU64(bytes, content, 0)
  return bytes
}
