import type { Clock } from '#platform/clock.ts'
import { nodeClock } from '#platform/node-clock.ts'

/** The machine's clock, until it leaps: leases end when a test says so, however long it was held up before. */
export class LeapingClock implements Clock {
  #aheadMs = 0
  #leapt = Promise.withResolvers<void>()

  nowMs(): number {
    return nodeClock.nowMs() + this.#aheadMs
  }

  nowNs(): bigint {
    return nodeClock.nowNs() + BigInt(this.#aheadMs) * 1_000_000n
  }

  monotonicMs(): number {
    return nodeClock.monotonicMs() + this.#aheadMs
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    const untilMs = this.monotonicMs() + delayMs
    for (let leftMs = delayMs; leftMs > 0; leftMs = untilMs - this.monotonicMs()) {
      const leapt = new AbortController()
      const either = signal === undefined ? leapt.signal : AbortSignal.any([signal, leapt.signal])
      await Promise.race([nodeClock.sleep(leftMs, either), this.#leapt.promise]).finally(() => leapt.abort())
    }
  }

  leap(byMs: number): void {
    this.#aheadMs += byMs
    this.#leapt.resolve()
    this.#leapt = Promise.withResolvers()
  }
}
