import { dirname } from 'node:path'
import type { ChunkStore } from '#chunk/store.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { KeyValueStore, TransactOptions, Transaction } from '#kv/store.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { storageError } from '#platform/files.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'
import { withTransact, withWrite } from './wrapped-stores.ts'

/** Room for removing things on a disk that is full: LMDB writes the pages of a change anew before it can use the old ones
 *  again, and the largest steps of removing and collecting change a few MiB of them. */
const RESERVE_BYTES = 16 * 1024 * 1024
/** What chunks leave to metadata: a node whose disk they have filled, those of others that are away among them, goes on taking changes, and may lead. */
const METADATA_BYTES = 64 * 1024 * 1024
/** A small disk gives less of either. */
const SHARE_OF_DISK = 16
const BLOCK_BYTES = 1024 * 1024
/** What a transaction takes for each change in it, roughly: a few pages of LMDB's. */
const TRANSACTION_BYTES = 16 * 1024
/** With this much room left nobody needs to wait until the disk has been asked. */
const PLENTY_BYTES = 1024 * 1024 * 1024
/** How long an answer of the disk is believed where there is plenty, and how often one who is refused asks again. */
const BELIEVED_MS = 1_000
const LOOK_AGAIN_MS = 500

export interface SpaceReserveOptions {
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** What is to be written, and what has to be left besides the reserve. */
interface Room {
  readonly bytes: number
  readonly leavesBytes: number
}

/** Keeps a disk from becoming so full that it can't be emptied: to remove a file is a write, too.
 *
 *  - What takes room is refused with NO_SPACE while less than the reserve is free, so that nobody finds the disk full in
 *    the middle of a commit; chunks are sooner.
 *  - Others may fill the disk all the same. Therefore a file of dead weight holds as much room again, which is let go when
 *    something that makes room (removing, collecting garbage) would find none to work in. From then on only that is
 *    possible, until there is room for the file again. */
export class SpaceReserve {
  readonly #path: string
  readonly #options: SpaceReserveOptions
  #sizeBytes = RESERVE_BYTES
  #metadataBytes = METADATA_BYTES
  #isGone = true
  #free = { bytes: 0, askedAtMs: Number.NEGATIVE_INFINITY }
  /** Admitted since the disk was asked, and of that what hasn't been written yet. */
  #admittedBytes = 0
  #pendingBytes = 0
  #triedAtMs = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | undefined
  #turns: Promise<void> = Promise.resolve()

  constructor(path: string, options: SpaceReserveOptions) {
    this.#path = path
    this.#options = options
  }

  /** Makes the file at `path`, if there is room. @throws STORAGE_FAILED; a full disk is none */
  static async open(path: string, options: SpaceReserveOptions): Promise<SpaceReserve> {
    const reserve = new SpaceReserve(path, options)
    const { capacityBytes } = await options.files.space(dirname(path))
    const share = Math.floor(capacityBytes / SHARE_OF_DISK)
    reserve.#sizeBytes = Math.min(RESERVE_BYTES, share)
    reserve.#metadataBytes = Math.min(METADATA_BYTES, share)
    await reserve.#fill()
    await reserve.#ask()
    if (reserve.#isGone) options.log.warn('the disk is full: until there is room, only removing is possible', { path })
    return reserve
  }

  /** The same store: what makes room may use the reserve, all else is refused where room is short. */
  guardKeys(store: KeyValueStore): KeyValueStore {
    return withTransact(store, (fn, options) =>
      options?.frees === true
        ? this.#transactFreeing(store, fn, options)
        : this.#guarded({ bytes: TRANSACTION_BYTES * (options?.changes ?? 1), leavesBytes: 0 }, (isShort) =>
            store.transact(fn, isShort ? { ...options, direct: true } : options),
          ),
    )
  }

  /** The same store, which takes no chunks where room is short, and leaves some to metadata. */
  guardChunks(store: ChunkStore): ChunkStore {
    return withWrite(store, (...chunk) =>
      this.#guarded({ bytes: chunk[1].length, leavesBytes: this.#metadataBytes }, () => store.write(...chunk)),
    )
  }

