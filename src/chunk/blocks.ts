import { crc32c } from '@node-rs/crc32'

/** A stored chunk is checksummed in blocks of this size, so that a range is verified by reading the blocks it touches. */
export const BLOCK_BYTES = 64 * 1024

export function blockCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES)
}

/** The index, within `bytes`, of the first block that doesn't match its checksum; -1 if all match. `bytes` begins with a
 *  whole block, whose checksum lies in `table` at `at`. */
export function findDamagedBlock(bytes: Uint8Array, table: Buffer, at: number): number {
  let index = 0
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const block = bytes.length <= BLOCK_BYTES ? bytes : bytes.subarray(start, start + BLOCK_BYTES)
    if (crc32c(block) !== table.readUInt32LE(at + index * 4)) return index
    index += 1
  }
  return -1
}

/** The index of the first of these checksums that differs from those in `table` from `at` on; -1 if none does. */
export function firstDifference(checksums: Buffer, table: Buffer, at: number): number {
  if (table.compare(checksums, 0, checksums.length, at, at + checksums.length) === 0) return -1
  for (let index = 0; index < checksums.length; index += 4) {
    if (checksums.readUInt32LE(index) !== table.readUInt32LE(at + index)) return index / 4
  }
  return -1
}
