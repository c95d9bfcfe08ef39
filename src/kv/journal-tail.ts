import type { BlockingFile } from '#platform/blocking-file.ts'
import { decodeRecord, recordEnd } from './journal-format.ts'
import type { JournalRecord } from './journal-format.ts'

/** Most records are shorter, and come with one read. */
const FIRST_READ_BYTES = 16 * 1024

/** The two files of a journal, as somebody reads them who doesn't write them. */
export interface JournalFiles {
  readonly files: readonly [BlockingFile, BlockingFile]
  readonly segmentBytes: number
}

export interface TailRecord extends JournalRecord {
  /** Whether it is the first one of its file: what was in the other file goes into the store as a whole. */
  readonly isFirst: boolean
}

/** Reads the records of a journal while another thread appends to it. What it finds may be on its way to the disk still:
 *  the caller asks for no record that isn't known to be durable. A record is known by its checksum and its number, so that one
 *  that is being overwritten is none. */
export class JournalTail {
  readonly #journal: JournalFiles
  readonly #first = Buffer.allocUnsafeSlow(FIRST_READ_BYTES)
  #file: 0 | 1 = 0
  #offset = 0

  constructor(journal: JournalFiles) {
    this.#journal = journal
  }

  /** The record `sequence`, which follows the one read last; `undefined` if it isn't there: then `seek` it. */
  next(sequence: number): TailRecord | undefined {
    const here = this.#readAt(this.#file, this.#offset)
    if (here?.sequence === sequence) return this.#take(here)
    const other = this.#file === 0 ? 1 : 0
    const there = this.#readAt(other, 0)
    if (there?.sequence !== sequence) return undefined
    this.#file = other
    this.#offset = 0
    return this.#take(there)
  }

  /** Looks for the record `sequence` in both files, or for the place where it will be. False if there is neither. */
  seek(sequence: number): boolean {
    for (const file of [0, 1] as const) {
      let at = 0
      for (let record = this.#readAt(file, at); record !== undefined && record.sequence <= sequence;) {
        if (record.sequence === sequence) return this.#moveTo(file, at)
        at += record.lengthBytes
        if (record.sequence === sequence - 1) return this.#moveTo(file, at)
        const follower = this.#readAt(file, at)
        if (follower?.sequence !== record.sequence + 1) break
        record = follower
      }
    }
    // A new journal begins with the first record.
    return sequence === 1 && this.#moveTo(0, 0)
  }

  close(): void {
    for (const file of this.#journal.files) file.close()
  }

  #take(record: JournalRecord): TailRecord {
    const isFirst = this.#offset === 0
    this.#offset += record.lengthBytes
    return { ...record, isFirst }
  }

  #moveTo(file: 0 | 1, offset: number): true {
    this.#file = file
    this.#offset = offset
    return true
  }

  /** The record that begins there, in memory of its own. */
  #readAt(file: 0 | 1, at: number): JournalRecord | undefined {
    const source = this.#journal.files[file]
    const got = source.read(this.#first, at)
    const first = this.#first.subarray(0, got)
    const end = recordEnd(first)
    if (end === undefined || at + end > this.#journal.segmentBytes) return undefined
    if (end <= got) return decodeRecord(Buffer.from(first.subarray(0, end)), 0)
    const whole = Buffer.allocUnsafeSlow(end)
    return source.read(whole, at) < end ? undefined : decodeRecord(whole, 0)
  }
}
