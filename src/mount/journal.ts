import { basename } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AppendFile, AppendFiles } from '#platform/append-files.ts'
import { storageError } from '#platform/files.ts'
import type { JournalPlace } from './content-layer.ts'
import { type Framed, framesOf, isTorn, storing } from './journal-frames.ts'
import { leftOver, type PendingChange } from './journal-left-over.ts'
import { FORMAT, headOf } from './journal-head.ts'
import { markGap, type Scanned, scanSegment, type Segment } from './journal-scan.ts'
import { JournalRoom, type JournalRoomOptions } from './journal-room.ts'
import { encodeRecord, type JournalChange, type JournalFlushed, type JournalSent, type JournalSettled } from './journal-record.ts'

/** A segment that has more is followed by the next one: room is given back in such steps. */
const SEGMENT_BYTES = 32 * 1024 * 1024
/** A segment of which nothing is needed any more goes on, while it is that short. */
const KEPT_BYTES = 256 * 1024
/** So that they fit into what a file takes in one piece. */
const SETTLED_AT_ONCE = 64

const FRESH = { format: FORMAT, open: 0, readers: 0, isRemoved: false, isLost: false, isDirty: true }

export interface JournalOptions extends Pick<JournalRoomOptions, 'makeRoom'> {
  readonly files: AppendFiles
  /** Absolute. */
  readonly folder: string
  /** Whose changes these are: no journal of another volume is taken up. */
  readonly volume: string
}

/** What a power failure has taken the end of. */
export interface CutOff {
  readonly path: string
  readonly bytes: number
}

/** The changes of a mount that the cluster hasn't got yet, on the local disk: appended before a program is told that they are made.
 *  A process that is killed leaves all of them; of what was appended within the last second a power failure may take the end. */
export class Journal {
  readonly #options: JournalOptions
  #lock: AppendFile
  readonly #room: JournalRoom
  readonly #segments: Segment[] = []
  readonly #segmentOf = new Map<number, Segment>()
  readonly #unwritten: JournalSettled[] = []
  readonly #cutOff: CutOff[] = []
  #isSettling = false
  /** Something was appended since the last flush that doesn't wait for a later one. */
  #isUrgent = false
  #syncing: Promise<void> = Promise.resolve()
  #lastNumber = 0
  #lastInode: number

  private constructor(options: JournalOptions, { lock, firstInode }: { readonly lock: AppendFile; readonly firstInode: number }) {
    this.#options = options
    this.#lock = lock
    this.#room = new JournalRoom({ ...options, path: `${options.folder}/reserve` })
    this.#lastInode = firstInode
  }

