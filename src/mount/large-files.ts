import type { Log } from '#observe/log.ts'
import type { AppendFile, AppendFiles } from '#platform/append-files.ts'
import { checksumOf } from '#platform/block-checksums.ts'
import type { Clock } from '#platform/clock.ts'
import type { BlockMemory } from './block-memory.ts'

/** A checksum goes with so many bytes. */
export const BLOCK_BYTES = 1024 * 1024
const SUMS = '.sums'
/** One for each block that is here: its number and its checksum. Of two the later one counts, and of a block that is lost the number says so. */
const RECORD_BYTES = 8
const LOST = 0x8000_0000
/** Of each are two files, in one folder. */
const FILES_MAX = 50_000
/** Each has two descriptors. */
const OPEN_MAX = 32

export interface LargeFilesOptions {
  readonly files: AppendFiles
  /** Absolute; of these alone. */
  readonly folder: string
  /** As it is at the moment. */
  readonly bytesMax: () => number
  /** For what is looked through. */
  readonly room: BlockMemory
  readonly clock: Pick<Clock, 'sleep'>
  readonly log: Log
}

/** Where bytes belong: a block of a file by its name, which ends with how long it is. */
export interface BlockPlace {
  readonly file: string
  readonly index: number
}

interface Large {
  readonly name: string
  readonly sizeBytes: number
  /** Checksums by block, of those that are here. */
  readonly sums: Map<number, number>
  /** Those that this process has written or read. What lay on the disk before it may have been damaged since. */
  readonly checked: Set<number>
  open: { readonly data: AppendFile; readonly sums: AppendFile } | undefined
  writes: number
  isGone: boolean
}

/** Contents of large files, as far as they are here: each block at its place in one file of the disk, so that the kernel can read by itself
 *  what is here as a whole; beside it the checksums of its blocks. To make a file for each block has ext4 look at all inodes that were given
 *  back lately, which takes longer than to write a mebibyte. The least recently used files go first. */
export class LargeFiles {
  readonly #options: LargeFilesOptions
  /** The least recently used first. */
  readonly #files = new Map<string, Large>()
  readonly #open = new Set<Large>()
  #sizeBytes = 0
  /** One at a time is looked through. */
  #isChecking = false
  #hasFailed = false

  constructor(options: LargeFilesOptions) {
    this.#options = options
    const names = this.#trying(() => options.files.list(options.folder)) ?? []
    for (const name of names) if (!name.endsWith(SUMS)) this.#find(name)
    for (const name of names) if (name.endsWith(SUMS) && !this.#files.has(name.slice(0, -SUMS.length))) this.#remove(name)
    this.#evict()
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  has({ file, index }: BlockPlace): boolean {
    return this.#files.get(file)?.sums.has(index) === true
  }

  /** Whether the block is here, undamaged, and so in `into`, which has its length. */
  load({ file, index }: BlockPlace, into: Buffer): boolean {
    const large = this.#used(file)
    const sum = large?.sums.get(index)
    if (large === undefined || sum === undefined) return false
    const got = this.#trying(() => this.#opened(large).data.read(into, index * BLOCK_BYTES))
    if (got === into.length && checksumOf([into]) === sum) {
      large.checked.add(index)
      return true
    }
    if (got !== undefined)
      this.#options.log.warn('A block of the cache was damaged, and is fetched again', { file, block: index })
    this.#lose(large, index)
    return false
  }

  /** Keeps a block, in the background, unless that fails. The bytes are its until the promise resolves. */
  async put({ file, index }: BlockPlace, bytes: Buffer): Promise<void> {
    const large = this.#used(file) ?? this.#make(file)
    if (large.sums.has(index)) return
    large.writes += 1
    try {
      const { data, sums } = this.#opened(large)
      await data.writeAt(index * BLOCK_BYTES, bytes)
      if (large.isGone || large.sums.has(index)) return
      const sum = checksumOf([bytes])
      sums.append([record(index, sum)])
      large.sums.set(index, sum)
      large.checked.add(index)
      this.#sizeBytes += bytes.length
      this.#hasFailed = false
    } catch (error) {
      this.#failed(error)
      // There may be room when something old is gone.
      const [oldest] = this.#files.values()
      if (oldest !== undefined) this.drop(oldest.name)
    } finally {
      large.writes -= 1
      if (large.isGone) this.#close(large)
      else if (large.sums.size === 0 && large.writes === 0) this.drop(file)
    }
    this.#evict()
  }

  /** Where it lies; `undefined` if not all of it is here, or it has to be looked through first, which begins then. */
  pathOf(file: string): string | undefined {
    const large = this.#used(file)
    const blocks = Math.ceil((large?.sizeBytes ?? 0) / BLOCK_BYTES)
    if (large === undefined || large.sums.size < blocks) return undefined
    if (large.checked.size === blocks) return this.#path(file)
    if (!this.#isChecking) void this.#check(large)
    return undefined
  }

  drop(file: string): void {
    this.#drop(file)
  }

  /** Drops the one that was used least recently: there is room when that returns. Whether there was one. */
  giveWay(): boolean {
    const [oldest] = this.#files.keys()
    if (oldest === undefined) return false
    this.#drop(oldest, { isWanted: true })
    return true
  }

  /** `isWanted`: its room, now. */
  #drop(file: string, { isWanted = false }: { readonly isWanted?: boolean } = {}): void {
    const large = this.#files.get(file)
    if (large === undefined) return
    this.#files.delete(file)
    large.isGone = true
    for (const index of large.sums.keys()) this.#sizeBytes -= lengthOf(large, index)
    this.#close(large, { isWanted })
    this.#remove(file)
    this.#remove(file + SUMS)
  }

  async #check(large: Large): Promise<void> {
    this.#isChecking = true
    for (const index of large.sums.keys()) {
      if (large.checked.has(index) || large.isGone) continue
      const bytes = this.#options.room.take(lengthOf(large, index))
      this.load({ file: large.name, index }, bytes)
      this.#options.room.drop(this.#options.room.hold(bytes))
      // Programs wait for their answers.
      await this.#options.clock.sleep(0)
    }
    this.#isChecking = false
  }

  #lose(large: Large, index: number): void {
    if (large.isGone || !large.sums.delete(index)) return
    large.checked.delete(index)
    this.#sizeBytes -= lengthOf(large, index)
    this.#trying(() => this.#opened(large).sums.append([record(index + LOST, 0)]))
    if (large.sums.size === 0 && large.writes === 0) this.drop(large.name)
  }

