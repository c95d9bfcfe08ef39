const MILLISECOND_NS = 1_000_000n

/**
 * Nanoseconds since 1970, made of a wall clock of milliseconds and of a monotonic clock that tells what lies within
 * them. The monotonic clock may run a little faster or slower than the wall clock, which is slewed: each time is within
 * the millisecond that the wall clock tells, and later than the one before. When the wall clock is set back, so is this.
 */
export class FineTime {
  readonly #wallMs: () => number
  readonly #monotonicMs: () => number
  /** What the monotonic clock lacks to be the wall clock's time. */
  #offsetNs = 0n
  #lastNs = 0n

  constructor(clocks: { readonly wallMs: () => number; readonly monotonicMs: () => number }) {
    this.#wallMs = clocks.wallMs
    this.#monotonicMs = clocks.monotonicMs
  }

  nowNs(): bigint {
    const wallNs = BigInt(this.#wallMs()) * MILLISECOND_NS
    const monotonicNs = BigInt(Math.round(this.#monotonicMs() * 1e6))
    const lastOfMillisecondNs = wallNs + MILLISECOND_NS - 1n
    let nowNs = monotonicNs + this.#offsetNs
    if (nowNs < wallNs) nowNs = wallNs
    if (nowNs > lastOfMillisecondNs) nowNs = lastOfMillisecondNs
    this.#offsetNs = nowNs - monotonicNs
    const isSetBack = this.#lastNs > lastOfMillisecondNs + MILLISECOND_NS
    if (nowNs <= this.#lastNs && !isSetBack) nowNs = this.#lastNs + 1n
    this.#lastNs = nowNs
    return nowNs
  }
}
