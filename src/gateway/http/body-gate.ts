import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'

/** Bodies up to this length are read whole before anything else happens: one buffer, no stream. */
export const SMALL_BODY_BYTES = 64 * 1024

/** Shorter than the minute for which common clients and proxies wait, long enough for a burst to pass. */
const WAIT_MS_MAX = 10_000

/** Counts the large bodies that are received at once: each holds buffers while it lasts. */
export class BodyGate {
  readonly #limit: number
  /** Whoever waits for a place, in order; never more than may be inside. */
  readonly #waiting = new Set<() => void>()
  #inside = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** `leave` has to follow. @throws BUSY when the limit is reached */
  enter(): void {
    if (this.#inside >= this.#limit) throw this.#refusal('try again in a moment')
    this.#inside += 1
  }

  /** Enters as soon as there is a place, in the order of the calls. `leave` has to follow. @throws BUSY when there was none
   *  for ten seconds, or too many wait already; what `signal` says */
  async enterInTurn(clock: Clock, signal: AbortSignal): Promise<void> {
    if (this.#inside < this.#limit) {
      this.#inside += 1
      return
    }
    if (this.#waiting.size >= this.#limit) throw this.#refusal('as many wait, try again later')
    const turn = new AbortController()
    let hasEntered = false
    const enter = () => {
      hasEntered = true
      turn.abort()
    }
    this.#waiting.add(enter)
    await clock.sleep(WAIT_MS_MAX, AbortSignal.any([signal, turn.signal])).catch(() => undefined)
    if (hasEntered) return
    this.#waiting.delete(enter)
    signal.throwIfAborted()
    throw this.#refusal('none of them ended for a while, try again later')
  }

  leave(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next)
      next()
      return
    }
    this.#inside -= 1
  }

  #refusal(advice: string): ShoalError {
    return new ShoalError('BUSY', `${this.#limit} uploads are under way already: ${advice}`)
  }
}
