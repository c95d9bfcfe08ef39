import type { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { AnswerQueue } from './answer-queue.ts'
import type { Exchange } from './exchange.ts'
import type { RequestBody } from './request-body.ts'

/** One protocol behind the HTTP kernel. */
export interface Door {
  /** Short and constant: a label of metrics and logs. */
  readonly name: string
  /** Answers the request, or throws. */
  handle(exchange: Exchange): void | Promise<void>
  /** Whether the result of such a request is remembered, so that it can be sent again and is done once; of none, unless there is this method. */
  remembers?(exchange: Exchange): boolean
  /** Whether the body of such a request goes on for as long as its answer: nobody waits for the end of it, or for the next piece. */
  isConversation?(exchange: Exchange): boolean
  /** Answers with an error in the protocol's own form. Nothing has been sent yet. What was no `ShoalError` has been
   *  logged, and comes as INTERNAL. */
  fail(exchange: Exchange, error: ShoalError): void
}

/** What an exchange needs of its server. */
export interface Kernel {
  readonly clock: Clock
  readonly draining: boolean
  /** `Keep-Alive` of answers after which the connection stays. */
  readonly keepAlive: string
  readonly answers: AnswerQueue
  /** Within so long the reader of a response that is waited for has to take something. */
  readonly readerIdleMs: number
  watchBody(body: RequestBody): void
  readonly bodySettled: (body: RequestBody) => void
  /** The response has been handed to the system. */
  finished(exchange: Exchange): void
}
