import { entityTag } from '#metadata/attributes.ts'
import type { Log } from '#observe/log.ts'
import type { AppendFiles } from '#platform/append-files.ts'
import { checksumOf } from '#platform/block-checksums.ts'
import type { OpenFile } from '#volume/volume.ts'

export const BLOCK_BYTES = 1024 * 1024
const CHECKSUM_BYTES = 4
/** Blocks that are kept in memory, since the kernel asks for parts of them one after another. */
const MEMORY_BLOCKS_MAX = 32
/** Blocks that are fetched at once, over all files. */
const FETCHES_MAX = 16
/** How far a file that is read in its order is read ahead. */
const AHEAD_BLOCKS_MAX = 8
/** A block of a short file is a file, too. */
const BLOCKS_MAX = 200_000
/** Of how many files it is remembered where the last read ended. */
const READS_MAX = 1_000

export interface DataCacheOptions {
  readonly files: AppendFiles
  /** Absolute; of this mount alone. */
  readonly folder: string
  readonly bytesMax: number
  /** Which volume of which cluster: one folder may have been of another. */
  readonly identity: string
  readonly log: Log
}

interface Block {
  readonly name: string
  readonly offset: number
  readonly length: number
}

/** Contents of files on the local disk, in blocks of 1 MiB under the version that they are of: what is there never gets old. The
 *  least recently used go first. It outlives the process; what was damaged meanwhile is fetched again. */
export class DataCache {
  readonly #options: DataCacheOptions
  /** Lengths by name, the least recently used first. */
  readonly #stored = new Map<string, number>()
  readonly #memory = new Map<string, Buffer>()
  readonly #fetches = new Map<string, Promise<Buffer>>()
  /** By file, where the last read ended, and how many blocks were read ahead of it. */
  readonly #reads = new Map<string, { end: number; ahead: number }>()
  /** Before each name. */
  readonly #prefix: string
  #storedBytes = 0
  #hasFailed = false

  constructor(options: DataCacheOptions) {
    this.#options = options
    this.#prefix = checksumOf([Buffer.from(options.identity)])
      .toString(16)
      .padStart(8, '0')
    for (const name of this.#listed()) {
      const length = Number(name.slice(name.lastIndexOf('-') + 1))
      this.#stored.set(name, length)
      this.#storedBytes += length
    }
    this.#evict()
  }

  get sizeBytes(): number {
    return this.#storedBytes
  }

  /** A file of which the cluster is asked for what isn't here. */
  open(file: OpenFile): OpenFile {
    return {
      attributes: file.attributes,
      bytes: file.bytes,
      read: (range, signal) => this.#read(file, range, signal),
      close: () => file.close(),
    }
  }

