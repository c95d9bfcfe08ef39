import type { Clock } from '#platform/clock.ts'

/** Nobody waits for company longer than the commit before took: who shares the next one has saved that. Nor longer than this: a commit that takes
 *  longer is of a log that is busy, and has company. */
const WAIT_MS_MAX = 10
/** Enough is this share of the writes that there were before: rows that several changes share are written once. */
const ENOUGH = 0.9
/** After waits in vain so many commits at most don't wait. */
const SKIPPED_MAX = 64

/** When a commit begins that others might share. Those whom the commit before has answered come back at about one time with what they do next,
 *  and find the ones that had to wait meanwhile under way: without a moment's patience the two take turns for good, each with half a commit. */
export class Gathering {
  readonly #clock: Clock
  #beganMs = 0
  #untilMs = -Infinity
  #wanted = 0
  #skipped = 0
  #toSkip = 0
  #wake: (() => void) | undefined = undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  began(): void {
    this.#beganMs = this.#clock.monotonicMs()
  }

  /** A commit of so many transactions has ended, and so many wait; `writes` of all of them. */
  ended(transactions: number, writes: number): void {
    const nowMs = this.#clock.monotonicMs()
    this.#untilMs = nowMs + Math.min(WAIT_MS_MAX, nowMs - this.#beganMs)
    this.#wanted = transactions > 1 ? writes * ENOUGH : 0
  }

  /** Resolves when it is time for the next commit. `writes` tells how many there are. */
  async enough(writes: () => number): Promise<void> {
    const leftMs = this.#untilMs - this.#clock.monotonicMs()
    const before = writes()
    if (leftMs <= 0 || before >= this.#wanted) return
    if (this.#toSkip > 0) {
      this.#toSkip -= 1
      return
    }
    await this.#wait(leftMs, () => writes() >= this.#wanted)
    this.#skipped = writes() > before ? 0 : Math.min(SKIPPED_MAX, 2 * this.#skipped + 1)
    this.#toSkip = this.#skipped
  }

  /** There are more. */
  arrived(): void {
    this.#wake?.()
  }

  async #wait(ms: number, isOver: () => boolean): Promise<void> {
    const over = new AbortController()
    this.#wake = () => {
      if (isOver()) over.abort()
    }
    await this.#clock.sleep(Math.ceil(ms), over.signal).catch(() => {})
    this.#wake = undefined
  }
}
