import type { ChunkStore } from '#chunk/store.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Log } from '#observe/log.ts'
import { withTransact, withWrite } from './wrapped-stores.ts'

/** One word on whether storage can be trusted, for both stores: when either has failed to keep something, neither takes
 *  writes any more, until the node is started again. A full medium is no such failure. */
export class StorageLatch {
  readonly #log: Log
  readonly #listeners: (() => void)[] = []
  #failure: ShoalError | undefined

  constructor(log: Log) {
    this.#log = log
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** Calls `tell` once, when storage fails. */
  onFailure(tell: () => void): void {
    this.#listeners.push(tell)
  }

  /** The same store, watched. */
  watchKeys(store: KeyValueStore): KeyValueStore {
    return withTransact(store, (fn, options) =>
      this.#failure === undefined ? this.#watch(store.transact(fn, options)) : Promise.reject(this.#refusal()),
    )
  }

  /** The same store, watched. */
  watchChunks(store: ChunkStore): ChunkStore {
    return withWrite(store, (...chunk) =>
      this.#failure === undefined ? this.#watch(store.write(...chunk)) : Promise.reject(this.#refusal()),
    )
  }

  /** Notes a failure beside the promise, which stays what it is: nobody waits longer. */
  #watch<T>(promise: Promise<T>): Promise<T> {
    promise.catch((error: unknown) => {
      if (this.#failure !== undefined || !isShoalError(error, 'STORAGE_FAILED')) return
      this.#failure = error
      this.#log.error('storage has failed: the node takes no more writes', { error })
      for (const tell of this.#listeners) tell()
    })
    return promise
  }

  #refusal(): ShoalError {
    return new ShoalError(
      'STORAGE_FAILED',
      `The node takes no more writes, since its storage has failed: ${this.#failure?.message ?? ''}`,
      {
        cause: this.#failure,
      },
    )
  }
}
