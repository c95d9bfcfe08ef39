import { contentBytes, kindRange, KIND, offsetOfExtentKey } from './keys.ts'
import { decodeExtent, EXTENT_BYTES, type Extent, type InodeRecord, isRoomPlain } from './record.ts'
import { occupiedBytes } from './room.ts'
import type { VolumeView } from './transaction.ts'

type Rows = Pick<VolumeView, 'snapshot' | 'prefix'>

/** What a file occupies, where its record has a word of its own on that. */
export function occupiedByRows(view: Rows, record: InodeRecord): number | undefined {
  if (isRoomPlain(record)) return undefined
  const { form, sizeBytes, extents, reserved } = record
  if (form === 'inline') return occupiedBytes([{ offset: 0, length: sizeBytes }], reserved)
  return occupiedBytes(form === 'table' ? rowsOf(view, record) : extents, reserved)
}

function* rowsOf(view: Rows, { content }: InodeRecord): Generator<Extent> {
  for (const { key, value } of view.snapshot.range(kindRange(view.prefix, KIND.extent, contentBytes(content))))
    if (value.length === EXTENT_BYTES) yield decodeExtent(value, offsetOfExtentKey(key))
}
