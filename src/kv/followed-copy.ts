import { isShoalError } from '#foundation/errors.ts'
import { toInterval } from './arguments.ts'
import { forTheWriter } from './following-store.ts'
import { pagedRange } from './paged-range.ts'
import type { KeyValue, KeyValueReader, KeyValueStore, LongSnapshot, RangeOptions, Snapshot } from './store.ts'

/** What a replica has, however old that is, as a store that can only be read. What it can't do it refuses in a way that `isForTheWriter`
 *  knows: every transaction, and reads while there is no whole state. It belongs to the replica, which outlives it. */
export class FollowedCopy implements KeyValueStore {
  readonly #copy: KeyValueReader

  constructor(copy: KeyValueReader) {
    this.#copy = copy
  }

  get(key: Uint8Array): Promise<Buffer | undefined> {
    return this.read((snapshot) => snapshot.get(key))
  }

  read<T>(fn: (snapshot: Snapshot) => T): Promise<T> {
    return this.#copy.read(fn).catch(refuse)
  }

  openSnapshot(): Promise<LongSnapshot> {
    return this.#copy.openSnapshot().catch(refuse)
  }

  range(options: RangeOptions): AsyncIterableIterator<KeyValue> {
    return pagedRange(this, toInterval(options))
  }

  transact(): Promise<never> {
    return Promise.reject(forTheWriter('Nothing can be changed from here: the node that leads does it'))
  }

  async close(): Promise<void> {}
}

function refuse(error: unknown): never {
  if (!isShoalError(error, 'UNAVAILABLE')) throw error
  throw forTheWriter('There is no whole copy of the metadata here: the node that leads has one', error)
}
