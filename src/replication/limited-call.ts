import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'

export interface CallLimit {
  readonly clock: Clock
  readonly limitMs: number
  /** Ends the call before its time. */
  readonly signal?: AbortSignal | undefined
}

/** The result of a call to another node. Its signal is aborted when the time is over, when `signal` is, and when the result is there.
 *  @throws UNAVAILABLE after `limitMs`, CANCELLED, and what the call throws */
export async function limitedCall<T>(
  { clock, limitMs, signal }: CallLimit,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const end = new AbortController()
  const either = signal === undefined ? end.signal : AbortSignal.any([end.signal, signal])
  const tooLate = clock.sleep(limitMs, either).then((): never => {
    throw new ShoalError('UNAVAILABLE', `The node has not answered for ${limitMs} ms`)
  })
  try {
    return await Promise.race([call(either), tooLate])
  } finally {
    end.abort()
  }
}
