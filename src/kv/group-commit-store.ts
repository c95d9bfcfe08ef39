import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import { checkKey, toInterval } from './arguments.ts'
import type { CommitBase } from './commit-base.ts'
import { GroupCommit } from './group-commit.ts'
import type { GroupCommitOptions } from './group-commit.ts'
import { pagedRange } from './paged-range.ts'
import type { KeyValue, KeyValueStore, LongSnapshot, RangeOptions, Snapshot, Transaction, TransactOptions } from './store.ts'
import { BaseView, LongView, refusePromise, TransactionView } from './views.ts'

/** The promises of `KeyValueStore`, kept over any base that can commit a set of writes in one step. Transactions run at
 *  once, one after another, over the base and all that isn't flushed yet. */
export class GroupCommitStore implements KeyValueStore {
  readonly #base: CommitBase
  readonly #commits: GroupCommit
  readonly #kept = new Set<LongView>()
  #closing: Promise<void> | undefined
  #isTransacting = false

  constructor(base: CommitBase, options: GroupCommitOptions = {}) {
    this.#base = base
    this.#commits = new GroupCommit(base, options)
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    this.#checkOpen()
    checkKey(key)
    return this.#base.get(key)
  }

  read<T>(fn: (snapshot: Snapshot) => T): Promise<T> {
    try {
      return Promise.resolve(this.#read(fn))
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  #read<T>(fn: (snapshot: Snapshot) => T): T {
    this.#checkOpen()
    const view = new BaseView(this.#base)
    try {
      return refusePromise(fn(view))
    } finally {
      view.end()
    }
  }

  async openSnapshot(): Promise<LongSnapshot> {
    this.#checkOpen()
    const view = new LongView(this.#base.keep(), (ended) => this.#kept.delete(ended))
    this.#kept.add(view)
    return view
  }

  range(options: RangeOptions): AsyncIterableIterator<KeyValue> {
    return pagedRange(this, toInterval(options))
  }

  async transact<T>(fn: (transaction: Transaction) => T, { direct = false }: TransactOptions = {}): Promise<T> {
    this.#checkOpen()
    const refusal = this.#commits.refusal()
    if (refusal !== undefined) throw refusal
    assert(!this.#isTransacting, 'A transaction of the key-value store was begun inside another one')
    const view = new TransactionView(this.#base, this.#commits.layers())
    let result: T
    try {
      result = this.#run(fn, view)
    } catch (error) {
      // The error may tell of something that isn't flushed yet: like a result, it waits until that is durable.
      await this.#commits.flushed()
      throw error
    }
    await (view.writes.size === 0 ? this.#commits.flushed() : this.#commits.add(view.writes, { direct }))
    return result
  }

  promiseQuiet(): number {
    return this.#closing === undefined ? (this.#base.promiseQuiet?.() ?? 0) : 0
  }

  close(): Promise<void> {
    this.#closing ??= this.#commits.idle().then(() => {
      for (const view of this.#kept) view.end('store closed')
      return this.#base.close()
    })
    return this.#closing
  }

  #run<T>(fn: (transaction: Transaction) => T, view: TransactionView): T {
    this.#isTransacting = true
    try {
      return refusePromise(fn(view))
    } finally {
      this.#isTransacting = false
      view.end()
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new ShoalError('UNAVAILABLE', 'The key-value store is closed')
  }
}
