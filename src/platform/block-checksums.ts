import { crc32, crc32c } from '@node-rs/crc32'

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
