import type { ChunkId } from '#foundation/ids.ts'
import type { Digests } from '#platform/digests.ts'
import { BLOCK_BYTES } from './blocks.ts'
import { BLOCK_CHECKSUMS } from './chunk-file-format.ts'
import { MAX_PACKED_BYTES } from './pack-format.ts'

export interface ChunkDigest {
  readonly id: ChunkId
  /** `BLOCK_CHECKSUMS` of each block, little-endian; `undefined` for a chunk so small that it is kept in a pack, which has others. */
  readonly checksums: Buffer | undefined
}

/** The id of a chunk of these bytes, and the checksums that its file has, computed in one reading: what differs from them later
 *  isn't what was named. `bytes` must not change meanwhile. */
export async function digestChunk(
  digests: Pick<Digests, 'sha256' | 'sha256AndChecksums'>,
  bytes: Uint8Array,
): Promise<ChunkDigest> {
  if (bytes.length <= MAX_PACKED_BYTES) return { id: idOf(await digests.sha256(bytes)), checksums: undefined }
  const { sha256, checksums } = await digests.sha256AndChecksums(bytes, BLOCK_BYTES, BLOCK_CHECKSUMS)
  return { id: idOf(sha256), checksums }
}

/** Whether these are the checksums that `digestChunk` told of the bytes. */
export async function matchChecksums(
  digests: Pick<Digests, 'blockChecksums'>,
  bytes: Uint8Array,
  checksums: Buffer,
): Promise<boolean> {
  return (await digests.blockChecksums(bytes, BLOCK_BYTES, BLOCK_CHECKSUMS)).equals(checksums)
}

function idOf(sha256: Buffer): ChunkId {
  return sha256.toString('hex') as ChunkId
}
