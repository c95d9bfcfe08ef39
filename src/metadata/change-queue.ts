import type { KeyValueStore, Transaction, TransactOptions } from '#kv/store.ts'
import type { ChangeGroup } from './change-group.ts'
import type { VolumeTransaction } from './transaction.ts'
import type { VolumeHandle } from './volume-handle.ts'

/** A transaction takes no more changes after either figure: the event loop isn't held for more than a few milliseconds,
 *  and a commit stays short. */
const GROUP_CHANGES_MAX = 256
const GROUP_BYTES_MAX = 4 * 1024 * 1024

interface Waiting {
  readonly volume: VolumeHandle
  readonly principal: string
  readonly fn: (t: VolumeTransaction) => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

type Outcome = { readonly value: unknown } | { readonly error: unknown }

export interface ChangeQueueOptions {
  readonly kv: KeyValueStore
  readonly begin: (tx: Transaction) => ChangeGroup
  /** Called after each commit that the change feed shows. */
  readonly onReported: () => void
}

/** Gathers the changes of one turn of the event loop, and runs them one after another in one transaction of the store. It is
 *  empty again when the turn ends, so that its limit is the store's, which answers BUSY. */
export class ChangeQueue {
  readonly #options: ChangeQueueOptions
  #waiting: Waiting[] = []

  constructor(options: ChangeQueueOptions) {
    this.#options = options
  }

  /** Runs a change at the end of this turn; resolves when it is durable. @throws what `fn` throws, and what the store does */
  add<T>(volume: VolumeHandle, principal: string, fn: (t: VolumeTransaction) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(this.flush)
      this.#waiting.push({ volume, principal, fn, resolve: resolve as (value: unknown) => void, reject })
    })
  }

  /** Runs a change in a transaction of its own, after those that wait. */
  async runAlone<T>(
    { volume, principal, fn }: { volume: VolumeHandle; principal: string; fn: (t: VolumeTransaction) => T },
    options: TransactOptions,
  ): Promise<T> {
    this.flush()
    const { kv, begin, onReported } = this.#options
    let isReported = false
    const result = await kv.transact((tx) => {
      const group = begin(tx)
      const value = group.run(volume, principal, fn)
      group.finish()
      isReported = group.isReported
      return value
    }, options)
    if (isReported) onReported()
    return result
  }

  /** Runs what waits, now: before anything that is to come after it. */
  readonly flush = (): void => {
    const waiting = this.#waiting
    this.#waiting = []
    for (let from = 0; from < waiting.length; from += GROUP_CHANGES_MAX) {
      void this.#commit(waiting.slice(from, from + GROUP_CHANGES_MAX))
    }
  }

  async #commit(waiting: readonly Waiting[]): Promise<void> {
    const { kv, begin, onReported } = this.#options
    const outcomes: Outcome[] = []
    let isReported = false
    try {
      await kv.transact(
        (tx) => {
          const group = begin(tx)
          for (const change of waiting) {
            outcomes.push(attempt(group, change))
            if (tx.writtenBytes >= GROUP_BYTES_MAX) break
          }
          group.finish()
          isReported = group.isReported
        },
        { changes: waiting.length },
      )
    } catch (error) {
      for (const { reject } of waiting) reject(error)
      return
    }
    for (const [index, outcome] of outcomes.entries()) {
      const { resolve, reject } = waiting[index] as Waiting
      if ('error' in outcome) reject(outcome.error)
      else resolve(outcome.value)
    }
    if (isReported) onReported()
    if (outcomes.length < waiting.length) void this.#commit(waiting.slice(outcomes.length))
  }
}

function attempt(group: ChangeGroup, { volume, principal, fn }: Waiting): Outcome {
  try {
    return { value: group.run(volume, principal, fn) }
  } catch (error) {
    return { error }
  }
}
