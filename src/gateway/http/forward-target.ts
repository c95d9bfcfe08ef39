import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { NOTHING_BEGUN } from '#wire/methods.ts'
import type { AnswerHead, RequestHead } from './forward-head.ts'
import type { ForwardedChange } from './request-mark.ts'
import type { BodyAttempt } from './replayable-body.ts'

/** A request on its way to whoever can serve it. */
export interface ForwardedCall {
  readonly head: RequestHead
  /** The whole body, where it is small; or none of it. */
  readonly content: Buffer
  /** The body, unless it is small or there is none. Read as fast as the target takes it, and with `expectsContinue` only from the moment on at which
   *  the target asks for it: then `begin` is called. */
  readonly body: BodyAttempt | undefined
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal
  /** Its result is to be remembered: only of targets that do. */
  readonly change?: ForwardedChange
}

export interface ForwardedAnswer extends AnswerHead {
  /** All of the content, if it came with the head; or none. */
  readonly content: Buffer
  /** The content, if it didn't come with the head; or nothing. Whoever doesn't read it to its end tells it to return. What it throws means that the
   *  answer ends in the middle. */
  readonly body: AsyncIterableIterator<Buffer>
}

/** Serves requests in place of this node: another node, or another thread. */
export interface ForwardTarget {
  /** For the log. */
  readonly name: string
  /** Whether changes are done once there, however often they are sent. */
  readonly remembers?: boolean
  /** False if it gives no sign of life within so long; true of one that can't be reached at all: whatever was sent to it fails by itself. */
  isAlive?(withinMs: number): Promise<boolean>
  /** Resolves with the head of the answer.
   *  @throws what came in place of an answer. With `isNothingBegun` the target has not begun to work on the request, and whatever it asks for can be asked
   *  again; without, nobody knows. What the request's own body throws comes through. */
  send(call: ForwardedCall): Promise<ForwardedAnswer>
}

/** Whether the error says that nobody has begun to work on the request. */
export function isNothingBegun(error: unknown): boolean {
  return isShoalError(error) && error.details['began'] === NOTHING_BEGUN.began
}

/** The same error, which says that nobody has begun to work on the request. */
export function nothingBegun({ code, message, details, cause }: ShoalError): ShoalError {
  return new ShoalError(code, message, { details: { ...details, ...NOTHING_BEGUN }, cause })
}
