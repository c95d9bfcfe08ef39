import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import type { Exchange, ExchangeRequest } from './exchange.ts'
import { incompleteBody } from './exchange.ts'
import type { IncomingBody } from '#wire/incoming-body.ts'
import type { RequestHead } from './forward-head.ts'

/** A request that another node has received and sent on, as the kernel would have had it from its own client. */
export class ForwardedRequest extends EventEmitter implements ExchangeRequest {
  exchange: Exchange | undefined = undefined
  readonly method: string
  readonly url: string
  readonly httpVersion: string
  readonly rawHeaders: string[]
  readonly headers: IncomingHttpHeaders
  complete = false
  receivedBytes = 0
  #first: Buffer
  readonly #body: IncomingBody
  #isFlowing = false

  /** Its content is `first`, and then `body`. */
  constructor(head: RequestHead, { first, body }: { readonly first: Buffer; readonly body: IncomingBody }) {
    super()
    this.method = head.method
    this.url = head.target
    this.httpVersion = head.httpVersion
    this.rawHeaders = head.rawHeaders as string[]
    this.headers = joinHeaders(this.rawHeaders)
    this.#first = first
    this.#body = body
  }

  resume(): void {
    if (this.#isFlowing) return this.#body.resume()
    this.#isFlowing = true
    void this.#flow()
  }

  pause(): void {
    this.#body.pause()
  }

  async #flow(): Promise<void> {
    const give = (piece: Buffer): void => {
      this.receivedBytes += piece.length
      this.emit('data', piece)
    }
    try {
      const first = this.#first
      this.#first = NO_BYTES
      // Not in the turn of whoever has only begun to read.
      await Promise.resolve()
      if (first.length > 0) give(first)
      await this.#body.each(give)
      this.complete = true
      this.emit('end')
    } catch {
      // Why it broke off is known where the client is; nobody waits for the answer any more.
      this.exchange?.breakBody(incompleteBody())
    }
  }
}

const NO_BYTES = Buffer.alloc(0)

/** By lower-case name. What comes several times is joined (RFC 9110, section 5.3; RFC 6265, section 5.4, for cookies), as node:http does with `joinDuplicateHeaders`. */
function joinHeaders(rawHeaders: readonly string[]): IncomingHttpHeaders {
  const headers: Record<string, string | string[]> = {}
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase()
    const value = rawHeaders[at + 1] as string
    const known = headers[name]
    if (name === 'set-cookie') headers[name] = known === undefined ? [value] : [...known, value]
    else headers[name] = typeof known === 'string' ? `${known}${name === 'cookie' ? '; ' : ', '}${value}` : value
  }
  return headers
}
