import { createHash } from 'node:crypto'
import { crc32, crc32c } from '@node-rs/crc32'
import type { DigestAndChecksums } from './digests.ts'

/** CRC32C, or the CRC-32 of Ethernet and gzip, which is computed in half of the time, by carry-less products (PCLMULQDQ). */
export type ChecksumKind = 'crc32' | 'crc32c'

/** The CRC32C of pieces one after another. */
export function checksumOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => crc32c(piece, sum), 0)
}

/** The CRC-32 of bytes and those that follow. */
export function quickChecksumOf(bytes: Uint8Array, more?: Uint8Array): number {
  const sum = crc32(bytes)
  return more === undefined || more.length === 0 ? sum : crc32(more, sum)
}

/** The checksum of each block of `blockBytes` bytes, little-endian. */
export function blockChecksums(bytes: Uint8Array, blockBytes: number, kind: ChecksumKind): Buffer {
  const table = Buffer.allocUnsafe(4 * Math.ceil(bytes.length / blockBytes))
  writeBlockChecksums(bytes, { blockBytes, kind }, { table, at: 0 })
  return table
}

/** What stays in a core's cache between the two computations. */
const PASS_BYTES = 256 * 1024

/** The SHA-256, 32 bytes, and behind it the checksum of each block, little-endian. `blockBytes` divides 256 KiB. */
export function sha256AndChecksums(bytes: Uint8Array, blockBytes: number, kind: ChecksumKind): Buffer {
  const hash = createHash('sha256')
  const result = Buffer.allocUnsafe(32 + 4 * Math.ceil(bytes.length / blockBytes))
  for (let at = 0; at < bytes.length; at += PASS_BYTES) {
    const part = bytes.subarray(at, at + PASS_BYTES)
    hash.update(part)
    writeBlockChecksums(part, { blockBytes, kind }, { table: result, at: 32 + (4 * at) / blockBytes })
  }
  hash.digest().copy(result)
  return result
}

/** The two parts of what `sha256AndChecksums` answers. */
export function splitDigest(both: Buffer): DigestAndChecksums {
  return { sha256: both.subarray(0, 32), checksums: both.subarray(32) }
}

/** Writes them to `table` from `at` on. */
export function writeBlockChecksums(
  bytes: Uint8Array,
  { blockBytes, kind }: { readonly blockBytes: number; readonly kind: ChecksumKind },
  { table, at }: { readonly table: Buffer; readonly at: number },
): void {
  const sum = kind === 'crc32' ? crc32 : crc32c
  let target = at
  for (let start = 0; start < bytes.length; start += blockBytes) {
    const block = bytes.length <= blockBytes ? bytes : bytes.subarray(start, start + blockBytes)
    target = table.writeUInt32LE(sum(block), target)
  }
}
