import { ShoalError } from '#foundation/errors.ts'
import type { Alarms } from './alarms.ts'

export interface CallLimit {
  readonly alarms: Alarms
  readonly limitMs: number
  /** Whoever aborts it ends the call before its time. */
  readonly end?: AbortController
}

/** The result of a call to another node, whose signal is aborted when the time is over. @throws UNAVAILABLE after `limitMs`, and
 *  what the call throws */
export async function limitedCall<T>(
  { alarms, limitMs, end = new AbortController() }: CallLimit,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = Promise.withResolvers<never>()
  const callOff = alarms.set(limitMs, () => {
    const error = new ShoalError('UNAVAILABLE', `The node has not answered for ${limitMs} ms`)
    late.reject(error)
    end.abort(error)
  })
  try {
    return await Promise.race([call(end.signal), late.promise])
  } finally {
    callOff()
  }
}
