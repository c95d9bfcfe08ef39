import { createHash, hash } from 'node:crypto'
import { blockChecksums, sha256AndChecksums, splitDigest } from '#platform/block-checksums.ts'
import type { Digests } from '#platform/digests.ts'

/** Digests that are there at once: threads would take real time, and be another one's turn each time. */
export const inlineDigests: Digests = {
  allocate: (sizeBytes) => Buffer.alloc(sizeBytes),
  sha256: async (bytes) => hash('sha256', bytes, 'buffer'),
  sha256AndChecksums: async (bytes, blockBytes, kind) => splitDigest(sha256AndChecksums(bytes, blockBytes, kind)),
  blockChecksums: async (bytes, blockBytes, kind) => blockChecksums(bytes, blockBytes, kind),
  md5: () => {
    const md5 = createHash('md5')
    return {
      update: async (bytes) => void md5.update(bytes),
      digest: async () => md5.digest(),
      drop() {},
    }
  },
}
