// The bytes of a pack file. docs/formats/chunks.md describes them for other readers: change both together.

import { crc32c } from '@node-rs/crc32'
import type { ChunkId } from '#foundation/ids.ts'
import { writeBlockChecksums } from '#platform/block-checksums.ts'
import { BLOCK_BYTES, blockCount, findDamagedBlock } from './blocks.ts'

/** Chunks up to this size live in packs, larger ones in files of their own. */
export const MAX_PACKED_BYTES = 256 * 1024

export const PACK_HEADER_BYTES = 32
export const RECORD_HEADER_BYTES = 64
/** Records begin at multiples of this. */
export const RECORD_ALIGNMENT = 8
export const SALT_BYTES = 8

const BLOCK_CHECKSUMS = { blockBytes: BLOCK_BYTES, kind: 'crc32c' } as const
const PACK_MAGIC = Buffer.from('SHOALPAK', 'latin1')
const PACK_VERSION = 1
/** "SHRC" in the file. */
export const RECORD_MAGIC = 0x43524853
const CHUNK = 1
const TOMBSTONE = 2

/** Where a record begins. */
export interface Location {
  readonly pack: number
  readonly offset: number
}

export interface PackHeader {
  readonly number: number
  readonly salt: Buffer
}

/** What a record says. A record with `kills` takes back the chunk record at that very place; a record without `payload`
 *  does nothing else. */
export interface PackRecord {
  readonly id: ChunkId
  readonly payload: Uint8Array | undefined
  readonly kills: Location | undefined
}

/** A record's header, checked. `lengthBytes` is that of the payload; 0 for a tombstone. */
export interface RecordHeader {
  readonly id: ChunkId
  readonly lengthBytes: number
  readonly kills: Location | undefined
}

export function encodePackHeader({ number, salt }: PackHeader): Buffer {
  const bytes = Buffer.alloc(PACK_HEADER_BYTES)
  PACK_MAGIC.copy(bytes)
  bytes.writeUInt32LE(PACK_VERSION, 8)
  bytes.writeUInt32LE(number, 12)
  salt.copy(bytes, 16)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 28)), 28)
  return bytes
}

/** The header, or `undefined` if the bytes are none. */
export function decodePackHeader(bytes: Buffer): PackHeader | undefined {
  if (bytes.length < PACK_HEADER_BYTES || !bytes.subarray(0, 8).equals(PACK_MAGIC)) return undefined
  if (bytes.readUInt32LE(28) !== crc32c(bytes.subarray(0, 28)) || bytes.readUInt32LE(8) !== PACK_VERSION) return undefined
  return { number: bytes.readUInt32LE(12), salt: Buffer.from(bytes.subarray(16, 16 + SALT_BYTES)) }
}

/** Header and checksums of a record, which come before its payload. */
export function recordPrefixBytes(payloadBytes: number): number {
  return RECORD_HEADER_BYTES + 4 * blockCount(payloadBytes)
}

/** All that a record takes, with the zeros that follow its payload. */
export function recordBytes(payloadBytes: number): number {
  const bytes = recordPrefixBytes(payloadBytes) + payloadBytes
  return Math.ceil(bytes / RECORD_ALIGNMENT) * RECORD_ALIGNMENT
}

/** Writes everything of the record that precedes its payload to `target` at `at`; answers where that ends. */
export function encodeRecordPrefix(
  target: Buffer,
  at: number,
  record: PackRecord & { readonly salt: Buffer; readonly offset: number },
): number {
  const { payload, kills } = record
  const end = at + recordPrefixBytes(payload?.length ?? 0)
  target.writeUInt32LE(RECORD_MAGIC, at)
  target.writeUInt32LE(payload === undefined ? TOMBSTONE : CHUNK, at + 4)
  target.writeUInt32LE(payload?.length ?? 0, at + 8)
  // The record's own offset stands in for the checksum while that is computed: so a record that was copied elsewhere,
  // within a chunk that is itself part of a pack for instance, is never taken for one of this place.
  target.writeUInt32LE(record.offset, at + 12)
  record.salt.copy(target, at + 16)
  target.writeUInt32LE(kills?.pack ?? 0, at + 24)
  target.writeUInt32LE(kills?.offset ?? 0, at + 28)
  target.write(record.id, at + 32, 'hex')
  if (payload !== undefined) writeBlockChecksums(payload, BLOCK_CHECKSUMS, { table: target, at: at + RECORD_HEADER_BYTES })
  target.writeUInt32LE(crc32c(target.subarray(at, end)), at + 12)
  return end
}

/** The header of the record that begins at `at` in `bytes` and at `offset` in its pack. `undefined` if there is none, or
 *  if `bytes` ends within the header and its checksums. Leaves `bytes` as they were. */
export function decodeRecordHeader(
  bytes: Buffer,
  at: number,
  place: { readonly salt: Buffer | undefined; readonly offset: number },
): RecordHeader | undefined {
  if (at + RECORD_HEADER_BYTES > bytes.length || bytes.readUInt32LE(at) !== RECORD_MAGIC) return undefined
  const type = bytes.readUInt32LE(at + 4)
  const lengthBytes = bytes.readUInt32LE(at + 8)
  if (type === CHUNK ? lengthBytes < 1 || lengthBytes > MAX_PACKED_BYTES : type !== TOMBSTONE || lengthBytes !== 0)
    return undefined
  const end = at + recordPrefixBytes(lengthBytes)
  if (end > bytes.length || (place.salt !== undefined && place.salt.compare(bytes, at + 16, at + 16 + SALT_BYTES) !== 0))
    return undefined
  const checksum = bytes.readUInt32LE(at + 12)
  bytes.writeUInt32LE(place.offset, at + 12)
  const computed = crc32c(bytes.subarray(at, end))
  bytes.writeUInt32LE(checksum, at + 12)
  if (checksum !== computed) return undefined
  const pack = bytes.readUInt32LE(at + 24)
  return {
    id: bytes.toString('hex', at + 32, at + 64) as ChunkId,
    lengthBytes,
    kills: pack === 0 ? undefined : { pack, offset: bytes.readUInt32LE(at + 28) },
  }
}

/** The index of the first block of the payload that doesn't match its checksum, -1 if all match. `record` begins with
 *  the header; the payload may be cut after any of its blocks. */
export function findDamagedPayloadBlock(record: Buffer, payloadBytes: number): number {
  return findDamagedBlock(record.subarray(recordPrefixBytes(payloadBytes)), record, RECORD_HEADER_BYTES)
}

export function packName(number: number): string {
  return `${String(number).padStart(8, '0')}.pack`
}

/** The number of the pack with this file name, or `undefined` if it is no pack's name. */
export function parsePackName(name: string): number | undefined {
  const match = /^(\d{8,10})\.pack$/.exec(name)
  const number = Number(match?.[1])
  return match !== null && number >= 1 && number <= 0xffff_ffff && packName(number) === name ? number : undefined
}
