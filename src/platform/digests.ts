/** Digests and checksums of large buffers, computed beside the event loop. */
export interface Digests {
  /** A buffer that the others can read without copying it. Its contents are arbitrary. */
  allocate(sizeBytes: number): Buffer
  /** SHA-256 of `bytes`, which must not change meanwhile. */
  sha256(bytes: Uint8Array): Promise<Buffer>
  /** CRC32C of each block of `blockBytes` bytes (the last may be shorter), little-endian, one after another. `bytes` must
   *  not change meanwhile. */
  crc32c(bytes: Uint8Array, blockBytes: number): Promise<Buffer>
}
