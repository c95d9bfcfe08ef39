import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { SharedLog } from './log.ts'

/** The first wait; it doubles up to the second one. */
const FIRST_DELAY_MS = 20
const DELAY_MS_MAX = 500

export interface SureAppend {
  readonly epoch: number
  readonly index: number
  readonly bytes: Uint8Array
}

export interface SureAppendOptions {
  readonly clock: Clock
  /** How long to look for the answer. */
  readonly withinMs: number
  /** Gives up at once. */
  readonly signal: AbortSignal
}

/** Appends, and finds out what became of it when an answer is lost: it sends the same entry again, which can't be written twice,
 *  until there is a definite answer, and looks at the entry where that alone doesn't say whose it is. Of one epoch only one call
 *  may be under way.
 *
 *  `deposed` means that it isn't in the log and never will be.
 *  @throws UNAVAILABLE when that didn't succeed in time: it may be in the log, and the term must end; NO_SPACE: it isn't */
export async function appendSurely(
  log: SharedLog,
  entry: SureAppend,
  { clock, withinMs, signal }: SureAppendOptions,
): Promise<'appended' | 'deposed'> {
  const endMs = clock.monotonicMs() + withinMs
  // Whether an earlier try may have written it.
  let isInDoubt = false
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, DELAY_MS_MAX)) {
    try {
      const outcome = await untilAborted(log.append(entry), signal)
      if (outcome === 'appended') return 'appended'
      // Whatever was under way when the log said so can't be written any more: what is there now is the answer.
      if (outcome === 'deposed' && !isInDoubt) return 'deposed'
      return (await isWritten(log, entry)) ? 'appended' : 'deposed'
    } catch (error) {
      if (isShoalError(error, 'NO_SPACE') && !isInDoubt) throw error
      if (!isShoalError(error, 'UNAVAILABLE') && !isShoalError(error, 'NO_SPACE')) throw error
      isInDoubt = true
      if (signal.aborted || clock.monotonicMs() + delayMs >= endMs) throw undecided(entry, error)
    }
    await clock.sleep(delayMs, signal).catch((cause: unknown) => {
      throw undecided(entry, cause)
    })
  }
}

function undecided({ index }: SureAppend, cause: unknown): ShoalError {
  return new ShoalError('UNAVAILABLE', `The log did not say whether it has entry ${index}`, { cause })
}

/** Whether the entry of that index is this one: of one epoch only its leader appends, and it sends one entry for one index. */
async function isWritten(log: SharedLog, { epoch, index, bytes }: SureAppend): Promise<boolean> {
  const found = await log.entry(index).catch((cause: unknown) => {
    if (!isShoalError(cause, 'CURSOR_TOO_OLD')) throw cause
    // A later leader has trimmed it, whatever it was.
    throw new ShoalError('UNAVAILABLE', `The log no longer has entry ${index}`, { cause })
  })
  return found !== undefined && found.epoch === epoch && found.bytes.equals(bytes)
}

/** Waits no longer than until `signal` is aborted. @throws UNAVAILABLE then: it goes on, and nobody knows */
async function untilAborted<T>(call: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(new ShoalError('UNAVAILABLE', 'The term ended before the log answered'))
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([call, promise])
  } finally {
    signal.removeEventListener('abort', abort)
    // Whichever comes second tells nobody.
    call.catch(() => {})
    promise.catch(() => {})
  }
}
