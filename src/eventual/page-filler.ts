import type { EntryValue } from './entry.ts'
import { FILL_BYTES, type TransferredState } from './message.ts'

/** Collects states until a message has enough of them. */
export class PageFiller {
  readonly entries: TransferredState[] = []
  readonly #max: number
  #bytes = 0

  constructor(max: number) {
    this.#max = max
  }

  get isFull(): boolean {
    return this.entries.length >= this.#max || this.#bytes >= FILL_BYTES
  }

  add(entry: TransferredState): void {
    this.#bytes += entryBytesMax(entry)
    this.entries.push(entry)
  }
}

/** A number, which has eight bytes at most. */
const NUMBER = 8
const DOT = NUMBER + 16
const FIXED_FIELDS = 32 + 8 * NUMBER
const EXTENT = 32 + NUMBER

/** What an entry takes in a message at most, found out without writing it. */
export function entryBytesMax({ volume, path, state }: TransferredState): number {
  let bytes = 4 * NUMBER + volume.length + path.length + state.context.size * DOT
  for (const { value } of state.versions) bytes += DOT + 1 + (value === undefined ? 0 : valueBytesMax(value))
  return bytes
}

function valueBytesMax({ tags, content }: EntryValue): number {
  let bytes = FIXED_FIELDS + 3 * NUMBER
  // UTF-8 has three bytes at most for a unit of a string.
  for (const [name, value] of tags) bytes += 2 * NUMBER + 3 * name.length + value.length
  return bytes + (content.kind === 'inline' ? content.bytes.length : content.extents.length * EXTENT)
}
