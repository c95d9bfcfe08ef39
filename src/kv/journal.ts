import { dirname } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import { storageError, systemErrorCode } from '#platform/files.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import { CommitSignals } from './commit-signals.ts'
import { decodeRecord, encodeRecord, PAGE_BYTES, recordBytes, recordEnd } from './journal-format.ts'
import type { JournalRecord } from './journal-format.ts'
import { nameOfKey } from './key-name.ts'
import type { Writes } from './write-codec.ts'
import { WriteSet } from './write-set.ts'

/** Of each of the two files: what one of them holds is in memory until the store has it, and so is what the other holds. */
export const SEGMENT_BYTES = 4 * 1024 * 1024
/** On a disk with less room than this, changes go where they stay at once, so that a journal would be of no use. */
const WORTHWHILE_FREE_BYTES = 1024 * 1024 * 1024
const LARGEST_SHARE = 3 / 4
/** Most records are shorter; the buffer for them is kept. */
const BUFFER_BYTES = 256 * 1024

/** What is read of a file at a time to find its records. */
const LOOK_BYTES = 256 * 1024
const NOTHING: Writes = { size: 0, dataBytes: 0, writes: () => [] }

interface Segment {
  readonly file: OpenFile
  readonly records: readonly JournalRecord[]
}

export interface JournalOptions {
  readonly files: Files
  /** Of each file; tests have short ones. */
  readonly segmentBytes?: number
  /** Told of all that others need to follow the store. */
  readonly signals?: CommitSignals
}

interface JournalState {
  readonly signals: CommitSignals
  readonly segmentBytes: number
  readonly files: readonly [OpenFile, OpenFile]
  readonly active: 0 | 1
  /** Where the next record goes. */
  readonly offset: number
  readonly sequence: number
  readonly applied: number
}

/** Two files of fixed length in which write sets become durable in one sequential write. One is appended to while the
 *  store takes over what the other holds; then they change places. All calls but `setApplied` come one after another. */
