import type { Log } from '#observe/log.ts'
import type { AppendFiles } from '#platform/append-files.ts'
import { checksumOf } from '#platform/block-checksums.ts'
import type { Clock } from '#platform/clock.ts'

/** A checksum goes with so many bytes. */
export const BLOCK_BYTES = 1024 * 1024
const SUM_BYTES = 4
const SUMS = '.sums'

export interface WholeFilesOptions {
  readonly files: AppendFiles
  /** Absolute; of these alone. */
  readonly folder: string
  readonly bytesMax: number
  readonly clock: Pick<Clock, 'sleep'>
  readonly log: Log
}

interface Whole {
  readonly sizeBytes: number
  readonly sums: Buffer
  /** By this process. What lay on the disk before it may have been damaged since. */
  isChecked: boolean
}

/** Contents of files that are there as a whole, one file each, so that the kernel can read them by itself; beside each the checksums of
 *  its blocks. The least recently used go first. A file counts once its checksums are there, which are written last. */
export class WholeFiles {
  readonly #options: WholeFilesOptions
  /** The least recently used first. */
  readonly #files = new Map<string, Whole>()
  #sizeBytes = 0
  /** What is being made or looked through: one at a time. */
  #underWay: string | undefined
  #hasFailed = false

  constructor(options: WholeFilesOptions) {
    this.#options = options
    const names = this.#trying(() => options.files.list(options.folder)) ?? []
    for (const name of names) if (!name.endsWith(SUMS)) this.#find(name)
    for (const name of names) if (name.endsWith(SUMS) && !this.#files.has(name.slice(0, -SUMS.length))) this.#remove(name)
    this.#evict(0)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  has(name: string): boolean {
    return this.#files.has(name)
  }

  /** Where it lies; `undefined` if it isn't there, or has to be looked through first, which begins then. */
  pathOf(name: string): string | undefined {
    const whole = this.#used(name)
    if (whole === undefined) return undefined
    if (whole.isChecked) return this.#path(name)
    if (this.#underWay === undefined) void this.#check(name, whole)
    return undefined
  }

  /** One of its blocks, if it is undamaged. */
  block(name: string, index: number): Buffer | undefined {
    const whole = this.#used(name)
    if (whole === undefined) return undefined
    const bytes = this.#trying(() => this.#read(name, whole, index))
    if (bytes === undefined) this.drop(name)
    return bytes
  }

  /** Makes one of blocks, in the background; whether it is there then. */
  async make(name: string, sizeBytes: number, block: (index: number) => Buffer | undefined): Promise<boolean> {
    if (this.#underWay !== undefined || this.has(name) || sizeBytes > this.#options.bytesMax) return false
    this.#underWay = name
    this.#evict(sizeBytes)
    this.#sizeBytes += sizeBytes
    const sums = await this.#fill(name, sizeBytes, block)
    this.#underWay = undefined
    if (sums === undefined) {
      this.#sizeBytes -= sizeBytes
      this.#remove(name)
      return false
    }
    this.#files.set(name, { sizeBytes, sums, isChecked: true })
    this.#hasFailed = false
    return true
  }

  drop(name: string): void {
    const whole = this.#files.get(name)
    if (whole === undefined) return
    this.#files.delete(name)
    this.#sizeBytes -= whole.sizeBytes
    this.#remove(name)
    this.#remove(name + SUMS)
  }

  async #fill(name: string, sizeBytes: number, block: (index: number) => Buffer | undefined): Promise<Buffer | undefined> {
    const { files, clock } = this.#options
    const sums = Buffer.alloc(Math.ceil(sizeBytes / BLOCK_BYTES) * SUM_BYTES)
    const file = this.#trying(() => files.open(this.#path(name)))
    if (file === undefined) return undefined
    try {
      file.cut(0)
      for (let index = 0; index * BLOCK_BYTES < sizeBytes; index += 1) {
        const bytes = block(index)
        if (bytes === undefined) return undefined
        file.append([bytes])
        sums.writeUInt32LE(checksumOf([bytes]), index * SUM_BYTES)
        // Programs wait for their answers.
        await clock.sleep(0)
      }
      if (file.sizeBytes !== sizeBytes) return undefined
      const beside = files.open(this.#path(name + SUMS))
      try {
        beside.cut(0)
        beside.append([sums])
      } finally {
        beside.close()
      }
      return sums
    } catch (error) {
      this.#failed(error)
      return undefined
    } finally {
      file.close()
    }
  }

  async #check(name: string, whole: Whole): Promise<void> {
    this.#underWay = name
    for (let index = 0; index * BLOCK_BYTES < whole.sizeBytes && this.#files.get(name) === whole; index += 1) {
      if (this.#trying(() => this.#read(name, whole, index)) === undefined) this.drop(name)
      await this.#options.clock.sleep(0)
    }
    whole.isChecked = true
    this.#underWay = undefined
  }

  #read(name: string, { sizeBytes, sums }: Whole, index: number): Buffer | undefined {
    const bytes = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, sizeBytes - index * BLOCK_BYTES))
    const file = this.#options.files.open(this.#path(name))
    try {
      const got = file.read(bytes, index * BLOCK_BYTES)
      if (got === bytes.length && checksumOf([bytes]) === sums.readUInt32LE(index * SUM_BYTES)) return bytes
    } finally {
      file.close()
    }
    this.#options.log.warn('A file of the cache was damaged, and is fetched again', { file: name })
    return undefined
  }

  /** What an earlier process has left. */
  #find(name: string): void {
    const sizeBytes = Number(name.slice(name.lastIndexOf('-') + 1))
    const sums = Number.isSafeInteger(sizeBytes) ? this.#trying(() => this.#readSums(name, sizeBytes)) : undefined
    if (sums === undefined) {
      this.#remove(name)
      this.#remove(name + SUMS)
      return
    }
    this.#files.set(name, { sizeBytes, sums, isChecked: false })
    this.#sizeBytes += sizeBytes
  }

  #readSums(name: string, sizeBytes: number): Buffer | undefined {
    const sums = Buffer.alloc(Math.ceil(sizeBytes / BLOCK_BYTES) * SUM_BYTES)
    const file = this.#options.files.open(this.#path(name + SUMS))
    try {
      return file.sizeBytes === sums.length && file.read(sums, 0) === sums.length ? sums : undefined
    } finally {
      file.close()
    }
  }

  #used(name: string): Whole | undefined {
    const whole = this.#files.get(name)
    if (whole === undefined) return undefined
    this.#files.delete(name)
    this.#files.set(name, whole)
    return whole
  }

  /** Makes room for `bytes` more. Who has open what goes keeps it. */
  #evict(bytes: number): void {
    for (const [name] of this.#files) {
      if (this.#sizeBytes + bytes <= this.#options.bytesMax) return
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
      this.#options.log.warn('The cache of contents can’t be kept: files are read by way of the mount', { error })
    this.#hasFailed = true
  }

  #path(name: string): string {
    return `${this.#options.folder}/${name}`
  }
}
