import { ByteReader } from '#foundation/byte-reader.ts'
import { ShoalError } from '#foundation/errors.ts'

/** A reader whose methods throw INVALID_ARGUMENT. */
export function eventualReader(bytes: Buffer): ByteReader {
  return new ByteReader(bytes, malformed)
}

export function malformed(why: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `Bytes of an eventual volume can't be read: ${why}`)
}