export class Journal {
  /** How far it is, for who follows it. */
  readonly signals: CommitSignals
  readonly #segmentBytes: number
  readonly #files: readonly [OpenFile, OpenFile]
  #active: 0 | 1
  #offset: number
  #sequence: number
  #applied: number
  /** What the newest record says of `#applied`. */
  #recordedApplied: number
  #failure: ShoalError | undefined
  /** Behind the newest record there may be one that was refused. */
  #isUncertain = false
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)

  private constructor({ signals, segmentBytes, files, active, offset, sequence, applied }: JournalState) {
    this.#segmentBytes = segmentBytes
    this.#files = files
    this.#active = active
    this.#offset = offset
    this.#sequence = sequence
    this.#applied = applied
    this.#recordedApplied = applied
    this.signals = signals
    this.signals.applied = applied
    this.signals.durable = sequence
  }

  /** Opens the files `journal.0` and `journal.1` of a folder, and makes them if they are missing. `unapplied` is what was
   *  acknowledged and may not be in the store. @throws NO_SPACE when they can't be made, STORAGE_FAILED */
  static async open(
    folder: string,
    { files, segmentBytes = SEGMENT_BYTES, signals = new CommitSignals() }: JournalOptions,
  ): Promise<{ journal: Journal; unapplied: WriteSet }> {
    const segments: Segment[] = []
    try {
      for (const name of ['journal.0', 'journal.1'])
        segments.push(await openSegment(`${folder}/${name}`, { files, segmentBytes }))
      await files.syncFolder(folder)
      const { state, unapplied } = recover(segments as [Segment, Segment])
      return { journal: new Journal({ ...state, segmentBytes, signals }), unapplied }
    } catch (error) {
      for (const { file } of segments) await file.close()
      throw storageError(error, `open the journal in "${folder}"`)
    }
  }

  /** The number of the newest record. */
  get sequence(): number {
    return this.#sequence
  }

  /** Whether a record would take most of a file: that gains little from the journal. */
  isTooLarge(writes: Writes): boolean {
    return recordBytes(writes) > this.#segmentBytes * LARGEST_SHARE
  }

  /** Whether the active file has room for a record, and for the one that ends it. */
  fits(writes: Writes): boolean {
    return this.#offset + recordBytes(writes) + PAGE_BYTES <= this.#segmentBytes
  }

  /** Makes `writes` durable; they must fit.
   *  @throws NO_SPACE, after which it can be tried again; anything else is the end, since nobody can say what the files hold */
  async append(writes: Writes): Promise<void> {
    const lengthBytes = recordBytes(writes)
    const target = lengthBytes <= BUFFER_BYTES ? this.#buffer : Buffer.allocUnsafeSlow(lengthBytes)
    const head = { sequence: this.#sequence + 1, applied: this.#applied }
    encodeRecord(target, head, writes)
    if (this.#failure !== undefined) throw this.#failure
    try {
      await this.#files[this.#active].writeThrough([target.subarray(0, lengthBytes)], this.#offset)
    } catch (cause) {
      const error = storageError(cause, `write to "${this.#files[this.#active].path}"`)
      // Only file systems that write everything anew elsewhere need room here. The next record will replace this one.
      if (error.code === 'NO_SPACE') this.#isUncertain = true
      else this.#failure = error
      await this.#unwrite()
      throw error
    }
    this.#isUncertain = false
    this.#sequence = head.sequence
    this.signals.durable = head.sequence
    this.#recordedApplied = head.applied
    this.#offset += lengthBytes
  }

  /** The store has everything up to the record `sequence`, durably. */
  setApplied(sequence: number): void {
    this.#applied = sequence
    this.signals.applied = sequence
  }

  /** Notes durably how far the store is: from then on it may get ahead of the journal. */
  async recordApplied(): Promise<void> {
    if (this.#recordedApplied === this.#applied && !this.#isUncertain) return
    if (this.#offset + PAGE_BYTES > this.#segmentBytes) this.#swap()
    // There is nothing of this record that the store could lack: with all before it, it is done itself.
    if (this.#applied === this.#sequence) this.#applied += 1
    await this.append(NOTHING)
  }

  /** Goes on in the other file, whose records must all be in the store. */
  async switchFiles(): Promise<void> {
    await this.recordApplied()
    this.#swap()
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.close()
  }

  /** Closes and removes both files, once the store has everything: the one with the newest record, which says so, last. */
  async remove(files: Files): Promise<void> {
    this.setApplied(this.#sequence)
    await this.recordApplied()
    await this.close()
    const [first, second] = this.#files
    for (const { path } of this.#active === 0 ? [second, first] : [first, second]) {
      await files.remove(path)
      await files.syncFolder(dirname(path))
    }
  }

  /** What was refused may be in the file all the same: as well as the disk still does, it is made no record. */
  async #unwrite(): Promise<void> {
    try {
      await this.#files[this.#active].writeThrough([Buffer.alloc(PAGE_BYTES)], this.#offset)
    } catch {
      // Then a restart may show that one step as done. Nobody was told that it is, or built on it.
    }
  }

  #swap(): void {
    this.#active = this.#active === 0 ? 1 : 0
    this.#offset = 0
  }
}

async function openSegment(path: string, { files, segmentBytes }: { files: Files; segmentBytes: number }): Promise<Segment> {
  const file = await openOrMake(path, files)
  try {
    const { sizeBytes } = await file.facts()
    if (sizeBytes < segmentBytes) {
      // Its blocks are there from now on: later no write has to find room or to change anything but contents.
      await file.write(zeros(segmentBytes - sizeBytes), sizeBytes)
      await file.datasync()
    }
    // Whatever the system needs to be ready for it, it gets now.
    await file.writeThrough([], 0)
    return { file, records: await readRecords(file, sizeBytes) }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The same few zeros again and again. */
function zeros(lengthBytes: number): Buffer[] {
  const piece = Buffer.alloc(Math.min(lengthBytes, PAGE_BYTES))
  const pieces = Array.from({ length: Math.floor(lengthBytes / piece.length) }, () => piece)
  return [...pieces, piece.subarray(0, lengthBytes % piece.length)].filter(({ length }) => length > 0)
}

async function openOrMake(path: string, files: Files): Promise<OpenFile> {
  try {
    return await files.open(path, 'update')
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error
    const { freeBytes } = await files.space(dirname(path))
    if (freeBytes < WORTHWHILE_FREE_BYTES)
      throw new ShoalError('NO_SPACE', 'There is too little room for a journal', { cause: error })
    return files.open(path, 'create', 0o600)
  }
}

/** As far as there are any: no more memory is taken than for them, and for one look behind them. */
async function readRecords(file: OpenFile, sizeBytes: number): Promise<JournalRecord[]> {
  const records: JournalRecord[] = []
  let lookBytes = Math.min(LOOK_BYTES, sizeBytes)
  for (let start = 0; start < sizeBytes;) {
    const room = Buffer.allocUnsafeSlow(Math.min(lookBytes, sizeBytes - start))
    const bytes = room.subarray(0, await file.read(room, start))
    const end = takeRecords(bytes, records)
    const missing = missingBytes(bytes.subarray(end))
    // What the last one says of its length may be damaged, as may all of it.
    if (missing === undefined || start + end + missing > sizeBytes || bytes.length < room.length) break
    start += end
    lookBytes = Math.max(LOOK_BYTES, missing)
  }
  return records
}

/** Adds whole records from the beginning on, and says where the next one would begin. */
function takeRecords(bytes: Buffer, records: JournalRecord[]): number {
  let at = 0
  while (at < bytes.length) {
    const record = decodeRecord(bytes, at)
    const previous = records.at(-1)
    if (record === undefined || (previous !== undefined && record.sequence !== previous.sequence + 1)) break
    records.push(record)
    at += record.lengthBytes
  }
  return at
}

/** How many bytes there must be from here on to tell whether it is a record; `undefined` if there are so many. */
function missingBytes(rest: Buffer): number | undefined {
  const neededBytes = rest.length < PAGE_BYTES ? PAGE_BYTES : (recordEnd(rest) ?? 0)
  return neededBytes > rest.length ? neededBytes : undefined
}

function recover([first, second]: readonly [Segment, Segment]): {
  state: Omit<JournalState, 'segmentBytes' | 'signals'>
  unapplied: WriteSet
} {
  const newest = (segment: Segment): number => segment.records.at(-1)?.sequence ?? 0
  const active = newest(second) > newest(first) ? 1 : 0
  const [older, newer] = active === 1 ? [first, second] : [second, first]
  const all = [...older.records, ...newer.records]
  const applied = all.reduce((most, record) => Math.max(most, record.applied), 0)
  const needed = all.filter((record) => record.sequence > applied)
  const isWhole = needed.every((record, index) => record.sequence === applied + 1 + index)
  if (!isWhole) {
    throw new ShoalError(
      'STORAGE_FAILED',
      `The journal is damaged: changes from number ${applied + 1} on were acknowledged, and not all of them are in it. Restore the data folder from a backup`,
    )
  }
  const unapplied = new WriteSet()
  for (const { writes } of needed) for (const write of writes) unapplied.set(nameOfKey(write.key), write)
  const offset = newer.records.reduce((sum, record) => sum + record.lengthBytes, 0)
  return { state: { files: [first.file, second.file], active, offset, sequence: newest(newer), applied }, unapplied }
}
