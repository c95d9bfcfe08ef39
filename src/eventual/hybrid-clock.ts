import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'

declare const brand: unique symbol
/** A hybrid logical time (Kulkarni, Demirbas, Madappa, Avva, Leone: "Logical Physical Clocks", 2014): milliseconds since 1970 times
 *  1,024, and a count. A safe integer until the year 2248. What happened after something else, as far as anybody can know, has the
 *  greater time. */
export type HybridTime = number & { readonly [brand]: 'HybridTime' }

export const COUNTS_PER_MS = 1024
export const NO_TIME = 0 as HybridTime

export function hybridTimeOf(ms: number): HybridTime {
  return (Math.floor(ms) * COUNTS_PER_MS) as HybridTime
}

export function msOf(time: HybridTime): number {
  return Math.floor(time / COUNTS_PER_MS)
}

/** Clocks of two machines that are an hour wrong each, in opposite directions, and some more. */
export const DRIFT_MS_MAX = 6 * 3_600_000

/** One node's hybrid clock: it never goes back, and never further ahead of the machine's clock than `driftMsMax` by what others
 *  say. A node whose own clock is wrong by more can't drag the others along: what it says is refused. */
export class HybridClock {
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #driftMsMax: number
  #last: HybridTime

  /** @param notBefore where an earlier life of the node may have come to */
  constructor(clock: Pick<Clock, 'nowMs'>, { notBefore = NO_TIME, driftMsMax = DRIFT_MS_MAX } = {}) {
    this.#clock = clock
    this.#driftMsMax = driftMsMax
    this.#last = notBefore
  }

  /** The time now: every later `tick` is greater. */
  now(): HybridTime {
    this.#last = Math.max(this.#last, hybridTimeOf(this.#clock.nowMs())) as HybridTime
    return this.#last
  }

  /** A time for something that happens now: greater than any that this clock gave or was told, and than `after`. */
  tick(after: HybridTime = NO_TIME): HybridTime {
    this.#last = Math.max(this.#last + 1, after + 1, hybridTimeOf(this.#clock.nowMs())) as HybridTime
    return this.#last
  }

  /** Whether `time` is too far ahead to be believed. */
  isBeyond(time: HybridTime): boolean {
    return msOf(time) > this.#clock.nowMs() + this.#driftMsMax
  }

  /** Takes note of another node's time. @throws UNAVAILABLE when it is too far ahead; the clock stays as it is then */
  observe(time: HybridTime, from: string): void {
    if (this.isBeyond(time)) throw this.#refusal(time, from)
    this.#last = Math.max(this.#last, time) as HybridTime
  }

  #refusal(time: HybridTime, from: string): ShoalError {
    const aheadMs = msOf(time) - Math.floor(this.#clock.nowMs())
    return new ShoalError(
      'UNAVAILABLE',
      `The clock of node ${from} is ${Math.round(aheadMs / 60_000)} minutes ahead of this node's, and ${Math.round(this.#driftMsMax / 60_000)} are allowed: set the clock that is wrong, there or here`,
      { details: { aheadMs, driftMsMax: this.#driftMsMax } },
    )
  }
}
