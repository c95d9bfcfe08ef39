// How the results of changes are kept, for requests that come again.

import { deserialize, serialize } from 'node:v8'
import { decodeName, encodeName } from '#foundation/name.ts'
import { formatPath, parsePath } from '#foundation/path.ts'
import type { Path } from '#foundation/path.ts'
import type { Located } from './located.ts'
import { decodeRecord, encodeRecord, type InodeRecord } from './record.ts'
import type { ResultCodec } from './remembered.ts'

const NO_BYTES = Buffer.alloc(0)

/** Of a change that answers nothing. */
export const NOTHING_RESULT: ResultCodec<void> = { encode: () => NO_BYTES, decode: () => undefined }

export const RECORD_RESULT: ResultCodec<InodeRecord> = { encode: encodeRecord, decode: decodeRecord }

/** The record alone: where it lies may have changed. */
export const LOCATED_RESULT: ResultCodec<Located> = {
  encode: ({ record }) => encodeRecord(record),
  decode: (bytes) => ({ record: decodeRecord(bytes), entry: undefined, slot: NO_BYTES }),
}

/** Of a write of a whole file: whether there was none before, then the record; of an upload, where it was published, in between. */
export const WRITE_RESULT: ResultCodec<WriteResultRecord> = {
  encode({ attributes, created, path }) {
    const name = path === undefined ? NO_BYTES : encodeName(formatPath(path))
    const head = Buffer.alloc(5)
    head[0] = Number(created)
    head.writeUInt32BE(name.length, 1)
    return Buffer.concat([head, name, encodeRecord(attributes)])
  },
  decode(bytes) {
    const end = 5 + bytes.readUInt32BE(1)
    const written = { created: bytes[0] === 1, attributes: decodeRecord(bytes.subarray(end)) }
    return end === 5 ? written : { ...written, path: parsePath(decodeName(bytes.subarray(5, end))) }
  },
}

interface WriteResultRecord {
  readonly attributes: InodeRecord
  readonly created: boolean
  readonly path?: Path
}

/** Of a change in steps: one that isn't the last has no result. */
export function lastStep<T>(codec: ResultCodec<T>): ResultCodec<T | 'more'> {
  return { encode: (step) => (step === 'more' ? undefined : codec.encode(step)), decode: (bytes) => codec.decode(bytes) }
}

/** Objects without methods, of strings, numbers, bigints, booleans, buffers, lists and `undefined`. */
export function plainResult<T>(): ResultCodec<T> {
  return { encode: (result) => serialize(result), decode: (bytes) => deserialize(bytes) as T }
}
