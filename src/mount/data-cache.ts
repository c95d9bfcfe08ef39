import { ShoalError } from '#foundation/errors.ts'
import type { LocalContents, LocalFile } from '#gateway/fuse/own-volume.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import type { Log } from '#observe/log.ts'
import type { AppendFiles } from '#platform/append-files.ts'
import { checksumOf } from '#platform/block-checksums.ts'
import type { Clock } from '#platform/clock.ts'
import type { OpenFile } from '#volume/volume.ts'
import { BlockMemory } from './block-memory.ts'
import { CachedFile } from './cached-file.ts'
import { RecentBlocks } from './recent-blocks.ts'
import type { StoredFile } from './remote-uploads.ts'
import { SmallFiles } from './small-files.ts'
import { BLOCK_BYTES, type BlockPlace, LargeFiles } from './large-files.ts'

/** Contents that are at hand as a whole, and lie with others in one file. */
const AT_HAND_BYTES_MAX = 128 * 1024
/** To read one again takes 3 µs; twenty thousand of them in memory have the heap collected all the time. */
const SHORT_BYTES_MAX = 32 * 1024
/** Blocks that are fetched at once, over all files. */
const FETCHES_MAX = 16
/** Blocks that are asked for at once for one who reads: the kernel reads as much as one. */
const READ_BLOCKS_MAX = 8
/** How far a file that is read in its order is read ahead. */
const AHEAD_BLOCKS_MAX = 8
/** Blocks that are being written to the local disk: while there are so many nothing is read ahead, and with twice as many who reads waits. */
const WRITES_MAX = 16
/** For so long at most, until the disk has taken one; else the block isn't kept. */
const WRITE_MS_MAX = 250
/** A file that is too long to be kept as a whole is kept in stretches of so many blocks, which go by themselves: eight of them at least find room. */
const STRETCH_BLOCKS_MAX = 64
const STRETCHES_MIN = 8
/** Of how many files it is remembered where the last read ended. */
const READS_MAX = 1_000

export interface DataCacheOptions {
  readonly files: AppendFiles
  /** Absolute; of this mount alone. */
  readonly folder: string
  readonly bytesMax: number
  /** Which volume of which cluster: one folder may have been of another. */
  readonly identity: string
  /** Contents of which all is here are handed to the kernel, to read them by itself. */
  readonly keepsWholes: boolean
  readonly clock: Pick<Clock, 'sleep'>
  readonly log: Log
}

/** A file of which contents are fetched. */
export interface RemoteFile extends OpenFile {
  /** Fills `into` with what the file has from `offset` on, which it has to have. */
  fill(offset: number, into: Buffer): Promise<void>
}

interface Block {
  readonly name: string
  readonly offset: number
  readonly length: number
  readonly index: number
}

interface Span {
  readonly offset: number
  readonly end: number
}

/** Contents of files on the local disk, in blocks of 1 MiB under the version that they are of: what is there never gets old. What is
 *  least recently used goes first. It outlives the process; what was damaged meanwhile is fetched again. */
export class DataCache {
  readonly #options: DataCacheOptions
  readonly #room: BlockMemory
  readonly #memory: RecentBlocks
  readonly #large: LargeFiles
  readonly #small: SmallFiles
  readonly #fetches = new Map<string, Promise<Buffer>>()
  readonly #writes = new Map<string, { readonly bytes: Buffer; readonly done: Promise<void> }>()
  /** By file, where the last read ended, and how many blocks were read ahead of it. */
  readonly #reads = new Map<string, { end: number; ahead: number }>()
  /** The disk has taken nothing for too long. */
  #isStuck = false
  /** Before each name. */
  readonly #prefix: string

  constructor(options: DataCacheOptions) {
    this.#options = options
    this.#room = new BlockMemory(options.clock)
    this.#memory = new RecentBlocks(this.#room)
    this.#prefix = checksumOf([Buffer.from(options.identity)])
      .toString(16)
      .padStart(8, '0')
    const { files, folder, bytesMax, clock, log } = options
    const small = new SmallFiles({ files, folder: `${folder}/small`, bytesMax: bytesMax / 4, log })
    this.#small = small
    const room = this.#room
    const largeMax = (): number => bytesMax - small.sizeBytes
    this.#large = new LargeFiles({ files, folder: `${folder}/large`, bytesMax: largeMax, room, clock, log })
  }

  get sizeBytes(): number {
    return this.#small.sizeBytes + this.#large.sizeBytes
  }

  /** A file of which the cluster is asked for what isn't here. */
  open(file: RemoteFile): LocalFile {
    return new CachedFile(file, {
      bytes: () => this.#atHand(file.attributes),
      read: (range, signal) => this.#read(file, range, signal),
      local: this.#local(file.attributes),
    })
  }

