import { MARK_ORIGINS } from '#foundation/request-mark.ts'
import type { MarkOrigin } from '#foundation/request-mark.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { forgetOldResults, hasResults, nextGeneration } from '#metadata/remembered.ts'
import type { Clock } from '#platform/clock.ts'

/** For how long results are remembered at least; up to twice as long, and more where leaders change. A client that waits a minute for each answer
 *  has come back four times by then; a door gives up after some 10 s. */
const KEPT_MS: Readonly<Record<MarkOrigin, number>> = { client: 5 * 60_000, door: 60_000 }
/** Removed in one transaction. */
const ROWS_PER_STEP = 1_000

/** Forgets what became of requests that won't come again. */
export class RememberedSweep {
  readonly #metadata: Metadata
  readonly #clock: Clock
  readonly #turnedAtMs: Record<MarkOrigin, number>

  constructor({ metadata, clock }: { readonly metadata: Metadata; readonly clock: Clock }) {
    this.#metadata = metadata
    this.#clock = clock
    const nowMs = clock.monotonicMs()
    this.#turnedAtMs = { client: nowMs, door: nowMs }
  }

  /** Once it has led again for a while: the time before may have been another node's. */
  restart(): void {
    for (const origin of MARK_ORIGINS) this.#turnedAtMs[origin] = this.#clock.monotonicMs()
  }

  /** What an aborted one leaves goes with the next. */
  async sweep(signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    for (const origin of MARK_ORIGINS) {
      if (nowMs - this.#turnedAtMs[origin] < KEPT_MS[origin]) continue
      this.#turnedAtMs[origin] = nowMs
      if (!(await this.#metadata.readSystem((snapshot) => hasResults(snapshot, origin)))) continue
      await this.#metadata.transactSystem((tx) => nextGeneration(tx, origin), { frees: true })
      for (let forgotten = ROWS_PER_STEP; forgotten === ROWS_PER_STEP && !signal.aborted;)
        forgotten = await this.#metadata.transactSystem((tx) => forgetOldResults(tx, origin, ROWS_PER_STEP), { frees: true })
    }
  }
}
