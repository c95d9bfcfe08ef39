import { setTimeout as delay } from 'node:timers/promises'
import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from './clock.ts'

const START_NS = BigInt(Math.round(performance.timeOrigin * 1e6))

export const nodeClock: Clock = {
  nowMs: () => Date.now(),
  // The wall clock gives milliseconds; the monotonic one tells the nanoseconds within them. Taken together they are
  // finer than a millisecond, and follow the operator when the clock is set.
  nowNs() {
    const wallMs = Date.now()
    const fineNs = START_NS + BigInt(Math.round(performance.now() * 1e6))
    const wallNs = BigInt(wallMs) * 1_000_000n
    const driftNs = fineNs - wallNs
    return driftNs >= 0n && driftNs < 1_000_000n ? fineNs : wallNs
  },
  monotonicMs: () => performance.now(),
  async sleep(delayMs, signal) {
    try {
      await delay(delayMs, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) })
    } catch (cause) {
      throw new ShoalError('CANCELLED', 'The wait was cancelled', { cause })
    }
  },
}