  /** Gives up a part, so that others have its room on the disk. Whether there was something. */
  giveWay(): boolean {
    return this.#large.giveWay() || this.#small.giveWay()
  }

  /** Resolves when what was fetched before is on the disk, as far as it is kept. */
  async written(): Promise<void> {
    await Promise.all([...this.#writes.values()].map(({ done }) => done))
  }

  /** Keeps what was stored in the cluster: who writes a small file often reads it soon. */
  keep(files: readonly StoredFile[]): void {
    const whole = files.filter(({ attributes: { sizeBytes }, bytes: { length } }) => length > 0 && length === sizeBytes)
    const short = whole.filter(({ bytes: { length } }) => length <= AT_HAND_BYTES_MAX)
    this.#small.put(short.map(({ attributes, bytes }) => ({ name: this.#blockAt(attributes, 0).name, bytes })))
  }

  #atHand(attributes: Attributes): Buffer | undefined {
    if (attributes.sizeBytes > AT_HAND_BYTES_MAX) return undefined
    const block = this.#blockAt(attributes, 0)
    const bytes = this.#memory.get(block.name) ?? this.#small.get(block.name)
    if (bytes !== undefined && bytes.length > SHORT_BYTES_MAX) this.#memory.remember(block.name, bytes)
    return bytes
  }

  #local(attributes: Attributes): LocalContents | undefined {
    if (!this.#options.keepsWholes || attributes.sizeBytes <= AT_HAND_BYTES_MAX || !this.#isWhole(attributes)) return undefined
    const { file } = this.#placeOf(attributes, 0)
    return { whole: () => this.#large.pathOf(file), release: () => this.#large.drop(file) }
  }

  async *#read(
    file: RemoteFile,
    { offset, length }: { readonly offset: number; readonly length: number },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Buffer, void, undefined> {
    const end = Math.min(offset + length, file.attributes.sizeBytes)
    for (let at = offset, next = at; at < end; at = next) {
      next = Math.min(end, (Math.floor(at / BLOCK_BYTES) + READ_BLOCKS_MAX) * BLOCK_BYTES)
      yield* this.#readAtOnce(file, { offset: at, end: next }, signal)
    }
  }

  async *#readAtOnce(
    file: RemoteFile,
    { offset, end }: Span,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Buffer, void, undefined> {
    const blocks: Block[] = []
    for (let at = offset; at < end; at = (Math.floor(at / BLOCK_BYTES) + 1) * BLOCK_BYTES)
      blocks.push(this.#blockAt(file.attributes, at))
    const hold = (bytes: Buffer): Buffer => this.#room.hold(bytes)
    // All of the range is asked for at once, and what is likely to come next.
    const found = blocks.map((block) => {
      const one = this.#block(file, block)
      return one instanceof Promise ? one.then(hold) : hold(one)
    })
    for (const one of found) if (one instanceof Promise) one.catch(() => undefined)
    const isInOrder = this.#readAhead(file, { offset, end })
    try {
      for (const [index, { name, offset: start, length }] of blocks.entries()) {
        if (signal?.aborted === true) throw new ShoalError('CANCELLED', 'Nobody waits for it any more')
        const bytes = await (found[index] as Buffer | Promise<Buffer>)
        // Nobody comes back to it soon, and the kernel has it.
        if (isInOrder && length === BLOCK_BYTES && end >= start + length) this.#memory.forget(name)
        yield bytes.subarray(Math.max(0, offset - start), end - start)
      }
    } finally {
      const drop = (bytes: Buffer): void => this.#room.dropSoon(bytes)
      for (const one of found) {
        if (Buffer.isBuffer(one)) drop(one)
        else one.then(drop, () => undefined)
      }
    }
  }

  /** Whether a file is read in its order: then what is likely to be asked for next is fetched. */
  #readAhead(file: RemoteFile, { offset, end }: Span): boolean {
    const tag = entityTag(file.attributes)
    const last = this.#reads.get(tag)
    const isInOrder = last?.end === offset
    const ahead = isInOrder ? Math.min(AHEAD_BLOCKS_MAX, Math.max(1, last.ahead * 2)) : 0
    this.#reads.delete(tag)
    this.#reads.set(tag, { end, ahead })
    if (this.#reads.size > READS_MAX) this.#reads.delete(this.#reads.keys().next().value as string)
    const hasRoom = (): boolean => this.#fetches.size < FETCHES_MAX && this.#writes.size < WRITES_MAX
    for (let step = 1; step <= ahead && hasRoom(); step += 1) {
      const at = end - 1 + step * BLOCK_BYTES
      if (at >= Math.ceil(file.attributes.sizeBytes / BLOCK_BYTES) * BLOCK_BYTES) break
      const block = this.#blockAt(file.attributes, Math.floor(at / BLOCK_BYTES) * BLOCK_BYTES)
      if (this.#memory.get(block.name) !== undefined || this.#large.has(this.#placeOf(file.attributes, block.index))) continue
      void Promise.resolve(this.#block(file, block)).catch(() => undefined)
    }
    return isInOrder
  }

  #block(file: RemoteFile, block: Block): Buffer | Promise<Buffer> {
    const atHand = this.#memory.get(block.name) ?? this.#writes.get(block.name)?.bytes
    const here = atHand ?? this.#small.get(block.name) ?? this.#load(file, block)
    if (here !== undefined) {
      this.#memory.remember(block.name, here)
      return here
    }
    let fetch = this.#fetches.get(block.name)
    if (fetch === undefined) {
      fetch = this.#fetch(file, block).finally(() => this.#fetches.delete(block.name))
      this.#fetches.set(block.name, fetch)
    }
    return fetch
  }

  async #fetch(file: RemoteFile, block: Block): Promise<Buffer> {
    const { name, offset, length } = block
    const bytes = this.#room.take(length)
    await file.fill(offset, bytes)
    this.#room.hold(bytes)
    this.#memory.remember(name, bytes)
    if (file.attributes.sizeBytes <= AT_HAND_BYTES_MAX) this.#small.put([{ name, bytes }])
    else await this.#store(file, block, bytes)
    // Who waits for it holds it then.
    this.#room.dropSoon(bytes)
    return bytes
  }

  /** What the disk has, if it is what was written to it. */
  #load({ attributes }: RemoteFile, { index, length }: Block): Buffer | undefined {
    const place = this.#placeOf(attributes, index)
    if (!this.#large.has(place)) return undefined
    const bytes = this.#room.take(length)
    return this.#large.load(place, bytes) ? bytes : undefined
  }

  /** Resolves when the block is on its way to the disk. Who reads waits a little for a disk that has enough to do: what isn't kept has to be
   *  fetched again. */
  async #store({ attributes }: RemoteFile, { name, index }: Block, bytes: Buffer): Promise<void> {
    while (this.#writes.size >= 2 * WRITES_MAX) if (!(await this.#writesOne())) return
    if (this.#writes.has(name)) return
    this.#room.hold(bytes)
    const done = this.#large.put(this.#placeOf(attributes, index), bytes).finally(() => {
      this.#writes.delete(name)
      this.#room.drop(bytes)
      this.#isStuck = false
    })
    this.#writes.set(name, { bytes, done })
  }

  /** Whether the disk takes one of the blocks that wait for it, in time. One that doesn't isn't waited for again until it does. */
  async #writesOne(): Promise<boolean> {
    if (this.#isStuck) return false
    const enough = new AbortController()
    const late = this.#options.clock.sleep(WRITE_MS_MAX, enough.signal).then(
      () => {
        this.#isStuck = true
        return false
      },
      () => true,
    )
    const one = Promise.race([...this.#writes.values()].map(({ done }) => done)).then(() => true)
    const wasTaken = await Promise.race([one, late])
    enough.abort()
    return wasTaken
  }

  /** The block in which `at` lies. Its name says which version of which file, which block, and how long it is. */
  #blockAt(attributes: Attributes, at: number): Block {
    const index = Math.floor(at / BLOCK_BYTES)
    const offset = index * BLOCK_BYTES
    const length = Math.min(BLOCK_BYTES, attributes.sizeBytes - offset)
    return { name: `${this.#nameOf(attributes)}-${index}-${length}`, offset, length, index }
  }

  /** Where a block is kept: in one file with all others, or with those of its stretch. */
  #placeOf(attributes: Attributes, index: number): BlockPlace {
    const { sizeBytes } = attributes
    const name = this.#nameOf(attributes)
    if (this.#isWhole(attributes)) return { file: `${name}-${sizeBytes}`, index }
    const blocks = Math.min(STRETCH_BLOCKS_MAX, Math.max(1, Math.floor(this.#options.bytesMax / BLOCK_BYTES / STRETCHES_MIN)))
    const first = index - (index % blocks)
    const length = Math.min(blocks * BLOCK_BYTES, sizeBytes - first * BLOCK_BYTES)
    return { file: `${name}-from-${first}-${length}`, index: index - first }
  }

  #isWhole({ sizeBytes }: Attributes): boolean {
    return sizeBytes <= this.#options.bytesMax / 2
  }

  #nameOf(attributes: Attributes): string {
    return `${this.#prefix}-${entityTag(attributes).slice(1, -1)}`
  }
}
