import { FieldWriter } from './field-writer.ts'
import { writeEntry } from './message-codec.ts'
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
    const writer = new FieldWriter(512)
    writeEntry(writer, entry)
    this.#bytes += writer.length
    this.entries.push(entry)
  }
}
