import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import { appendSurely } from '#sharedlog/append-surely.ts'
import type { Leadership, SharedLog } from '#sharedlog/log.ts'
import type { Interval } from './arguments.ts'
import type { CommitBase, KeptState } from './commit-base.ts'
import { encodeWriteEntries } from './log-entry-format.ts'
import { QuietTime } from './quiet-time.ts'
import type { LogEnd } from './quiet-time.ts'
import type { ReplicatedState } from './replicated-state.ts'
import type { Decode, KeyValue } from './store.ts'
import type { WriteSet } from './write-set.ts'

/** How long a leader looks for the answer to an append before it gives its term up: longer than etcd needs for a leader of its own. */
const DOUBT_MS_MAX = 10_000

export interface TermBaseOptions {
  /** The log's last entry; the state has all up to it. */
  readonly last: number
  readonly stateId: Buffer
  readonly log: SharedLog
  readonly leadership: Leadership
  readonly clock: Clock
  /** Told of every entry that was appended. */
  readonly onAppended: (index: number, bytes: number) => void
}

/** The base of a leader's transactions: a commit is durable when the shared log has it, and the state takes it then. The term ends
 *  with the first commit that fails, but for lack of room. */
export class TermBase implements CommitBase {
  readonly #state: ReplicatedState
  readonly #options: TermBaseOptions
  readonly #quiet: QuietTime
  #last: number
  #inFlight: Promise<void> | undefined

  constructor(state: ReplicatedState, options: TermBaseOptions) {
    this.#state = state
    this.#last = options.last
    this.#options = options
    this.#quiet = new QuietTime(options.clock)
  }

  get(key: Uint8Array): Buffer | undefined {
    return this.#state.get(key)
  }

  getDecoded<T>(key: Uint8Array, decode: Decode<T>, name?: string): T | undefined {
    return this.#state.getDecoded(key, decode, name)
  }

  range(interval: Interval): IterableIterator<KeyValue> {
    return this.#state.range(interval)
  }

  keep(): KeptState {
    return this.#state.keep()
  }

  /** Settles, never with an error, when the commit under way has: the log may have it by now, and this node not know. */
  get inFlight(): Promise<void> | undefined {
    return this.#inFlight
  }

  /** The last entry that anybody may have seen by now; none if nobody can say so under this lease. */
  async end(): Promise<LogEnd | undefined> {
    // Others may have seen what is in flight, though its answer isn't here yet.
    await this.#inFlight
    if (this.#options.leadership.leasedMs() === 0) return undefined
    return { end: this.#state.position, quietMs: this.promiseQuiet() }
  }

  promiseQuiet(): number {
    const leasedMs = this.#options.leadership.leasedMs()
    return this.#inFlight === undefined && leasedMs > 0 ? this.#quiet.promise(leasedMs) : 0
  }

  /** @throws UNAVAILABLE when the term is over, with `ambiguous` in its details: whether the log may have the writes all the same */
  async commit(writes: WriteSet): Promise<void> {
    const settled = Promise.withResolvers<void>()
    this.#inFlight = settled.promise
    try {
      await this.#commit(writes)
    } finally {
      this.#quiet.changed()
      this.#inFlight = undefined
      settled.resolve()
    }
  }

  async #commit(writes: WriteSet): Promise<void> {
    let isAmbiguous = false
    try {
      await this.#quiet.over()
      await this.#state.room()
      const entries = encodeWriteEntries(this.#options.stateId, writes)
      for (const [at, bytes] of entries.entries()) {
        isAmbiguous = at === entries.length - 1
        if (await this.append(bytes)) continue
        isAmbiguous = false
        throw new ShoalError('UNAVAILABLE', 'Another node leads')
      }
    } catch (cause) {
      if (isShoalError(cause, 'NO_SPACE')) throw cause
      void this.#options.leadership.resign()
      if (isShoalError(cause, 'STORAGE_FAILED')) throw cause
      throw termOver(isAmbiguous, cause)
    }
    this.#state.take(writes, this.#last)
  }

  /** False if the log has another leader and will never have the entry. */
  async append(bytes: Buffer): Promise<boolean> {
    const { log, leadership, clock, onAppended } = this.#options
    if (leadership.lost.aborted) return false
    const index = this.#last + 1
    const options = { clock, withinMs: DOUBT_MS_MAX, signal: leadership.lost }
    if ((await appendSurely(log, { epoch: leadership.epoch, index, bytes }, options)) === 'deposed') return false
    this.#last = index
    this.#state.pass(index)
    onAppended(index, bytes.length)
    return true
  }

  /** Nobody else may lead as long as somebody counts on this leader's word. */
  close(): Promise<void> {
    return this.#quiet.close()
  }
}

function termOver(ambiguous: boolean, cause: unknown): ShoalError {
  const message = ambiguous
    ? 'This node no longer leads, and nobody can say yet whether the change was made: look, then do it again if it was not'
    : 'This node no longer leads, and the change was not made: do it again'
  return new ShoalError('UNAVAILABLE', message, { details: { ambiguous }, cause })
}
