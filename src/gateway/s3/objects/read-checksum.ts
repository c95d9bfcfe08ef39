import type { ChecksumAlgorithm, ObjectChecksum, OpenObject } from '#volume/objects.ts'
import { createChecksum } from './checksum.ts'

/** The checksum of an object's contents, which are read for it. */
export async function checksumOf(
  algorithm: ChecksumAlgorithm,
  { object, file }: OpenObject,
  signal: AbortSignal,
): Promise<ObjectChecksum> {
  const hash = createChecksum(algorithm)
  for await (const piece of file.read({ offset: 0, length: object.sizeBytes }, signal)) hash.update(piece)
  return { algorithm, type: 'FULL_OBJECT', value: hash.digest().toString('base64') }
}
