import type { ChecksumKind } from './block-checksums.ts'

/** Digests and checksums of large buffers, computed beside the event loop. */
export interface Digests {
  /** A buffer that the others can read without copying it. Its contents are arbitrary. */
  allocate(sizeBytes: number): Buffer
  /** SHA-256 of `bytes`, which must not change meanwhile. */
  sha256(bytes: Uint8Array): Promise<Buffer>
  /** Both `sha256` and `blockChecksums` of the same bytes, which are read once for them. */
  sha256AndChecksums(bytes: Uint8Array, blockBytes: number, kind: ChecksumKind): Promise<DigestAndChecksums>
  /** The checksum of each block of `blockBytes` bytes (the last may be shorter), little-endian, one after another. `bytes` must
   *  not change meanwhile. */
  blockChecksums(bytes: Uint8Array, blockBytes: number, kind: ChecksumKind): Promise<Buffer>
  /** MD5 of what comes piece by piece. */
  md5(): StreamDigest
}

export interface DigestAndChecksums {
  readonly sha256: Buffer
  readonly checksums: Buffer
}

/** The digest of a stream. Either `digest` or `drop` must be called in the end. */
export interface StreamDigest {
  /** Adds `bytes`, which must not change until the promise resolves. Calls need not wait for those before: their order
   *  counts. */
  update(bytes: Uint8Array): Promise<void>
  digest(): Promise<Buffer>
  /** Gives up. Repeating it is harmless, and so it is behind `digest`. */
  drop(): void
}
