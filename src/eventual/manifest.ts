// The extents of a file that has more than a version has room for, in chunks of their own: docs/formats/eventual.md.

import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Extent } from './entry.ts'

const EXTENT_BYTES = 40
const ID_BYTES = 32
/** Extents of one file, 40 MB of them in memory: 8 TiB in chunks of 8 MiB. */
export const MANIFEST_EXTENTS_MAX = 1_048_576

/** In pieces of whole extents that are no longer than `pieceBytesMax`. */
export function* encodeManifest(extents: readonly Extent[], pieceBytesMax: number): Generator<Buffer> {
  const perPiece = Math.floor(pieceBytesMax / EXTENT_BYTES)
  for (let at = 0; at < extents.length; at += perPiece) {
    const piece = extents.slice(at, at + perPiece)
    const bytes = Buffer.alloc(piece.length * EXTENT_BYTES)
    for (const [index, { chunk, lengthBytes }] of piece.entries()) {
      bytes.write(chunk, index * EXTENT_BYTES, 'hex')
      bytes.writeBigUInt64BE(BigInt(lengthBytes), index * EXTENT_BYTES + ID_BYTES)
    }
    yield bytes
  }
}

/** @throws CORRUPT */
export function decodeManifest(piece: Buffer): Extent[] {
  if (piece.length === 0 || piece.length % EXTENT_BYTES !== 0)
    throw new ShoalError('CORRUPT', `A list of chunks has ${piece.length} bytes, which is no whole number of entries`)
  return Array.from({ length: piece.length / EXTENT_BYTES }, (_, index) => {
    const at = index * EXTENT_BYTES
    const chunk = piece.toString('hex', at, at + ID_BYTES) as ChunkId
    return { chunk, lengthBytes: Number(piece.readBigUInt64BE(at + ID_BYTES)) }
  })
}