  /** Opens the journal of a folder, and gives what an earlier mount has left in it, in order, each with what the cluster was last
   *  heard to have of its file; `cutOff` is what could not be read of its end, and is gone.
   *  @throws DATA_IN_USE, DATA_FORMAT (a newer version, another volume), CORRUPT, NO_SPACE, STORAGE_FAILED */
  static open(
    options: JournalOptions,
    firstInode: number,
  ): { readonly journal: Journal; readonly pending: readonly PendingChange[]; readonly cutOff: readonly CutOff[] } {
    const lock = lockOf(options)
    const journal = new Journal(options, { lock, firstInode })
    try {
      return { journal, pending: journal.#recover(), cutOff: journal.#cutOff.filter(({ bytes }) => bytes > 0) }
    } catch (error) {
      journal.close()
      throw error
    }
  }

  /** What the files of the journal hold. */
  get sizeBytes(): number {
    return this.#segments.reduce((sum, { file }) => sum + file.sizeBytes, 0)
  }

  /** Hears of the first change after a flush that is to be flushed soon. */
  onUrgent: () => void = () => undefined

  get isUrgent(): boolean {
    return this.#isUrgent
  }

  /** What was appended doesn't wait any more. */
  hurry(): void {
    if (this.#isUrgent) return
    this.#isUrgent = true
    this.onUrgent()
  }

  /** A number under which the mount shows what it makes. */
  newInode(): InodeId {
    this.#lastInode += 1
    return this.#lastInode as InodeId
  }

  /** @throws NO_SPACE, STORAGE_FAILED: then it isn't in the journal */
  append(
    change: JournalChange,
    bytes: Uint8Array = new Uint8Array(0),
    { mayWait = false }: { readonly mayWait?: boolean } = {},
  ): { readonly number: number; readonly place: JournalPlace } {
    const number = this.#lastNumber + 1
    const { segment, end } = this.#write([{ header: encodeRecord({ number, change }), bytes }], { mayWait })
    this.#lastNumber = number
    this.#opened(number, segment)
    return { number, place: { segment: segment.id, position: end - bytes.length } }
  }

  /** The cluster has these changes: they aren't brought up any more. It is written at the end of the turn, with all that are settled in
   *  it. Where that can't be done, `sync` tries again, and says why. */
  settle(numbers: readonly number[], inode: InodeId, entry: Attributes | undefined): void {
    this.#unwritten.push({ op: 'settled', numbers, inode, ...(entry === undefined ? {} : { entry }) })
    if (this.#isSettling) return
    this.#isSettling = true
    queueMicrotask(() => {
      this.#isSettling = false
      try {
        this.#writeSettled()
      } catch {
        // A mount that reads the journal before finds them done in the cluster.
      }
    })
  }

  #writeSettled(): void {
    while (this.#unwritten.length > 0) {
      const records = this.#unwritten.slice(0, SETTLED_AT_ONCE)
      const framed = records.map((record) => ({ header: encodeRecord(record) }))
      this.#write(framed, { isOfReserve: true })
      this.#unwritten.splice(0, records.length)
      for (const { numbers } of records) for (const number of numbers) this.#wasSettled(number)
    }
    this.#clear()
  }

  /** These changes are sent from now on, those of each list in one step. @throws NO_SPACE, STORAGE_FAILED */
  sending(groups: readonly (readonly number[])[]): void {
    const record: JournalSent = { op: 'sent', groups }
    this.#write([{ header: encodeRecord(record) }], { isOfReserve: true })
  }

  /** The file that a place lies in, as long as something in it is pending. */
  pathOf({ segment: id }: JournalPlace): string | undefined {
    return this.#segments.find((one) => one.id === id)?.path
  }

  /** Into `target`, where one is given. */
  read({ segment: id, position }: JournalPlace, length: number, target?: Buffer): Buffer {
    const segment = this.#segments.find((one) => one.id === id)
    const bytes = target?.subarray(0, length) ?? Buffer.allocUnsafe(length)
    if (segment === undefined || segment.file.read(bytes, position) < length)
      throw new ShoalError('CORRUPT', `The journal in "${this.#options.folder}" has lost bytes that were written to it`)
    return bytes
  }

  /** Makes what was appended survive a power failure. @throws NO_SPACE, STORAGE_FAILED */
  sync(): Promise<void> {
    const synced = this.#syncing.then(() => this.#sync())
    this.#syncing = synced.catch(() => undefined)
    return synced
  }

  async #sync(): Promise<void> {
    this.#writeSettled()
    this.#room.refill()
    this.#isUrgent = false
    const dirty = this.#segments.filter(({ isDirty }) => isDirty)
    const last = this.#segments.at(-1)
    if (dirty.length === 0 || last === undefined) return
    const flushed: JournalFlushed = { op: 'flushed', segment: last.id, position: last.file.sizeBytes }
    await Promise.all(dirty.map((segment) => this.#flush(segment)))
    this.#tellFlushed(flushed)
  }

  /** Needs no flush itself: where it gets lost, more of the end counts as what the power failure may have taken. */
  #tellFlushed(record: JournalFlushed): void {
    const segment = this.#segments.at(-1)
    if (segment?.format !== FORMAT) return
    try {
      segment.file.append(framesOf([{ header: encodeRecord(record) }]))
    } catch {
      // There is no room: whoever writes the next change is told.
    }
  }

  async #flush(segment: Segment): Promise<void> {
    segment.isDirty = false
    segment.readers += 1
    try {
      await segment.file.datasync()
    } catch (error) {
      segment.isDirty = true
      this.hurry()
      throw storageError(error, 'flush the journal')
    } finally {
      this.#release(segment)
    }
  }

  /** Where nothing is left to be sent nothing is left: a later mount of the directory may be one of another volume. To be followed by `close`. */
  clearAway(): void {
    if (this.#segmentOf.size > 0) return
    for (const segment of this.#segments.splice(0)) this.#remove(segment)
  }

  /** Whether what is pending lies where the next mount doesn't find it, since somebody has removed files of the journal. What comes goes into
   *  a new one. */
  get hasLost(): boolean {
    return this.#segments.some(({ isLost, open }) => isLost && open > 0)
  }

  /** Looks which of its files somebody has removed since, and gives their paths. @throws the system's errors, DATA_IN_USE */
  missed(): readonly string[] {
    const { files, folder } = this.#options
    const names = new Set(files.list(folder))
    const missed = this.#segments.filter(({ path, isLost }) => !isLost && !names.has(basename(path)))
    for (const segment of missed) segment.isLost = true
    if (!names.has('lock')) this.#relock()
    return missed.map(({ path }) => path)
  }

  #relock(): void {
    const lock = lockOf(this.#options)
    this.#lock.close()
    this.#lock = lock
  }

  /** Once. */
  close(): void {
    for (const segment of this.#segments) if (segment.readers === 0) segment.file.close()
    this.#room.close()
    this.#lock.close()
  }

  #opened(number: number, segment: Segment): void {
    segment.open += 1
    this.#segmentOf.set(number, segment)
  }

  #wasSettled(number: number): void {
    const segment = this.#segmentOf.get(number)
    if (segment === undefined) return
    segment.open -= 1
    this.#segmentOf.delete(number)
  }

  /** `end`: behind the last one of the records. */
  #write(
    records: readonly Framed[],
    { mayWait = false, isOfReserve = false }: { readonly mayWait?: boolean; readonly isOfReserve?: boolean } = {},
  ): { segment: Segment; end: number } {
    const write = (): Segment => {
      const segment = this.#last()
      segment.file.append(framesOf(records))
      return segment
    }
    const doing = 'write to the journal'
    const segment = isOfReserve ? this.#room.writeOfReserve(doing, write) : this.#room.write(doing, write)
    segment.isDirty = true
    if (!mayWait) this.hurry()
    return { segment, end: segment.file.sizeBytes }
  }

  #last(): Segment {
    const last = this.#segments.at(-1)
    if (last?.format === FORMAT && !last.isLost && last.file.sizeBytes < SEGMENT_BYTES) return last
    const { files, folder } = this.#options
    const id = (last?.id ?? 0) + 1
    const path = `${folder}/${String(id).padStart(8, '0')}.journal`
    const file = files.open(path)
    try {
      file.append([headOf(this.#options.volume)])
    } catch (error) {
      file.close()
      throw error
    }
    const segment: Segment = { id, path, file, ...FRESH }
    this.#segments.push(segment)
    return segment
  }

  /** Segments go from the front, so that what settles a change stays as long as the change. */
  #clear(): void {
    for (let first = this.#segments[0]; first !== undefined && first.open === 0; first = this.#segments[0]) {
      const isOnly = this.#segments.length === 1
      if (isOnly && first.file.sizeBytes < KEPT_BYTES) return
      this.#segments.shift()
      this.#remove(first)
    }
  }

  #remove(segment: Segment): void {
    this.#options.files.remove(segment.path)
    segment.isRemoved = true
    if (segment.readers === 0) segment.file.drop()
  }

  #release(segment: Segment): void {
    segment.readers -= 1
    if (segment.readers === 0 && segment.isRemoved) segment.file.drop()
  }

