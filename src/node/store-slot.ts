import { ShoalError } from '#foundation/errors.ts'
import type { KeyValue, KeyValueStore, LongSnapshot, RangeOptions, Snapshot, Transaction, TransactOptions } from '#kv/store.ts'

/** A place for a store that is put there later, or gives way to another one. While it is empty every call fails with UNAVAILABLE. */
export class StoreSlot implements KeyValueStore {
  #store: KeyValueStore | undefined

  constructor(store?: KeyValueStore) {
    this.#store = store
  }

  /** Closes what is there, then puts in what `open` gives. */
  async replace(open: () => Promise<KeyValueStore>): Promise<void> {
    await this.#store?.close()
    this.#store = undefined
    this.#store = await open()
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    return this.#current.get(key)
  }

  async read<T>(fn: (snapshot: Snapshot) => T): Promise<T> {
    return this.#current.read(fn)
  }

  async openSnapshot(): Promise<LongSnapshot> {
    return this.#current.openSnapshot()
  }

  range(options: RangeOptions): AsyncIterableIterator<KeyValue> {
    return this.#current.range(options)
  }

  async transact<T>(fn: (transaction: Transaction) => T, options?: TransactOptions): Promise<T> {
    return this.#current.transact(fn, options)
  }

  promiseQuiet(): number {
    return this.#store?.promiseQuiet?.() ?? 0
  }

  async close(): Promise<void> {
    await this.#store?.close()
  }

  get #current(): KeyValueStore {
    if (this.#store === undefined) throw new ShoalError('UNAVAILABLE', 'The metadata of this node is not open yet')
    return this.#store
  }
}
