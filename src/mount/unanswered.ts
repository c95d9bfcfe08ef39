import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'

/** For so long a cluster that could not be reached isn't asked for what is remembered, each time for longer, as long as nothing is told. */
const AWAY_MS = 3_000
const AWAY_MS_MAX = 30_000
/** How long a node that isn't heard any more is waited for where it was known before what it would say. */
const LOOK_MS = 1_000
const LOOKS = 5

export interface UnansweredOptions {
  readonly clock: Pick<Clock, 'sleep' | 'monotonicMs'>
  /** Whether each change of others is told. */
  readonly isTold: () => boolean
}

/** Questions that a node doesn't answer: what is remembered stands in for it then, and after a while without asking it. */
export class Unanswered {
  readonly #options: UnansweredOptions
  #untilMs = -Infinity
  #nextMs = AWAY_MS

  constructor(options: UnansweredOptions) {
    this.#options = options
  }

  get isAway(): boolean {
    const { clock, isTold } = this.#options
    return !isTold() && clock.monotonicMs() < this.#untilMs
  }

  /** @throws the error, unless it says that nobody could be asked */
  was(error: unknown): void {
    if (!isShoalError(error, 'UNAVAILABLE') && !isShoalError(error, 'TIMEOUT')) throw error
    this.#untilMs = this.#options.clock.monotonicMs() + this.#nextMs
    this.#nextMs = Math.min(2 * this.#nextMs, AWAY_MS_MAX)
  }

  /** The answer. Where something is remembered, a node that says nothing isn't waited for for long. @throws TIMEOUT */
  async asked<T>(asked: Promise<T>, { isKnown }: { readonly isKnown: boolean }): Promise<T> {
    const asking = asked.then((answer) => {
      this.#nextMs = AWAY_MS
      return answer
    })
    if (!isKnown) return asking
    asking.catch(() => undefined)
    const { clock, isTold } = this.#options
    const answered = new AbortController()
    const silent = (async (): Promise<never> => {
      for (let looks = 0; looks < LOOKS || isTold(); looks += 1) await clock.sleep(LOOK_MS, answered.signal)
      throw new ShoalError('TIMEOUT', 'The node says nothing')
    })()
    silent.catch(() => undefined)
    return Promise.race([asking, silent]).finally(() => answered.abort())
  }
}
