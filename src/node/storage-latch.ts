import type { ChunkStore } from '#chunk/store.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Log } from '#observe/log.ts'
import { withTransact, withWrite } from './wrapped-stores.ts'

/** One word on whether storage can be trusted, for all stores: when one has failed to keep something, none that rests on the disk takes
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

  /** Calls `tell` once, when storage fails, or now if it has. */
  onFailure(tell: () => void): void {
    if (this.failed) tell()
    else this.#listeners.push(tell)
  }

  /** What could not be kept, by a store that isn't watched. Only the first failure counts. */
  fail(error: ShoalError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#log.error('storage has failed: the node takes no more writes', { error })
    for (const tell of this.#listeners) tell()
  }

  /** The same store, watched. @param isKeptElsewhere whether what it acknowledges rests on other nodes, and not on the disk here: then it
   *  goes on until it fails itself, and what the disk has failed to keep of a change can be kept by others */
  watchKeys(store: KeyValueStore, isKeptElsewhere = (): boolean => false): KeyValueStore {
    return withTransact(store, (fn, options) =>
      this.#failure === undefined || isKeptElsewhere()
        ? this.#watch(store.transact(fn, options))
        : Promise.reject(this.#refusal()),
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
      if (isShoalError(error, 'STORAGE_FAILED')) this.fail(error)
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