  async *#read(
    file: OpenFile,
    { offset, length }: { readonly offset: number; readonly length: number },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Buffer, void, undefined> {
    const end = Math.min(offset + length, file.attributes.sizeBytes)
    const blocks: Block[] = []
    for (let at = offset; at < end; at = (Math.floor(at / BLOCK_BYTES) + 1) * BLOCK_BYTES) blocks.push(this.#blockAt(file, at))
    // All of the range is asked for at once, and what is likely to come next.
    const found = blocks.map((block) => this.#block(file, block))
    for (const one of found) if (one instanceof Promise) one.catch(() => undefined)
    this.#readAhead(file, { offset, end })
    for (const [index, { offset: start }] of blocks.entries()) {
      signal?.throwIfAborted()
      const bytes = await (found[index] as Buffer | Promise<Buffer>)
      yield bytes.subarray(Math.max(0, offset - start), end - start)
    }
  }

  #readAhead(file: OpenFile, { offset, end }: { readonly offset: number; readonly end: number }): void {
    const tag = entityTag(file.attributes)
    const last = this.#reads.get(tag)
    const ahead = last?.end === offset ? Math.min(AHEAD_BLOCKS_MAX, Math.max(1, last.ahead * 2)) : 0
    this.#reads.delete(tag)
    this.#reads.set(tag, { end, ahead })
    if (this.#reads.size > READS_MAX) this.#reads.delete(this.#reads.keys().next().value as string)
    for (let step = 1; step <= ahead && this.#fetches.size < FETCHES_MAX; step += 1) {
      const at = end - 1 + step * BLOCK_BYTES
      if (at >= Math.ceil(file.attributes.sizeBytes / BLOCK_BYTES) * BLOCK_BYTES) return
      const block = this.#blockAt(file, Math.floor(at / BLOCK_BYTES) * BLOCK_BYTES)
      if (this.#memory.has(block.name) || this.#stored.has(block.name)) continue
      void Promise.resolve(this.#block(file, block)).catch(() => undefined)
    }
  }

  #block(file: OpenFile, block: Block): Buffer | Promise<Buffer> {
    const here = this.#memory.get(block.name) ?? this.#load(block)
    if (here !== undefined) {
      this.#remember(block.name, here)
      return here
    }
    let fetch = this.#fetches.get(block.name)
    if (fetch === undefined) {
      fetch = this.#fetch(file, block).finally(() => this.#fetches.delete(block.name))
      this.#fetches.set(block.name, fetch)
    }
    return fetch
  }

  async #fetch(file: OpenFile, { name, offset, length }: Block): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length)
    let got = 0
    for await (const piece of file.read({ offset, length })) got += piece.copy(bytes, got)
    const whole = got === length ? bytes : bytes.subarray(0, got)
    this.#remember(name, whole)
    if (got === length) this.#store(name, whole)
    return whole
  }

  #remember(name: string, bytes: Buffer): void {
    this.#memory.delete(name)
    this.#memory.set(name, bytes)
    if (this.#memory.size > MEMORY_BLOCKS_MAX) this.#memory.delete(this.#memory.keys().next().value as string)
  }

  /** What the disk has, if it is what was written to it. */
  #load({ name, length }: Block): Buffer | undefined {
    if (!this.#stored.delete(name)) return undefined
    this.#stored.set(name, length)
    try {
      const bytes = Buffer.allocUnsafeSlow(length + CHECKSUM_BYTES)
      const file = this.#options.files.open(this.#pathOf(name))
      const got = file.read(bytes, 0)
      file.close()
      const contents = bytes.subarray(0, length)
      if (got === bytes.length && bytes.readUInt32LE(length) === checksumOf([contents])) return contents
      this.#options.log.warn('A block of the cache was damaged, and is fetched again', { block: name })
    } catch (error) {
      this.#failed(error)
    }
    this.#drop(name)
    return undefined
  }

  /** A disk that is full or broken costs speed, and nothing else. */
  #store(name: string, bytes: Buffer): void {
    if (bytes.length > this.#options.bytesMax || this.#stored.has(name)) return
    try {
      const file = this.#options.files.open(this.#pathOf(name))
      const sum = Buffer.alloc(CHECKSUM_BYTES)
      sum.writeUInt32LE(checksumOf([bytes]))
      try {
        file.cut(0)
        file.append([bytes, sum])
      } finally {
        file.close()
      }
      this.#stored.set(name, bytes.length)
      this.#storedBytes += bytes.length
      this.#hasFailed = false
      this.#evict()
    } catch (error) {
      this.#failed(error)
      this.#remove(name)
      // There may be room when something old is gone.
      const [oldest] = this.#stored.keys()
      if (oldest !== undefined) this.#drop(oldest)
    }
  }

  #evict(): void {
    for (const [name] of this.#stored) {
      if (this.#storedBytes <= this.#options.bytesMax && this.#stored.size <= BLOCKS_MAX) return
      this.#drop(name)
    }
  }

  #drop(name: string): void {
    this.#storedBytes -= this.#stored.get(name) ?? 0
    this.#stored.delete(name)
    this.#remove(name)
  }

  #remove(name: string): void {
    try {
      this.#options.files.remove(this.#pathOf(name))
    } catch (error) {
      this.#failed(error)
    }
  }

  #listed(): readonly string[] {
    const { files, folder } = this.#options
    try {
      return files
        .list(folder)
        .filter((part) => /^[0-9a-f]{2}$/.test(part))
        .flatMap((part) => files.list(`${folder}/${part}`))
        .filter((name) => /^[0-9a-f]{8}-[0-9a-f]+-[0-9a-f]+-\d+-\d+$/.test(name))
    } catch (error) {
      this.#failed(error)
      return []
    }
  }

  #failed(error: unknown): void {
    if (!this.#hasFailed)
      this.#options.log.warn('The cache of contents can’t be kept: they are fetched again each time', { error })
    this.#hasFailed = true
  }

  /** The block in which `at` lies. Its name says which version of which file, which block, and how long it is. */
  #blockAt({ attributes }: OpenFile, at: number): Block {
    const index = Math.floor(at / BLOCK_BYTES)
    const offset = index * BLOCK_BYTES
    const length = Math.min(BLOCK_BYTES, attributes.sizeBytes - offset)
    return { name: `${this.#prefix}-${entityTag(attributes).slice(1, -1)}-${index}-${length}`, offset, length }
  }

  #pathOf(name: string): string {
    const part = (checksumOf([Buffer.from(name)]) % 256).toString(16).padStart(2, '0')
    return `${this.#options.folder}/${part}/${name}`
  }
}