  /** How much more metadata can be written before all that takes room is refused, by what the disk says now; negative where it is. @throws STORAGE_FAILED */
  async roomBytes(): Promise<number> {
    if (this.#isGone) await this.#tryToFill()
    await this.#ask()
    return this.#isGone ? Math.min(-1, this.#left(0)) : this.#left(0)
  }

  /** `write` is told whether room is short. */
  #guarded<T>({ bytes, leavesBytes }: Room, write: (isShort: boolean) => Promise<T>): Promise<T> {
    if (this.#isGone || this.#left(bytes) < PLENTY_BYTES) return this.#guardedClosely({ bytes, leavesBytes }, write)
    this.#admittedBytes += bytes
    if (this.#options.clock.monotonicMs() - this.#free.askedAtMs > BELIEVED_MS) {
      // Where there is plenty nobody waits for the answer; one that fails is asked for again.
      this.#ask().catch(() => undefined)
    }
    return write(false)
  }

  async #guardedClosely<T>({ bytes, leavesBytes }: Room, write: (isShort: boolean) => Promise<T>): Promise<T> {
    if (this.#isGone) await this.#tryToFill()
    if (!this.#isGone) await this.#ask()
    if (this.#isGone || this.#left(bytes) < 0)
      throw new ShoalError('NO_SPACE', 'The disk is full: until there is more room on it, only removing is possible')
    if (this.#left(bytes) < leavesBytes)
      throw new ShoalError(
        'NO_SPACE',
        'The disk is full: until there is more room on it, it takes no contents, only what is small',
      )
    this.#admittedBytes += bytes
    this.#pendingBytes += bytes
    try {
      return await write(true)
    } finally {
      this.#pendingBytes -= bytes
    }
  }

  /** What is left above the reserve when `bytes` more are written. */
  #left(bytes: number): number {
    return this.#free.bytes - this.#admittedBytes - bytes - this.#sizeBytes
  }

  /** Asks the disk how much room there is. Callers at the same time share one question. */
  #ask(): Promise<void> {
    this.#asking ??= this.#options.files
      .space(dirname(this.#path))
      .then(
        ({ freeBytes }) => {
          this.#free = { bytes: freeBytes, askedAtMs: this.#options.clock.monotonicMs() }
          this.#admittedBytes = this.#pendingBytes
        },
        (error: unknown) => {
          throw storageError(error, `find out how much room there is beside "${this.#path}"`)
        },
      )
      .finally(() => {
        this.#asking = undefined
      })
    return this.#asking
  }

  async #transactFreeing<T>(store: KeyValueStore, fn: (transaction: Transaction) => T, options: TransactOptions): Promise<T> {
    const isShort = this.#isGone || this.#left(0) < PLENTY_BYTES
    if (isShort && !this.#isGone) {
      await this.#ask()
      if (this.#free.bytes < this.#sizeBytes / 2) await this.#letGo()
    }
    const wasGone = this.#isGone
    try {
      return await store.transact(fn, isShort ? { ...options, direct: true } : options)
    } catch (error) {
      if (wasGone || !isShoalError(error, 'NO_SPACE')) throw error
    }
    await this.#letGo()
    return store.transact(fn, { ...options, direct: true })
  }

  #letGo(): Promise<void> {
    return this.#change(async () => {
      if (this.#isGone) return
      this.#isGone = true
      this.#triedAtMs = this.#options.clock.monotonicMs()
      this.#options.log.warn('the disk is full: its reserve is let go, and only removing is possible', { path: this.#path })
      const file = await this.#options.files.open(this.#path, 'update')
      try {
        await file.truncate(0)
        await file.datasync()
      } finally {
        await file.close()
      }
    })
  }

  async #tryToFill(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#triedAtMs < LOOK_AGAIN_MS) return this.#turns
    this.#triedAtMs = nowMs
    await this.#fill()
  }

  /** Twice the room is asked for, so that the reserve isn't taken and let go in turns. */
  #fill(): Promise<void> {
    return this.#change(async () => {
      const { files, log } = this.#options
      if (!this.#isGone) return
      const file = await openOrCreate(files, this.#path)
      try {
        const { sizeBytes } = await file.facts()
        if (sizeBytes < this.#sizeBytes) {
          const { freeBytes } = await files.space(dirname(this.#path))
          if (freeBytes < 2 * this.#sizeBytes - sizeBytes) return
          await this.#write(file, sizeBytes)
          log.debug('the reserve for a full disk is in place', { path: this.#path, sizeBytes: this.#sizeBytes })
        }
        this.#isGone = false
      } catch (error) {
        // Others were quicker to take the room.
        if (storageError(error, 'fill the reserve').code !== 'NO_SPACE') throw error
        await file.truncate(0)
      } finally {
        await file.close()
      }
    })
  }

  /** The file is made and let go in turns. */
  #change(work: () => Promise<void>): Promise<void> {
    const turn = this.#turns.then(work).catch((error: unknown) => {
      throw storageError(error, `change the reserve "${this.#path}"`)
    })
    this.#turns = turn.catch(() => undefined)
    return turn
  }

  /** Random bytes: a file system that compresses would keep no room for zeros. */
  async #write(file: OpenFile, fromBytes: number): Promise<void> {
    const block = this.#options.random.bytes(BLOCK_BYTES)
    for (let at = fromBytes; at < this.#sizeBytes; at += block.length) {
      await file.write([block.subarray(0, Math.min(block.length, this.#sizeBytes - at))], at)
    }
  }
}

async function openOrCreate(files: Files, path: string): Promise<OpenFile> {
  if ((await files.facts(path)) !== undefined) return files.open(path, 'update')
  return files.open(path, 'create', 0o600)
}
