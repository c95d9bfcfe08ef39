import type { Exchange } from './exchange.ts'
import type { RequestHead } from './forward-head.ts'
import type { ForwardTarget, ForwardedAnswer } from './forward-target.ts'
import { ReplayableBody } from './replayable-body.ts'
import type { BodyAttempt } from './replayable-body.ts'
import type { ForwardedChange } from './request-mark.ts'

/** Bodies up to this length are received before the request is sent on, and sent in one piece with its head. */
const WHOLE_BYTES_MAX = 16 * 1024
const NO_BYTES = Buffer.alloc(0)

/** A request with its body, for several tries one after the other. */
export class SentRequest {
  readonly #exchange: Exchange
  readonly #server: string
  readonly #body: ReplayableBody | undefined
  #attempt: BodyAttempt | undefined
  #content: Buffer | undefined
  #failure: Error | undefined

  constructor(exchange: Exchange, server: string, { isConversation = false }: { readonly isConversation?: boolean } = {}) {
    const { lengthBytes, expectsContinue } = exchange
    const isSmall = lengthBytes !== undefined && lengthBytes <= WHOLE_BYTES_MAX && !expectsContinue
    this.#exchange = exchange
    this.#server = server
    this.#body = isSmall ? undefined : new ReplayableBody(exchange, { isConversation })
    this.#content = lengthBytes === 0 ? NO_BYTES : undefined
  }

  /** Lets the exchange have its body whole again. False if some of it is gone. */
  async takeBack(): Promise<boolean> {
    if (this.#body !== undefined) return this.#body.takeBack()
    if (this.#content !== undefined && this.#exchange.lengthBytes !== 0) this.#exchange.unread([this.#content])
    return true
  }

  get isReplayable(): boolean {
    return this.#body?.isReplayable !== false
  }

  /** What the body has broken off with. */
  get failure(): Error | undefined {
    return this.#failure ?? this.#body?.failure
  }

  /** The try before is over, whether its target knows it or not. */
  endTry(): void {
    void this.#attempt?.return()
  }

  /** A question has no body. */
  async to(target: ForwardTarget, change: ForwardedChange | undefined): Promise<ForwardedAnswer> {
    const head = headOf(this.#exchange, this.#server)
    const call = { head, signal: this.#exchange.signal, ...(change === undefined ? {} : { change }) }
    if (change?.isQuestion === true) return target.send({ ...call, content: NO_BYTES, body: undefined })
    if (this.#body !== undefined) {
      this.#attempt = this.#body.attempt({ waits: head.expectsContinue })
      return target.send({ ...call, content: NO_BYTES, body: this.#attempt })
    }
    this.#content ??= await this.#receive()
    return target.send({ ...call, content: this.#content, body: undefined })
  }

  async #receive(): Promise<Buffer> {
    try {
      return await this.#exchange.body().collect()
    } catch (error) {
      this.#failure = error as Error
      throw error
    }
  }
}

function headOf(exchange: Exchange, server: string): RequestHead {
  const { request, id, remoteAddress, connection, expectsContinue, method } = exchange
  return {
    server,
    id,
    remoteAddress,
    isSecure: connection.isSecure,
    expectsContinue,
    httpVersion: request.httpVersion,
    method,
    target: request.url as string,
    rawHeaders: request.rawHeaders,
  }
}
