import { isShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'

export interface Repeated {
  readonly intervalMs: number
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** Does something again and again until the signal is aborted, the first time after an interval. What fails is tried again. */
export async function repeat({ intervalMs, clock, log, signal }: Repeated, once: () => Promise<unknown>): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(intervalMs, signal)
      await once()
    } catch (error) {
      if (!isShoalError(error)) throw error
      if (error.code !== 'CANCELLED') log.debug('to be tried again', { code: error.code, reason: error.message })
    }
  }
}
