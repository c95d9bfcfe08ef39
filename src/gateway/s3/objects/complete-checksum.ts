import { createHash } from 'node:crypto'
import type { ObjectChecksum, ObjectPartInfo, ObjectUpload } from '#volume/objects.ts'
import { createChecksum } from './checksum.ts'
import { combineCrcs } from './crc-combine.ts'

/** The checksum of an object made of `parts`; `undefined` if the upload has none. */
export function checksumOfParts({ checksum }: ObjectUpload, parts: readonly ObjectPartInfo[]): ObjectChecksum | undefined {
  if (checksum === undefined) return undefined
  const { algorithm, type } = checksum
  const values = parts.map((part) => Buffer.from(part.checksum?.value ?? '', 'base64'))
  if (type === 'FULL_OBJECT' && algorithm !== 'SHA1' && algorithm !== 'SHA256') {
    const runs = parts.map(({ sizeBytes }, index) => ({ crc: values[index] as Buffer, lengthBytes: sizeBytes }))
    const value = combineCrcs(algorithm, runs).toString('base64')
    return { algorithm, type, value, parts: Buffer.concat(values).toString('base64') }
  }
  const all = createChecksum(algorithm)
  for (const value of values) all.update(value)
  return { algorithm, type: 'COMPOSITE', value: all.digest().toString('base64'), parts: Buffer.concat(values).toString('base64') }
}

/** The ETag of an object made of `parts`, as the one that is there would have it. */
export function tagOfParts(etags: readonly string[]): string {
  const md5 = createHash('md5')
  for (const etag of etags) md5.update(Buffer.from(etag, 'hex'))
  return `${md5.digest('hex')}-${etags.length}`
}
