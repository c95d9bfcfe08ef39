import { crc32, crc32c } from '@node-rs/crc32'

/** Writes the CRC32C of each block of `blockBytes` bytes to `table` from `at` on, little-endian. */
export function writeBlockChecksums(bytes: Uint8Array, blockBytes: number, { table, at }: { table: Buffer; at: number }): void {
  let target = at
  for (let start = 0; start < bytes.length; start += blockBytes) {
    const block = bytes.length <= blockBytes ? bytes : bytes.subarray(start, start + blockBytes)
    target = table.writeUInt32LE(crc32c(block), target)
  }
}

/** The CRC32C of pieces one after another. */
export function checksumOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => crc32c(piece, sum), 0)
}

/** The CRC-32 (of Ethernet and gzip) of bytes and those that follow: computed twice as fast as CRC32C, with carry-less products (PCLMULQDQ). */
export function quickChecksumOf(bytes: Uint8Array, more?: Uint8Array): number {
  const sum = crc32(bytes)
  return more === undefined || more.length === 0 ? sum : crc32(more, sum)
}

/** The CRC32C of each block, little-endian. */
export function blockChecksums(bytes: Uint8Array, blockBytes: number): Buffer {
  const table = Buffer.allocUnsafe(4 * Math.ceil(bytes.length / blockBytes))
  writeBlockChecksums(bytes, blockBytes, { table, at: 0 })
  return table
}
