// The bytes of a chunk file. docs/formats/chunks.md describes them for other readers: change both together.

import { crc32c } from '@node-rs/crc32'
import { assert } from '#foundation/assert.ts'
import type { ChecksumKind } from '#platform/block-checksums.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { BLOCK_BYTES, blockCount } from './blocks.ts'
import { MAX_CHUNK_BYTES } from './store.ts'

/** The payload comes first, so that its blocks are aligned with the pages of the system; then the checksums of the
 *  blocks, then a footer of this size. */
export const FOOTER_BYTES = 64
export const MAX_TRAILER_BYTES = FOOTER_BYTES + 4 * blockCount(MAX_CHUNK_BYTES)

const MAGIC = Buffer.from('SHOALCHK', 'latin1')
/** Of the checksums of blocks alone: the trailer's own is CRC32C in both. */
const KINDS: ReadonlyMap<number, ChecksumKind> = new Map([
  [1, 'crc32c'],
  [2, 'crc32'],
])
const VERSION = 2
/** What a trailer that is made here has of each block. */
export const BLOCK_CHECKSUMS: ChecksumKind = 'crc32'

export interface ChunkTrailer {
  readonly id: ChunkId
  readonly payloadBytes: number
  /** Of each block, little-endian. */
  readonly checksums: Buffer
  readonly kind: ChecksumKind
}

export function trailerBytes(payloadBytes: number): number {
  return 4 * blockCount(payloadBytes) + FOOTER_BYTES
}

/** The payload's size in a chunk file of this size, or `undefined` if no chunk file has this size. */
export function payloadBytesOf(fileBytes: number): number | undefined {
  const blocks = Math.ceil((fileBytes - FOOTER_BYTES) / (BLOCK_BYTES + 4))
  const payloadBytes = fileBytes - FOOTER_BYTES - 4 * blocks
  return payloadBytes >= 1 && blockCount(payloadBytes) === blocks ? payloadBytes : undefined
}

/** `checksums`: `BLOCK_CHECKSUMS` of each block of the payload, little-endian. */
export function encodeTrailer(id: ChunkId, payloadBytes: number, checksums: Buffer): Buffer {
  const bytes = Buffer.alloc(trailerBytes(payloadBytes))
  assert(checksums.length === bytes.length - FOOTER_BYTES, 'A trailer has a checksum for each block')
  checksums.copy(bytes)
  const at = bytes.length - FOOTER_BYTES
  MAGIC.copy(bytes, at)
  bytes.writeUInt32LE(VERSION, at + 8)
  bytes.writeUInt32LE(payloadBytes, at + 12)
  bytes.write(id, at + 16, 'hex')
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, at + 60)), at + 60)
  return bytes
}

/** The trailer at the end of `bytes`, which are the last ones of a chunk file of `fileBytes` bytes; `undefined` if it is
 *  damaged. */
export function decodeTrailer(bytes: Buffer, fileBytes: number): ChunkTrailer | undefined {
  const payloadBytes = payloadBytesOf(fileBytes)
  if (payloadBytes === undefined || bytes.length < trailerBytes(payloadBytes)) return undefined
  const trailer = bytes.subarray(bytes.length - trailerBytes(payloadBytes))
  const at = trailer.length - FOOTER_BYTES
  const kind = KINDS.get(trailer.readUInt32LE(at + 8))
  if (kind === undefined || !trailer.subarray(at, at + 8).equals(MAGIC)) return undefined
  if (trailer.readUInt32LE(at + 12) !== payloadBytes || trailer.readUInt32LE(at + 60) !== crc32c(trailer.subarray(0, at + 60)))
    return undefined
  return { id: trailer.toString('hex', at + 16, at + 48) as ChunkId, payloadBytes, checksums: trailer.subarray(0, at), kind }
}
