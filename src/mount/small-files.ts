import type { Log } from '#observe/log.ts'
import type { AppendFile, AppendFiles } from '#platform/append-files.ts'
import { checksumOf } from '#platform/block-checksums.ts'

/** Lengths of name and contents, and the checksum over both. */
const PREFIX_BYTES = 12
/** A pack that has more is followed by the next one: room is given back in such steps. Each has a descriptor, so there are few. */
const PACK_BYTES = 16 * 1024 * 1024
const PACKS_MAX = 64
/** What is kept in memory of each is about 200 bytes. */
const FILES_MAX = 200_000
const NAME_BYTES_MAX = 256
/** What a file takes in one piece. */
const AT_ONCE_BYTES = 64 * 1024

export interface SmallFilesOptions {
  readonly files: AppendFiles
  /** Absolute; of these alone. */
  readonly folder: string
  readonly bytesMax: number
  readonly log: Log
}

export interface SmallFile {
  readonly name: string
  readonly bytes: Uint8Array
}

interface PackRecord extends SmallFile {
  /** Prefix and name. */
  readonly head: Buffer
  readonly checksum: number
}

interface Pack {
  readonly path: string
  readonly file: AppendFile
  readonly names: Set<string>
}

interface Place {
  readonly pack: Pack
  /** Of the name, behind which the contents are. */
  readonly position: number
  readonly nameBytes: number
  readonly length: number
  readonly checksum: number
}

/** Contents of small files by name, many in one file of the disk: to append to it takes a tenth of the time that it takes to make a
 *  file. The packs that weren't used for longest go first. */
export class SmallFiles {
  readonly #options: SmallFilesOptions
  readonly #packBytes: number
  /** The least recently used first. */
  readonly #packs = new Set<Pack>()
  readonly #places = new Map<string, Place>()
  /** The one that grows. */
  #last: Pack | undefined
  #lastId = 0
  #sizeBytes = 0
  #hasFailed = false

  constructor(options: SmallFilesOptions) {
    this.#options = options
    this.#packBytes = Math.min(Math.max(PACK_BYTES, options.bytesMax / PACKS_MAX), options.bytesMax / 2)
    const names = this.#trying(() => options.files.list(options.folder)) ?? []
    for (const name of names.filter((one) => /^\d{8}\.pack$/.test(one))) this.#trying(() => this.#find(name))
    this.#evict()
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  has(name: string): boolean {
    return this.#places.has(name)
  }

  /** What was put there, if it is undamaged. */
  get(name: string): Buffer | undefined {
    const place = this.#places.get(name)
    if (place === undefined) return undefined
    const { pack, position, nameBytes, length, checksum } = place
    const bytes = Buffer.allocUnsafe(nameBytes + length)
    const got = this.#trying(() => pack.file.read(bytes, position))
    if (got === bytes.length && checksumOf([bytes]) === checksum) {
      this.#used(pack)
      return bytes.subarray(nameBytes)
    }
    this.#options.log.warn('A file of the cache was damaged, and is fetched again', { file: name })
    this.#places.delete(name)
    pack.names.delete(name)
    return undefined
  }

  /** Many in one piece: each call of the system takes as long as the bytes of a few. */
  put(files: readonly SmallFile[]): void {
    let records: PackRecord[] = []
    let sizeBytes = 0
    for (const { name, bytes } of files) {
      if (this.#places.has(name)) continue
      const record = recordOf(name, bytes)
      if (record.head.length - PREFIX_BYTES > NAME_BYTES_MAX || sizeOf(record) > this.#packBytes) continue
      if (sizeBytes > 0 && sizeBytes + sizeOf(record) > Math.min(AT_ONCE_BYTES, this.#packBytes)) {
        this.#append(records)
        records = []
        sizeBytes = 0
      }
      records.push(record)
      sizeBytes += sizeOf(record)
    }
    if (records.length > 0) this.#append(records)
  }

  #append(records: readonly PackRecord[]): void {
    const written = this.#trying(() => {
      const pack = this.#growing()
      return { pack, start: pack.file.append(records.flatMap(({ head, bytes }) => [head, bytes])) }
    })
    if (written === undefined) return
    const { pack, start } = written
    this.#used(pack)
    let at = start
    for (const record of records) {
      const { name, head, bytes, checksum } = record
      const nameBytes = head.length - PREFIX_BYTES
      this.#places.set(name, { pack, position: at + PREFIX_BYTES, nameBytes, length: bytes.length, checksum })
      pack.names.add(name)
      at += sizeOf(record)
    }
    this.#sizeBytes += at - start
    this.#hasFailed = false
    this.#evict()
  }

  #used(pack: Pack): void {
    this.#packs.delete(pack)
    this.#packs.add(pack)
  }

