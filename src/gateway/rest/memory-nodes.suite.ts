import { createHash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Conditions, OpenFile, WriteOptions } from '#volume/volume.ts'

export interface Node {
  attributes: Attributes
  bytes: Buffer
  target?: Buffer
  readonly xattrs: Map<string, Buffer>
}

export function openNode(node: Node, name: string): OpenFile {
  const { attributes, bytes } = node
  return {
    attributes,
    bytes: undefined,
    read: (range) => (name.includes('broken') ? readAndBreak(bytes, range) : readPieces(bytes, range)),
    close() {},
  }
}

async function* readPieces(
  bytes: Buffer,
  range: { readonly offset: number; readonly length: number },
): AsyncIterableIterator<Buffer> {
  const end = range.offset + range.length
  for (let at = range.offset; at < end; at += 65_536) yield bytes.subarray(at, Math.min(end, at + 65_536))
}

async function* readAndBreak(
  bytes: Buffer,
  range: { readonly offset: number; readonly length: number },
): AsyncIterableIterator<Buffer> {
  if (range.length > 10) yield bytes.subarray(range.offset, range.offset + 10)
  throw new ShoalError('CORRUPT', 'A chunk does not match its digest')
}

export function checkExpected(
  bytes: Buffer,
  { expected }: Pick<WriteOptions, 'expected'> | { readonly expected?: undefined },
): void {
  if (expected?.sha256 !== undefined && !createHash('sha256').update(bytes).digest().equals(expected.sha256))
    throw new ShoalError('DIGEST_MISMATCH', 'Another SHA-256')
  if (expected?.md5 !== undefined && !createHash('md5').update(bytes).digest().equals(expected.md5))
    throw new ShoalError('DIGEST_MISMATCH', 'Another MD5')
  if (expected?.sizeBytes !== undefined && bytes.length !== expected.sizeBytes)
    throw new ShoalError('INCOMPLETE_BODY', 'Another length')
}

export function checkConditions(conditions: Conditions | undefined, found: Attributes | undefined): void {
  const tag = found === undefined ? undefined : entityTag(found)
  const failed = () => new ShoalError('PRECONDITION_FAILED', 'A condition does not hold')
  if (
    conditions?.ifMatch !== undefined &&
    (tag === undefined || (conditions.ifMatch !== '*' && !conditions.ifMatch.includes(tag)))
  )
    throw failed()
  if (
    conditions?.ifNoneMatch !== undefined &&
    tag !== undefined &&
    (conditions.ifNoneMatch === '*' || conditions.ifNoneMatch.includes(tag))
  )
    throw failed()
}
