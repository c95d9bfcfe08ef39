import type { Clock } from './clock.ts'

/** The part of a time that others have promised which is not relied on: clocks may differ in pace by that much. Quartz is off by a
 *  ten-thousandth; a virtual machine that is starved may well be off by a hundredth. */
export const DRIFT_SHARE = 0.1

/** What somebody was promised who has asked at the moment of the construction. */
export class QuietPromise {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'nowMs'>
  readonly #askedMs: number
  readonly #askedTimeMs: number
  #quietMs = 0

  constructor(clock: Pick<Clock, 'monotonicMs' | 'nowMs'>) {
    this.#clock = clock
    this.#askedMs = clock.monotonicMs()
    this.#askedTimeMs = clock.nowMs()
  }

  given(quietMs: number): void {
    this.#quietMs = quietMs * (1 - DRIFT_SHARE)
  }

  /** Whether it lasts at this moment. */
  get lasts(): boolean {
    if (this.#quietMs === 0) return false
    // While a machine sleeps its monotonic clock may stand still, and the time of day tells.
    const passedMs = Math.max(this.#clock.monotonicMs() - this.#askedMs, this.#clock.nowMs() - this.#askedTimeMs)
    return passedMs < this.#quietMs
  }
}
