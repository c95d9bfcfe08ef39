import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AppendFile, AppendFiles } from '#platform/append-files.ts'
import { checksumOf } from '#platform/block-checksums.ts'
import { storageError } from '#platform/files.ts'
import type { JournalPlace } from './content-layer.ts'
import { decodeRecord, encodeRecord, type JournalChange, type JournalSent, type JournalSettled } from './journal-record.ts'

/** docs/formats/mount-journal.md */
const MAGIC = 'shoal mount journal\n'
const FORMAT = 1
/** Lengths of header and bytes, and the checksum over what follows. */
const PREFIX_BYTES = 12
/** A segment that has more is followed by the next one: room is given back in such steps. */
const SEGMENT_BYTES = 32 * 1024 * 1024
/** A segment of which nothing is needed any more goes on, while it is that short. */
const KEPT_BYTES = 256 * 1024
/** So that they fit into what a file takes in one piece. */
const SETTLED_AT_ONCE = 64
const HEADER_BYTES_MAX = 256 * 1024
const BYTES_MAX = 256 * 1024 * 1024

export interface JournalOptions {
  readonly files: AppendFiles
  /** Absolute. */
  readonly folder: string
  /** Whose changes these are: no journal of another volume is taken up. */
  readonly volume: string
}

/** A change that the journal of an earlier mount has and the cluster may not have. */
export interface PendingChange {
  readonly number: number
  readonly change: JournalChange
  readonly place: JournalPlace
  /** What was under way together. */
  readonly group: number | undefined
}

interface Segment {
  readonly id: number
  readonly path: string
  readonly file: AppendFile
  /** Changes in it that aren't settled. */
  readonly open: Set<number>
  readers: number
  isRemoved: boolean
  /** Something in it may not survive a power failure. */
  isDirty: boolean
}

interface Scanned {
  readonly changes: Omit<PendingChange, 'group'>[]
  /** By number of a change. */
  readonly groups: Map<number, number>
  readonly settled: JournalSettled[]
}

/** The changes of a mount that the cluster hasn't got yet, on the local disk: appended before a program is told that they are made.
 *  A process that is killed leaves all of them; of what was appended within the last second a power failure may take the end. */
export class Journal {
  readonly #options: JournalOptions
  readonly #lock: AppendFile
  readonly #segments: Segment[] = []
  readonly #segmentOf = new Map<number, Segment>()
  readonly #unwritten: JournalSettled[] = []
  #isSettling = false
  #lastNumber = 0
  #lastInode: number

  private constructor(options: JournalOptions, { lock, firstInode }: { readonly lock: AppendFile; readonly firstInode: number }) {
    this.#options = options
    this.#lock = lock
    this.#lastInode = firstInode
  }

  /** Opens the journal of a folder, and gives what an earlier mount has left in it, in order, each with what the cluster was last
   *  heard to have of its file.
   *  @throws DATA_IN_USE, DATA_FORMAT (a newer version, another volume), CORRUPT, NO_SPACE, STORAGE_FAILED */
  static open(
    options: JournalOptions,
    firstInode: number,
  ): { readonly journal: Journal; readonly pending: readonly PendingChange[] } {
    const { files, folder } = options
    const lock = storing('open the journal', () => files.open(`${folder}/lock`))
    if (!lock.tryLock()) {
      lock.close()
      throw new ShoalError('DATA_IN_USE', `Another mount uses the journal in "${folder}", or is still sending what it holds`)
    }
    const journal = new Journal(options, { lock, firstInode })
    try {
      return { journal, pending: journal.#recover() }
    } catch (error) {
      journal.close()
      throw error
    }
  }

  /** What the files of the journal hold. */
  get sizeBytes(): number {
    return this.#segments.reduce((sum, { file }) => sum + file.sizeBytes, 0)
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
  ): { readonly number: number; readonly place: JournalPlace } {
    const number = this.#lastNumber + 1
    const { segment, end } = this.#write(frameOf(encodeRecord({ number, change }), bytes))
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
      this.#write(records.flatMap((record) => frameOf(encodeRecord(record))))
      this.#unwritten.splice(0, records.length)
      for (const number of records.flatMap((record) => record.numbers)) {
        this.#segmentOf.get(number)?.open.delete(number)
        this.#segmentOf.delete(number)
      }
    }
    this.#clear()
  }

