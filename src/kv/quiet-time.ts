import type { Clock } from '#platform/clock.ts'

/** No change is kept waiting for longer than this share of the time that has passed since the one before. */
const SHARE = 0.1
/** Some hundred reads of a busy node: a question for each of these times is next to nothing then. */
const QUIET_MS_MAX = 20

/** Where a log ends, by the word of whoever leads. */
export interface LogEnd {
  /** The last entry that anybody may have seen. */
  readonly end: number
  /** For so long there will be no other, by the leader's clock, counted from a moment after the question. */
  readonly quietMs: number
}

/** The time in which a leader appends nothing, since it has told others so: until then they read without asking again (leases on a whole
 *  state; Gray and Cheriton, SOSP 1989). The longer nothing was written, the longer the promises: 20 ms at most. */
export class QuietTime {
  readonly #clock: Clock
  #untilMs = -Infinity
  #changedMs: number
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#changedMs = clock.monotonicMs()
  }

  /** For how long nothing will be appended, for somebody who is told so now; `leasedMs` at most, after which others may lead. Nothing may be under way. */
  promise(leasedMs = Infinity): number {
    if (this.#isClosed) return 0
    const nowMs = this.#clock.monotonicMs()
    const quietMs = Math.floor(Math.min(QUIET_MS_MAX, (nowMs - this.#changedMs) * SHARE, leasedMs))
    if (quietMs <= 0) return 0
    this.#untilMs = Math.max(this.#untilMs, nowMs + quietMs)
    return quietMs
  }

  /** Resolves when nobody counts on a promise any more. */
  async over(): Promise<void> {
    for (let leftMs = this.#leftMs(); leftMs > 0; leftMs = this.#leftMs()) await this.#clock.sleep(Math.ceil(leftMs))
  }

  /** There are no further promises; resolves when the last one is over. */
  close(): Promise<void> {
    this.#isClosed = true
    return this.over()
  }

  /** Something was appended, perhaps. */
  changed(): void {
    this.#changedMs = this.#clock.monotonicMs()
  }

  #leftMs(): number {
    return this.#untilMs - this.#clock.monotonicMs()
  }
}