  #make(name: string): Large {
    const large: Large = {
      name,
      sizeBytes: Number(name.slice(name.lastIndexOf('-') + 1)),
      sums: new Map(),
      checked: new Set(),
      open: undefined,
      writes: 0,
      isGone: false,
    }
    this.#files.set(name, large)
    return large
  }

  /** What an earlier process has left. */
  #find(name: string): void {
    const large = this.#make(name)
    const bytes = Number.isSafeInteger(large.sizeBytes) ? this.#trying(() => this.#readSums(name)) : undefined
    for (let at = 0; bytes !== undefined && at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
      const number = bytes.readUInt32LE(at)
      if (number >= LOST) large.sums.delete(number - LOST)
      else if (number * BLOCK_BYTES < large.sizeBytes) large.sums.set(number, bytes.readUInt32LE(at + 4))
    }
    for (const index of large.sums.keys()) this.#sizeBytes += lengthOf(large, index)
    if (large.sums.size === 0) this.drop(name)
  }

  #readSums(name: string): Buffer {
    const file = this.#options.files.open(this.#path(name + SUMS))
    try {
      const bytes = Buffer.alloc(file.sizeBytes)
      file.read(bytes, 0)
      return bytes
    } finally {
      file.close()
    }
  }

  #opened(large: Large): NonNullable<Large['open']> {
    this.#open.delete(large)
    this.#open.add(large)
    for (const other of this.#open) {
      if (this.#open.size <= OPEN_MAX) break
      if (other !== large && other.writes === 0) this.#close(other)
    }
    if (large.open !== undefined) return large.open
    const { files } = this.#options
    const data = files.open(this.#path(large.name))
    try {
      const sums = files.open(this.#path(large.name + SUMS))
      // Who was killed may have left half of one.
      if (sums.sizeBytes % RECORD_BYTES !== 0) sums.cut(sums.sizeBytes - (sums.sizeBytes % RECORD_BYTES))
      large.open = { data, sums }
    } catch (error) {
      data.close()
      throw error
    }
    return large.open
  }

  #close(large: Large, { isWanted = false }: { readonly isWanted?: boolean } = {}): void {
    if (large.writes > 0) return
    this.#open.delete(large)
    const { open } = large
    large.open = undefined
    open?.sums.close()
    if (large.isGone && !isWanted) open?.data.drop()
    else open?.data.close()
  }

  #used(name: string): Large | undefined {
    const large = this.#files.get(name)
    if (large === undefined) return undefined
    this.#files.delete(name)
    this.#files.set(name, large)
    return large
  }

  /** Who has open what goes keeps it. */
  #evict(): void {
    for (const name of this.#files.keys()) {
      if (this.#sizeBytes <= this.#options.bytesMax() && this.#files.size <= FILES_MAX) return
      this.drop(name)
    }
  }

  #remove(name: string): void {
    this.#trying(() => this.#options.files.remove(this.#path(name)))
  }

  /** A disk that is full or broken costs speed, and nothing else. */
  #trying<T>(act: () => T): T | undefined {
    try {
      return act()
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }

  #failed(error: unknown): void {
    if (!this.#hasFailed)
      this.#options.log.warn('The cache of contents can’t be kept: they are fetched again each time', { error })
    this.#hasFailed = true
  }

  #path(name: string): string {
    return `${this.#options.folder}/${name}`
  }
}

function lengthOf({ sizeBytes }: Large, index: number): number {
  return Math.min(BLOCK_BYTES, sizeBytes - index * BLOCK_BYTES)
}

function record(number: number, sum: number): Buffer {
  const bytes = Buffer.allocUnsafe(RECORD_BYTES)
  bytes.writeUInt32LE(number, 0)
  bytes.writeUInt32LE(sum, 4)
  return bytes
}