  /** These changes are sent from now on, those of each list in one step. @throws NO_SPACE, STORAGE_FAILED */
  sending(groups: readonly (readonly number[])[]): void {
    const record: JournalSent = { op: 'sent', groups }
    this.#write(frameOf(encodeRecord(record)))
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
  async sync(): Promise<void> {
    this.#writeSettled()
    await Promise.all(this.#segments.filter(({ isDirty }) => isDirty).map((segment) => this.#flush(segment)))
  }

  async #flush(segment: Segment): Promise<void> {
    segment.isDirty = false
    segment.readers += 1
    try {
      await segment.file.datasync()
    } catch (error) {
      segment.isDirty = true
      throw storageError(error, 'flush the journal')
    } finally {
      this.#release(segment)
    }
  }

  /** Once. */
  close(): void {
    for (const segment of this.#segments) if (segment.readers === 0) segment.file.close()
    this.#lock.close()
  }

  #opened(number: number, segment: Segment): void {
    segment.open.add(number)
    this.#segmentOf.set(number, segment)
  }

  /** `end`: behind the last one of the records. */
  #write(frames: readonly Uint8Array[]): { segment: Segment; end: number } {
    const segment = this.#last()
    storing('write to the journal', () => segment.file.append(frames))
    segment.isDirty = true
    return { segment, end: segment.file.sizeBytes }
  }

  #last(): Segment {
    const last = this.#segments.at(-1)
    if (last !== undefined && last.file.sizeBytes < SEGMENT_BYTES) return last
    const { files, folder, volume } = this.#options
    const id = (last?.id ?? 0) + 1
    const path = `${folder}/${String(id).padStart(8, '0')}.journal`
    return storing('make a segment of the journal', () => {
      const file = files.open(path)
      file.append([Buffer.from(`${MAGIC}${JSON.stringify({ format: FORMAT, volume })}\n`)])
      const segment = { id, path, file, open: new Set<number>(), readers: 0, isRemoved: false, isDirty: true }
      this.#segments.push(segment)
      return segment
    })
  }

  /** Segments go from the front, so that what settles a change stays as long as the change. */
  #clear(): void {
    for (let first = this.#segments[0]; first !== undefined && first.open.size === 0; first = this.#segments[0]) {
      const isOnly = this.#segments.length === 1
      if (isOnly && first.file.sizeBytes < KEPT_BYTES) return
      this.#segments.shift()
      this.#options.files.remove(first.path)
      first.isRemoved = true
      if (first.readers === 0) first.file.close()
    }
  }

  #release(segment: Segment): void {
    segment.readers -= 1
    if (segment.readers === 0 && segment.isRemoved) segment.file.close()
  }

  #recover(): PendingChange[] {
    const { files, folder } = this.#options
    const names = files.list(folder).filter((name) => /^\d{8}\.journal$/.test(name))
    const scanned: Scanned = { changes: [], settled: [], groups: new Map() }
    for (const [index, name] of names.entries()) {
      const path = `${folder}/${name}`
      const file = storing('open the journal', () => files.open(path))
      this.#segments.push({
        id: Number.parseInt(name, 10),
        path,
        file,
        open: new Set(),
        readers: 0,
        isRemoved: false,
        isDirty: true,
      })
      this.#scan(this.#segments.at(-1) as Segment, { isLast: index === names.length - 1, into: scanned })
    }
    const settled = new Set(scanned.settled.flatMap(({ numbers }) => numbers))
    const known = new Map(scanned.settled.flatMap(({ inode, entry }) => (entry === undefined ? [] : [[inode, entry] as const])))
    const pending = scanned.changes.filter(({ number }) => !settled.has(number))
    for (const { number, place } of pending)
      this.#opened(number, this.#segments.find(({ id }) => id === place.segment) as Segment)
    this.#clear()
    return pending.map((one) => ({ ...one, change: withKnown(one.change, known), group: scanned.groups.get(one.number) }))
  }

  #scan(segment: Segment, { isLast, into }: { readonly isLast: boolean; readonly into: Scanned }): void {
    const { file, path, id } = segment
    let at = this.#checkHead(segment)
    while (at < file.sizeBytes) {
      const record = readRecord(file, at)
      if (record === undefined) {
        if (!isLast || !isTorn(file, at)) {
          throw new ShoalError(
            'CORRUPT',
            `The journal "${path}" is damaged at byte ${at}. To give up what is behind it: truncate -s ${at} "${path}", and remove the later files beside it`,
          )
        }
        file.cut(at)
        return
      }
      const { header, bytesAt, end } = record
      const decoded = decodeRecord(header)
      if ('op' in decoded) {
        if (decoded.op === 'settled') into.settled.push(decoded)
        else for (const group of decoded.groups) for (const number of group) into.groups.set(number, group[0] ?? number)
      } else {
        into.changes.push({ ...decoded, place: { segment: id, position: bytesAt } })
        this.#lastNumber = Math.max(this.#lastNumber, decoded.number)
        this.#lastInode = Math.max(this.#lastInode, decoded.change.inode)
      }
      at = end
    }
  }

  /** Where the records begin. A head that was not written whole has nothing behind it. */
  #checkHead({ file, path }: Segment): number {
    const head = Buffer.alloc(Math.min(file.sizeBytes, 1024))
    file.read(head, 0)
    const end = head.indexOf(10, MAGIC.length)
    const isOurs = head.subarray(0, MAGIC.length).toString('latin1') === MAGIC.slice(0, head.length)
    if (isOurs && end < 0 && head.length < 1024) {
      file.cut(0)
      file.append([Buffer.from(`${MAGIC}${JSON.stringify({ format: FORMAT, volume: this.#options.volume })}\n`)])
      return file.sizeBytes
    }
    const facts = isOurs
      ? (JSON.parse(head.toString('utf8', MAGIC.length, end)) as { format: number; volume: string })
      : undefined
    if (facts?.format !== FORMAT) {
      const what =
        facts === undefined ? 'is no journal of a mount' : `has format ${facts.format}, and this version reads ${FORMAT}`
      throw new ShoalError(
        'DATA_FORMAT',
        `"${path}" ${what}: mount with the version that wrote it, so that it can send what it holds`,
      )
    }
    if (facts.volume !== this.#options.volume) {
      throw new ShoalError(
        'DATA_FORMAT',
        `"${path}" holds changes to ${facts.volume}, not to ${this.#options.volume}: mount that there first, or move the folder away`,
      )
    }
    return end + 1
  }
}

