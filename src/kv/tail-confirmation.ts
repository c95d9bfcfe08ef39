import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { SharedLog } from '#sharedlog/log.ts'
import type { ReplicatedState } from './replicated-state.ts'

/** A copy that hasn't seen the end of the log after this time is cut off from it, or busy with a snapshot. */
const CATCH_UP_MS_MAX = 10_000

/** Waits until a copy has all that the log had, by a majority's word, when it was asked: what is read then is linearizable. All who ask
 *  while one question is under way share the next one. */
export class TailConfirmation {
  readonly #log: SharedLog
  readonly #state: ReplicatedState
  readonly #clock: Clock
  #current: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor({ log, state, clock }: { log: SharedLog; state: ReplicatedState; clock: Clock }) {
    this.#log = log
    this.#state = state
    this.#clock = clock
  }

  /** @throws UNAVAILABLE when the log can't be reached, or the copy doesn't get there in time; DATA_IN_USE for another log */
  confirm(): Promise<void> {
    if (this.#current === undefined) {
      this.#current = this.#ask().finally(() => {
        this.#current = undefined
      })
      return this.#current
    }
    // The question that is under way may be older than what the caller has to see.
    this.#next ??= this.#current
      .catch(() => {})
      .then(() => {
        this.#next = undefined
        return this.confirm()
      })
    return this.#next
  }

  async #ask(): Promise<void> {
    const { applied } = this.#state
    const { last } = await this.#log.bounds()
    if (last < applied) {
      throw new ShoalError(
        'DATA_IN_USE',
        `The shared log ends at entry ${last}, and this node has entry ${applied} of its log: it is another log, or has lost its end`,
      )
    }
    if (this.#state.position >= last) return
    const enough = new AbortController()
    const late = this.#clock.sleep(CATCH_UP_MS_MAX, enough.signal).catch(() => {})
    await Promise.race([this.#state.reached(last), late])
    enough.abort()
    if (this.#state.position >= last) return
    throw new ShoalError(
      'UNAVAILABLE',
      `This node has seen entry ${this.#state.position} of the shared log, which ends at ${last}`,
    )
  }
}
