import { setTimeout as delay } from 'node:timers/promises'
import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from './clock.ts'
import { FineTime } from './fine-time.ts'

const fineTime = new FineTime({ wallMs: () => Date.now(), monotonicMs: () => performance.now() })

export const nodeClock: Clock = {
  nowMs: () => Date.now(),
  nowNs: () => fineTime.nowNs(),
  monotonicMs: () => performance.now(),
  async sleep(delayMs, signal) {
    try {
      await delay(delayMs, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) })
    } catch (cause) {
      throw new ShoalError('CANCELLED', 'The wait was cancelled', { cause })
    }
  },
}