  #growing(): Pack {
    if (this.#last !== undefined && this.#last.file.sizeBytes < this.#packBytes) return this.#last
    const { files, folder } = this.#options
    this.#lastId += 1
    const path = `${folder}/${String(this.#lastId).padStart(8, '0')}.pack`
    const pack = { path, file: files.open(path), names: new Set<string>() }
    this.#packs.add(pack)
    this.#last = pack
    return pack
  }

  /** What an earlier process has left. Contents are compared with their checksums when they are read. */
  #find(fileName: string): void {
    const { files, folder } = this.#options
    const path = `${folder}/${fileName}`
    const pack: Pack = { path, file: files.open(path), names: new Set() }
    this.#packs.add(pack)
    this.#last = pack
    this.#lastId = Number.parseInt(fileName, 10)
    const head = Buffer.alloc(PREFIX_BYTES + NAME_BYTES_MAX)
    const { sizeBytes } = pack.file
    let at = 0
    while (at < sizeBytes) {
      const got = pack.file.read(head, at)
      const [nameBytes, length] = [head.readUInt32LE(0), head.readUInt32LE(4)]
      const end = at + PREFIX_BYTES + nameBytes + length
      if (nameBytes > NAME_BYTES_MAX || got < PREFIX_BYTES + nameBytes || end > sizeBytes) break
      const name = head.toString('utf8', PREFIX_BYTES, PREFIX_BYTES + nameBytes)
      this.#places.set(name, { pack, position: at + PREFIX_BYTES, nameBytes, length, checksum: head.readUInt32LE(8) })
      pack.names.add(name)
      at = end
    }
    // What was being written when everything stopped.
    if (at < sizeBytes) pack.file.cut(at)
    this.#sizeBytes += at
  }

  #evict(): void {
    for (const pack of this.#packs) {
      if (this.#sizeBytes <= this.#options.bytesMax && this.#places.size <= FILES_MAX) return
      this.#drop(pack)
    }
  }

  /** Drops what was used least recently. Whether there was something. */
  giveWay(): boolean {
    const [oldest] = this.#packs
    if (oldest !== undefined) this.#drop(oldest)
    return oldest !== undefined
  }

  #drop(pack: Pack): void {
    this.#packs.delete(pack)
    if (this.#last === pack) this.#last = undefined
    for (const name of pack.names) if (this.#places.get(name)?.pack === pack) this.#places.delete(name)
    this.#sizeBytes -= pack.file.sizeBytes
    this.#trying(() => {
      pack.file.close()
      this.#options.files.remove(pack.path)
    })
  }

  /** A disk that is full or broken costs speed, and nothing else. */
  #trying<T>(act: () => T): T | undefined {
    try {
      return act()
    } catch (error) {
      if (!this.#hasFailed)
        this.#options.log.warn('The cache of contents can’t be kept: they are fetched again each time', { error })
      this.#hasFailed = true
      return undefined
    }
  }
}

function recordOf(name: string, bytes: Uint8Array): PackRecord {
  const head = Buffer.from('\0'.repeat(PREFIX_BYTES) + name)
  const checksum = checksumOf([head.subarray(PREFIX_BYTES), bytes])
  head.writeUInt32LE(head.length - PREFIX_BYTES, 0)
  head.writeUInt32LE(bytes.length, 4)
  head.writeUInt32LE(checksum, 8)
  return { name, bytes, head, checksum }
}

function sizeOf({ head, bytes }: PackRecord): number {
  return head.length + bytes.length
}
