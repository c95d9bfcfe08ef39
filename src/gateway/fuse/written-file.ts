import { ShoalError } from '#foundation/errors.ts'
import { type DirtyPiece, DirtyRanges } from './dirty-ranges.ts'

/** What one file collects before it is stored. */
const FILE_BYTES_MAX = 8 * 1024 * 1024
/** What all files collect together; beyond it each write is stored at once. */
const TOTAL_BYTES_MAX = 64 * 1024 * 1024

/** How much is being collected, over all files of a mount. */
export class WriteBudget {
  usedBytes = 0
  /** What is stored at a time, where it was written in shorter pieces. */
  readonly joinedBytesMax: number

  constructor(joinedBytesMax = Infinity) {
    this.joinedBytesMax = joinedBytesMax
  }
}

/** The writes to one file until they are stored, all handles together. */
export class WrittenFile {
  readonly #budget: WriteBudget
  /** Stores a run of bytes, durably. */
  readonly #store: (piece: DirtyPiece) => Promise<void>
  readonly #collected: (() => void) | undefined
  #collecting = new DirtyRanges()
  /** What is being stored: read from here until the volume has it. */
  #underWay = new DirtyRanges()
  #flushing: Promise<void> | undefined

  /** `collected` is told of each write that isn't stored at once. */
  constructor(budget: WriteBudget, store: (piece: DirtyPiece) => Promise<void>, collected?: () => void) {
    this.#budget = budget
    this.#store = store
    this.#collected = collected
  }

  get isClean(): boolean {
    return this.#collecting.lengthBytes === 0 && this.#underWay.lengthBytes === 0
  }

  /** Not stored yet. */
  get lengthBytes(): number {
    return this.#collecting.lengthBytes + this.#underWay.lengthBytes
  }

  /** Where the last byte that isn't stored ends: the file is as long at least. */
  get end(): number {
    return Math.max(this.#collecting.end, this.#underWay.end)
  }

  /** Whether `bytes` more may be written before something is stored. */
  hasRoom(bytes: number): boolean {
    const mine = this.#collecting.lengthBytes + bytes
    return mine <= FILE_BYTES_MAX && this.#budget.usedBytes + bytes <= TOTAL_BYTES_MAX
  }

  /** Takes a copy of `bytes`. @throws TOO_LARGE: what could never be stored would be lost when the file is closed */
  write(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > Number.MAX_SAFE_INTEGER)
      throw new ShoalError('TOO_LARGE', `A file holds ${Number.MAX_SAFE_INTEGER} bytes at most`)
    const before = this.#collecting.lengthBytes
    this.#collecting.write(offset, Buffer.from(bytes))
    this.#budget.usedBytes += this.#collecting.lengthBytes - before
    this.#collected?.()
  }

  /** The pieces in a range, the older ones first. They don't change. */
  within(offset: number, length: number): readonly DirtyPiece[] {
    return [...this.#underWay.within(offset, length), ...this.#collecting.within(offset, length)]
  }

  /** Resolves when all that was written before is stored. What could not be stored stays, to be tried again by the next one.
   *  @throws what storing it throws */
  async flush(): Promise<void> {
    while (!this.isClean) {
      this.#flushing ??= this.#run().finally(() => {
        this.#flushing = undefined
      })
      await this.#flushing
    }
  }

  /** Stores all of it in this turn, by `storeNow`, which says whether it could. False if something is under way, or has to wait: then it
   *  stays, and may be stored again. @throws what `storeNow` throws */
  flushNow(storeNow: (piece: DirtyPiece) => boolean): boolean {
    if (this.isClean) return true
    if (this.#flushing !== undefined) return false
    for (const run of this.#collecting.runs(this.#budget.joinedBytesMax)) if (!storeNow(run)) return false
    this.discard()
    return true
  }

  /** Gives up what isn't stored. */
  discard(): void {
    this.#budget.usedBytes -= this.#collecting.lengthBytes
    this.#collecting = new DirtyRanges()
  }

  async #run(): Promise<void> {
    const taken = this.#collecting
    this.#underWay = taken
    this.#collecting = new DirtyRanges()
    try {
      for (const run of taken.runs(this.#budget.joinedBytesMax)) await this.#store(run)
      this.#budget.usedBytes -= taken.lengthBytes
    } catch (error) {
      this.#takeBack(taken)
      throw error
    } finally {
      this.#underWay = new DirtyRanges()
    }
  }

  #takeBack(older: DirtyRanges): void {
    const newer = this.#collecting
    const both = older.lengthBytes + newer.lengthBytes
    for (const { offset, bytes } of newer.runs()) older.write(offset, bytes)
    this.#collecting = older
    this.#budget.usedBytes -= both - older.lengthBytes
  }
}