/** A record, in pieces. */
function frameOf(header: Buffer, bytes?: Uint8Array): readonly Uint8Array[] {
  const pieces = bytes === undefined || bytes.length === 0 ? [header] : [header, bytes]
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES)
  prefix.writeUInt32LE(header.length, 0)
  prefix.writeUInt32LE(bytes?.length ?? 0, 4)
  prefix.writeUInt32LE(checksumOf(pieces), 8)
  return [prefix, ...pieces]
}

function readRecord(file: AppendFile, at: number): { header: Buffer; bytesAt: number; end: number } | undefined {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  if (file.read(prefix, at) < PREFIX_BYTES) return undefined
  const [headerBytes, lengthBytes] = [prefix.readUInt32LE(0), prefix.readUInt32LE(4)]
  if (headerBytes > HEADER_BYTES_MAX || lengthBytes > BYTES_MAX) return undefined
  const body = Buffer.allocUnsafe(headerBytes + lengthBytes)
  if (file.read(body, at + PREFIX_BYTES) < body.length) return undefined
  const header = body.subarray(0, headerBytes)
  if (checksumOf([body]) !== prefix.readUInt32LE(8)) return undefined
  const bytesAt = at + PREFIX_BYTES + headerBytes
  return { header, bytesAt, end: bytesAt + lengthBytes }
}

/** Whether a record ends where the file does: the one that was being written when everything stopped. */
function isTorn(file: AppendFile, at: number): boolean {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  if (file.read(prefix, at) < PREFIX_BYTES) return true
  const [headerBytes, lengthBytes] = [prefix.readUInt32LE(0), prefix.readUInt32LE(4)]
  return (
    headerBytes <= HEADER_BYTES_MAX && lengthBytes <= BYTES_MAX && at + PREFIX_BYTES + headerBytes + lengthBytes >= file.sizeBytes
  )
}

function withKnown(change: JournalChange, known: ReadonlyMap<InodeId, Attributes>): JournalChange {
  const base = known.get(change.inode)
  const based = base === undefined ? change : { ...change, base }
  if (based.op !== 'rename' || based.replaces === undefined) return based
  const replaced = known.get(based.replaces.inode)
  return replaced === undefined ? based : { ...based, replaces: { ...based.replaces, base: replaced } }
}

function storing<T>(doing: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw storageError(error, doing)
  }
}
