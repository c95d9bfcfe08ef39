// The records as they cross the wire: all their rows, as docs/formats/system.md describes them.

import { ShoalError } from '#foundation/errors.ts'
import type { KeyValue } from '#kv/store.ts'
import { readRows, rowsOf } from './system-rows.ts'
import type { DecodeLayout } from './system-rows.ts'
import type { SystemView } from './system-view.ts'

const HEAD_BYTES = 8

export function encodeView(view: SystemView): Buffer[] {
  return rowsOf(view, view.version).flatMap(({ key, value }) => {
    if (value === undefined) return []
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeUInt32BE(key.length, 0)
    head.writeUInt32BE(value.length, 4)
    return [head, key, value]
  })
}

/** @throws DATA_FORMAT for what this version can't read */
export function decodeView(bytes: Buffer, decode: DecodeLayout): SystemView {
  return readRows(rowsIn(bytes), decode)
}

function* rowsIn(bytes: Buffer): Generator<KeyValue> {
  for (let at = 0; at < bytes.length;) {
    if (at + HEAD_BYTES > bytes.length) throw cutOff()
    const keyAt = at + HEAD_BYTES
    const valueAt = keyAt + bytes.readUInt32BE(at)
    at = valueAt + bytes.readUInt32BE(at + 4)
    if (at > bytes.length) throw cutOff()
    yield { key: bytes.subarray(keyAt, valueAt), value: bytes.subarray(valueAt, at) }
  }
}

function cutOff(): ShoalError {
  return new ShoalError('DATA_FORMAT', "What another node sent of the cluster's records ends in the middle of a row")
}
