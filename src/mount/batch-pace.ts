/** So many batches may follow one another before they are held up. */
export const BURST_BATCHES = 8
/** One more in each such time, with all that is due by then: with the 20 ms after which a change is due, others see it within 100 ms. */
export const GATHER_MS = 50

/** Says whether a batch of few changes may go, or waits for others: a request costs the node as much as many changes. What is changed at
 *  rest isn't held up, nor are some changes of which each waits for the one before. Times are monotonic. */
export class BatchPace {
  /** Until then all that may go has gone, were it one at a time. */
  #takenMs = -Infinity

  /** From when on one may go. */
  get nextMs(): number {
    return this.#takenMs - (BURST_BATCHES - 1) * GATHER_MS
  }

  /** A batch has gone, whatever the pace said of it: the next one waits for `GATHER_MS` at most. */
  gone(nowMs: number): void {
    this.#takenMs = Math.min(Math.max(this.#takenMs, nowMs) + GATHER_MS, nowMs + BURST_BATCHES * GATHER_MS)
  }
}
