import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import { QuietPromise } from '#platform/quiet-promise.ts'
import type { SharedLog } from '#sharedlog/log.ts'
import type { LogEnd } from './quiet-time.ts'
import type { ReplicatedState } from './replicated-state.ts'

/** A copy that hasn't seen the end of the log after this time is cut off from it, or busy with a snapshot. */
const CATCH_UP_MS_MAX = 10_000

/** A leader that didn't answer is not asked again for so long. */
const REST_MS = 1_000
const NO_ANSWER: LogEnd = { end: -1, quietMs: 0 }
const GIVEN_UP: LogEnd = { end: -2, quietMs: 0 }

export interface TailConfirmationOptions {
  readonly log: SharedLog
  readonly state: ReplicatedState
  readonly clock: Clock
  /** Where the log ends, by the lease of whoever leads; `undefined` where nobody can be asked. The log itself is asked where it fails. */
  readonly askLeader?: () => Promise<LogEnd> | undefined
}

/** Waits until a copy has all that the log had, by the word of a leader under its lease or of a majority, when it was asked: what is read then is linearizable. All who ask
 *  while one question is under way share the next one. Nobody waits while a leader's promise lasts that nothing is appended, and the copy has all up to then. */
export class TailConfirmation {
  readonly #log: SharedLog
  readonly #state: ReplicatedState
  readonly #clock: Clock
  #current: Promise<void> | undefined
  #next: Promise<void> | undefined
  /** When the last question was asked that has led to an answer. */
  #confirmedMs = -Infinity
  /** Of the leader, who has said where the log ends; the copy has that. */
  #quiet: QuietPromise | undefined

  readonly #askLeader: TailConfirmationOptions['askLeader']
  #restUntilMs = -Infinity
  #giveUp = (): void => {}

  constructor({ log, state, clock, askLeader }: TailConfirmationOptions) {
    this.#askLeader = askLeader
    this.#log = log
    this.#state = state
    this.#clock = clock
  }

  /** Whether the copy has everything now, by a promise of the leader that lasts. */
  get isConfirmed(): boolean {
    return this.#quiet?.lasts === true
  }

  /** With `withinMs` it is enough that this was so at some moment of that time: as long as questions are answered at all, nobody waits
   *  for them then. @throws UNAVAILABLE when the log can't be reached, or the copy doesn't get there in time; DATA_IN_USE for another log */
  confirm(withinMs = 0): Promise<void> {
    if (this.isConfirmed) return Promise.resolve()
    const ageMs = this.#clock.monotonicMs() - this.#confirmedMs
    if (ageMs < withinMs) {
      if (ageMs > withinMs / 2 && this.#current === undefined) void this.confirm().catch(() => {})
      return Promise.resolve()
    }
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
    const askedMs = this.#clock.monotonicMs()
    const quiet = new QuietPromise(this.#clock)
    const asking = askedMs < this.#restUntilMs ? undefined : this.#askLeader?.()
    const byLeader = asking === undefined ? undefined : await this.#sensible(asking, applied)
    const last = byLeader?.end ?? (await this.#log.bounds()).last
    if (last < applied) {
      throw new ShoalError(
        'DATA_IN_USE',
        `The shared log ends at entry ${last}, and this node has entry ${applied} of its log: it is another log, or has lost its end`,
      )
    }
    if (this.#state.position < last) await this.#catchUp(last)
    this.#confirmedMs = askedMs
    quiet.given(byLeader?.quietMs ?? 0)
    this.#quiet = quiet
  }

  /** Somebody else leads, or nobody: the answer of the one that was asked is not waited for. */
  leaderChanged(): void {
    this.#restUntilMs = -Infinity
    this.#quiet = undefined
    this.#giveUp()
  }

  /** None in place of a failure. */
  async #sensible(asking: Promise<LogEnd>, applied: number): Promise<LogEnd | undefined> {
    const given = Promise.withResolvers<LogEnd>()
    this.#giveUp = () => given.resolve(GIVEN_UP)
    asking.then(given.resolve, () => given.resolve(NO_ANSWER))
    const word = await given.promise
    if (word.end >= applied) return word
    if (word === GIVEN_UP) return undefined
    this.#restUntilMs = this.#clock.monotonicMs() + REST_MS
    return undefined
  }

  async #catchUp(last: number): Promise<void> {
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
