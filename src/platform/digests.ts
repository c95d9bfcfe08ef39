/** Digests of large buffers, computed beside the event loop. */
export interface Digests {
  /** A buffer that `sha256` can read without copying it. Its contents are arbitrary. */
  allocate(sizeBytes: number): Buffer
  /** SHA-256 of `bytes`, which must not change meanwhile. */
  sha256(bytes: Buffer): Promise<Buffer>
}
