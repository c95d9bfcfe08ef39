import { ByteReader } from '#foundation/byte-reader.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'

/** A reader whose methods throw INVALID_ARGUMENT. */
export function gossipReader(bytes: Buffer): ByteReader {
  return new ByteReader(bytes, malformed)
}

export function readId(reader: ByteReader): NodeId {
  return reader.hex(32) as NodeId
}

export function malformed(why: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `The gossip of a node can't be read: ${why}`)
}