  #recover(): readonly PendingChange[] {
    const { files, folder } = this.#options
    const names = files.list(folder).filter((name) => /^\d{8}\.journal$/.test(name))
    const read = names.map((name) => {
      const path = `${folder}/${name}`
      const file = storing('open the journal', () => files.open(path))
      const id = Number.parseInt(name, 10)
      const segment: Segment = { id, path, file, ...FRESH }
      this.#segments.push(segment)
      return scanSegment(segment, this.#options.volume)
    })
    markGap(read)
    const scanned = this.#withoutTornEnd(read)
    const { pending, lastNumber, lastInode } = leftOver(scanned)
    const foreign = scanned.find((one) => one.foreign !== undefined)?.foreign
    if (foreign !== undefined) {
      if (pending.length > 0) throw foreign
      this.#giveUp()
    }
    this.#lastNumber = lastNumber
    this.#lastInode = Math.max(this.#lastInode, lastInode)
    for (const { number, place } of pending)
      this.#opened(number, this.#segments.find(({ id }) => id === place.segment) as Segment)
    this.#clear()
    return pending
  }

  /** Nothing in it is needed any more. */
  #giveUp(): void {
    storing('give up the journal of another volume', () => {
      for (const { path, file } of this.#segments.splice(0).toReversed()) {
        this.#options.files.remove(path)
        file.close()
      }
    })
  }

  /** What is damaged behind all that was flushed is what a power failure has taken, with all that follows: it is cut off.
   *  @throws CORRUPT, DATA_FORMAT */
  #withoutTornEnd(scanned: readonly Scanned[]): readonly Scanned[] {
    const index = scanned.findIndex(({ damage }) => damage !== undefined)
    const torn = scanned[index]
    if (torn?.damage === undefined) return scanned
    const { segment, damage } = torn
    const isBehind = ({ segment: id, position }: JournalFlushed): boolean =>
      id < segment.id || (id === segment.id && position <= damage.at)
    const isLast = index === scanned.length - 1
    const isTaken =
      segment.format > 1 ? scanned.every(({ flushed }) => flushed.every(isBehind)) : isLast && isTorn(segment.file, damage.at)
    if (!isTaken) throw damage.error
    storing('cut off the torn end of the journal', () => {
      // The last ones first: what is left is always a beginning.
      for (const { segment: later } of scanned.slice(index + 1).toReversed()) {
        this.#options.files.remove(later.path)
        this.#cutOff.unshift({ path: later.path, bytes: later.file.sizeBytes })
        later.file.close()
        this.#segments.pop()
      }
      this.#cutOff.unshift({ path: segment.path, bytes: segment.file.sizeBytes - damage.at })
      segment.file.cut(damage.at)
      if (damage.at === 0) segment.file.append([headOf(this.#options.volume)])
    })
    return scanned.slice(0, index + 1)
  }
}

/** @throws DATA_IN_USE, STORAGE_FAILED */
function lockOf({ files, folder }: JournalOptions): AppendFile {
  const lock = storing('open the journal', () => files.open(`${folder}/lock`))
  if (lock.tryLock()) return lock
  lock.close()
  throw new ShoalError('DATA_IN_USE', `Another mount uses the journal in "${folder}", or is still sending what it holds`)
}
