import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import { checkKey, toInterval } from './arguments.ts'
import type { FollowedState } from './followed-state.ts'
import { pagedRange } from './paged-range.ts'
import type { KeyValue, KeyValueStore, LongSnapshot, RangeOptions, Snapshot } from './store.ts'
import { BaseView, LongView, refusePromise } from './views.ts'

const REST_MS = 500
/** A commit past the journal takes milliseconds, or a second if it is a large one on a slow disk. */
const WAIT_MS = 2
const WAITS_MAX = 50

/** Whether a store refused because it only follows another one, which would do it. */
export function isForTheWriter(error: unknown): boolean {
  return isShoalError(error, 'UNAVAILABLE') && error.details['writer'] === true
}

/** The error that `isForTheWriter` knows. */
export function forTheWriter(why: string, cause?: Error): ShoalError {
  return new ShoalError('UNAVAILABLE', why, { details: { writer: true }, cause })
}

/** A store that another thread writes, to be read here: every read sees all that was acknowledged before it, on whichever
 *  thread. What it can't do it refuses in a way that `isForTheWriter` knows: every transaction, and reads that would have to
 *  wait for long. */
export class FollowingStore implements KeyValueStore {
  readonly #state: FollowedState
  readonly #clock: Clock
  readonly #release: () => Promise<void>
  readonly #kept = new Set<LongView>()
  readonly #closed = new AbortController()
  #closing: Promise<void> | undefined

  /** `release` closes what `state` reads from. */
  constructor(state: FollowedState, { clock, release }: { readonly clock: Clock; readonly release: () => Promise<void> }) {
    this.#state = state
    this.#clock = clock
    this.#release = release
    void this.#restNowAndThen()
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    this.#checkOpen()
    checkKey(key)
    return this.read((snapshot) => snapshot.get(key))
  }

  async read<T>(fn: (snapshot: Snapshot) => T): Promise<T> {
    this.#checkOpen()
    for (let waits = 0; !this.#state.catchUp(); waits += 1) await this.#waitABit(waits)
    const view = new BaseView(this.#state)
    try {
      return refusePromise(fn(view))
    } finally {
      view.end()
    }
  }

  async openSnapshot(): Promise<LongSnapshot> {
    this.#checkOpen()
    for (let waits = 0; !this.#state.catchUp(); waits += 1) await this.#waitABit(waits)
    const view = new LongView(this.#state.keep(), (ended) => this.#kept.delete(ended))
    this.#kept.add(view)
    return view
  }

  range(options: RangeOptions): AsyncIterableIterator<KeyValue> {
    return pagedRange(this, toInterval(options))
  }

  transact(): Promise<never> {
    return Promise.reject(forTheWriter('Nothing can be changed from here: the thread that writes the store does it'))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#closed.abort()
    for (const view of this.#kept) view.end('store closed')
    this.#state.close()
    await this.#release()
  }

  async #waitABit(waits: number): Promise<void> {
    if (waits === WAITS_MAX)
      throw forTheWriter('A large change is on its way to the disk: only the thread that writes it can read meanwhile')
    await this.#clock.sleep(WAIT_MS)
    this.#checkOpen()
  }

  async #restNowAndThen(): Promise<void> {
    for (;;) {
      try {
        await this.#clock.sleep(REST_MS, this.#closed.signal)
      } catch {
        return
      }
      this.#state.rest()
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new ShoalError('UNAVAILABLE', 'The key-value store is closed')
  }
}
