import type { ChunkStore } from '#chunk/store.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { KeyValueStore, TransactOptions, Transaction } from '#kv/store.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { storageError } from '#platform/files.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'

/** Room for removing things on a disk that is full: LMDB writes the pages of a change anew before it can use the old ones
 *  again, and the largest steps of removing and collecting change a few MiB of them. */
const RESERVE_BYTES = 16 * 1024 * 1024
/** A small disk gives less. */
const SHARE_OF_DISK = 16
const BLOCK_BYTES = 1024 * 1024
/** How often a write that is refused looks whether there is room again. */
const LOOK_AGAIN_MS = 500

export interface SpaceReserveOptions {
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Keeps a file of dead weight on the disk. Whoever fills the disk can't take that room: it is let go when something that
 *  makes room (removing, collecting garbage) finds none to work in. From then on only that is possible, until there is
 *  enough room again for the file. Without it a full disk could never be emptied: to remove a file is a write, too. */
export class SpaceReserve {
  readonly #path: string
  readonly #options: SpaceReserveOptions
  #isGone = false
  #sizeBytes = RESERVE_BYTES
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #releasing: Promise<void> | undefined
  #refilling: Promise<void> | undefined

  constructor(path: string, options: SpaceReserveOptions) {
    this.#path = path
    this.#options = options
  }

  /** Makes the file at `path`, as far as there is room. @throws STORAGE_FAILED; a full disk is none */
  static async open(path: string, options: SpaceReserveOptions): Promise<SpaceReserve> {
    const reserve = new SpaceReserve(path, options)
    const folder = path.slice(0, path.lastIndexOf('/')) || '/'
    const { capacityBytes } = await options.files.space(folder)
    reserve.#sizeBytes = Math.min(RESERVE_BYTES, Math.floor(capacityBytes / SHARE_OF_DISK))
    reserve.#isGone = true
    await reserve.#refill()
    if (reserve.#isGone) options.log.warn('the disk is full: until there is room, only removing is possible', { path })
    return reserve
  }

  /** The same store: what makes room may use the reserve, all else is refused while that is gone. */
  guardKeys(store: KeyValueStore): KeyValueStore {
    return {
      get: (key) => store.get(key),
      read: (fn) => store.read(fn),
      openSnapshot: () => store.openSnapshot(),
      range: (options) => store.range(options),
      transact: (fn, options) => {
        if (options?.frees === true) return this.#transactFreeing(store, fn, options)
        return this.#isGone ? this.#admit().then(() => store.transact(fn, options)) : store.transact(fn, options)
      },
      close: () => store.close(),
    }
  }

  /** The same store, which takes no chunks while the reserve is gone. */
  guardChunks(store: ChunkStore): ChunkStore {
    return {
      write: (id, bytes) => (this.#isGone ? this.#admit().then(() => store.write(id, bytes)) : store.write(id, bytes)),
      read: (id, range) => store.read(id, range),
      locate: (id) => store.locate(id),
      forget: (id, options) => store.forget(id, options),
      verify: (id) => store.verify(id),
      list: (from) => store.list(from),
      usage: () => store.usage(),
      close: () => store.close(),
    }
  }

  async #transactFreeing<T>(store: KeyValueStore, fn: (transaction: Transaction) => T, options: TransactOptions): Promise<T> {
    const wasGone = this.#isGone
    try {
      return await store.transact(fn, options)
    } catch (error) {
      if (wasGone || !isShoalError(error, 'NO_SPACE')) throw error
    }
    await this.#release()
    return store.transact(fn, options)
  }

  /** @throws NO_SPACE unless there is room for the reserve again */
  async #admit(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs()
    if (this.#refilling === undefined && nowMs - this.#lookedAtMs >= LOOK_AGAIN_MS) {
      this.#lookedAtMs = nowMs
      this.#refilling = this.#refill().finally(() => {
        this.#refilling = undefined
      })
    }
    await this.#refilling
    if (this.#isGone)
      throw new ShoalError('NO_SPACE', 'The disk is full: until there is more room on it, only removing is possible')
  }

  /** Callers at the same time share one release. */
  #release(): Promise<void> {
    this.#releasing ??= this.#letGo().finally(() => {
      this.#releasing = undefined
    })
    return this.#releasing
  }

  async #letGo(): Promise<void> {
    if (this.#isGone) return
    this.#isGone = true
    this.#lookedAtMs = this.#options.clock.monotonicMs()
    this.#options.log.warn('the disk is full: its reserve is let go, and only removing is possible', { path: this.#path })
    try {
      const file = await this.#options.files.open(this.#path, 'update')
      try {
        await file.truncate(0)
        await file.datasync()
      } finally {
        await file.close()
      }
    } catch (error) {
      throw storageError(error, `let go of the reserve "${this.#path}"`)
    }
  }

  /** Twice the room is asked for, so that the reserve isn't taken and let go in turns. */
  async #refill(): Promise<void> {
    const { files, log } = this.#options
    const file = await openOrCreate(files, this.#path)
    try {
      const { sizeBytes } = await file.facts()
      if (sizeBytes < this.#sizeBytes) {
        const { freeBytes } = await files.space(this.#path)
        if (freeBytes < 2 * (this.#sizeBytes - sizeBytes)) return
        await this.#write(file, sizeBytes)
        log.debug('the reserve for a full disk is in place', { path: this.#path, sizeBytes: this.#sizeBytes })
      }
      this.#isGone = false
    } catch (error) {
      // Others were quicker to take the room. What has been written is let go with the rest.
      const problem = storageError(error, `keep the reserve "${this.#path}"`)
      if (problem.code !== 'NO_SPACE') throw problem
      await file.truncate(0)
    } finally {
      await file.close()
    }
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
