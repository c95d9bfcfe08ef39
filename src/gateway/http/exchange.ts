import type { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { ShoalError } from '#foundation/errors.ts'
import type { Connection } from './connection.ts'
import type { Door, Kernel } from './door.ts'
import { RequestBody } from './request-body.ts'
import { LOST_CHANGE } from './request-mark.ts'
import type { ForwardedChange } from './request-mark.ts'

/** Longer bytes cost more to make text of than a second piece costs to write. */
const TEXT_BYTES_MAX = 4 * 1024
/** Rest of an unread body that is dropped to keep the connection: less than what a new connection costs. */
const DRAIN_BYTES = 64 * 1024
/** What is longer mostly lies in memory that serves again as soon as the next piece is asked for. */
const AT_ONCE_BYTES_MAX = 128 * 1024
/** After an early answer a sender may be in the middle of its body. To close then would reset the connection and could
 *  take the answer with it (RFC 9112, section 9.6), so that much is read and dropped first. */
const LINGER_BYTES = 16 * 1024 * 1024
const LINGER_MS = 2000
const UNLIMITED = Number.MAX_SAFE_INTEGER

/** What an exchange needs of a request: node:http's own, or one that another node has sent on. Once resumed it emits `data` until it
 *  is paused, and `end`; in the end `close`, if it belongs to a connection. */
export interface ExchangeRequest extends EventEmitter {
  exchange: Exchange | undefined
  readonly method?: string | undefined
  /** As it was received, byte for byte. */
  readonly url?: string | undefined
  readonly httpVersion: string
  readonly headers: IncomingHttpHeaders
  /** Names and values in turn, as they were received. */
  readonly rawHeaders: string[]
  /** All of the body has come. */
  readonly complete: boolean
  pause(): unknown
  resume(): unknown
}

/** What an exchange needs of a response, with the events `drain` and `finish`; as node:http's own. */
export interface ExchangeResponse extends EventEmitter {
  exchange: Exchange | undefined
  readonly statusCode: number
  readonly headersSent: boolean
  readonly writableEnded: boolean
  readonly writableNeedDrain: boolean
  /** As far as the client goes; of a response that belongs to no connection nobody says. */
  readonly shouldKeepAlive?: boolean
  writeContinue(): void
  writeHead(status: number, headers: string[]): unknown
  flushHeaders(): void
  write(chunk: Buffer | string): boolean
  end(): unknown
  end(chunk: Buffer | string | undefined): unknown
  end(chunk: Buffer | string | undefined, encoding: 'utf8' | 'latin1'): unknown
}

/** One request and its response. `path` and `query` are raw: cut, but not percent-decoded. */
export class Exchange {
  readonly id: string
  readonly request: ExchangeRequest
  readonly response: ExchangeResponse
  readonly kernel: Kernel
  readonly connection: Connection
  readonly startedMs: number
  readonly path: string
  readonly query: string
  /** Announced length of the body; 0 without a body, `undefined` for a chunked one. */
  readonly lengthBytes: number | undefined
  door: Door
  /** Who asks, once the door has found out: for the log. */
  principal: string | undefined = undefined
  /** Raw values of the route's placeholders, once a door has routed. */
  parameters: readonly string[] = NO_PARAMETERS
  /** Of a change that another node has sent on, or this one has in vain, to be done once. */
  change: ForwardedChange | undefined = undefined
  /** Set when the connection can't carry another request. */
  mustClose = false
  /** True while the reader of the response holds the server up. */
  blocked = false
  /** Loops that only the client ends (change feeds) look at it. */
  aborted = false
  #expectsContinue: boolean
  #body: RequestBody | undefined = undefined
  #isUnread = false
  #kept: Buffer | undefined = undefined
  #bodyFailure: ShoalError | undefined = undefined
  #abort: AbortController | undefined = undefined
  #drainWaiter: { resolve(): void; reject(error: unknown): void } | undefined = undefined

  constructor(request: ExchangeRequest, response: ExchangeResponse, options: ExchangeOptions) {
    this.id = options.id
    this.request = request
    this.response = response
    this.kernel = options.kernel
    this.connection = options.connection
    this.startedMs = options.startedMs
    this.path = options.path
    this.query = options.query
    this.door = options.door
    this.#expectsContinue = options.expectsContinue
    this.lengthBytes = bodyLength(request)
    request.exchange = this
    response.exchange = this
  }

  get method(): string {
    return this.request.method as string
  }

  get headers(): IncomingHttpHeaders {
    return this.request.headers
  }

  get remoteAddress(): string {
    return this.connection.remoteAddress
  }

  /** The client waits for a 100 before it sends the body. */
  get expectsContinue(): boolean {
    return this.#expectsContinue
  }

  /** Aborts when the client goes away before the response is complete. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.aborted) this.#abort.abort(clientGone())
    }
    return this.#abort.signal
  }

  /** Reads a body before it is known who serves the request: `body` gives the same bytes once more. @throws as `body` does */
  async keepBody(maxBytes: number): Promise<Buffer> {
    this.#kept = await this.body(maxBytes).collect()
    return this.#kept
  }

  /** Starts to read the body, and sends the 100 that a client may wait for: judge all else before. Once a request. `isTimed`: it has to go on
   *  coming, or fails.
   *  @throws TOO_LARGE if more than `maxBytes` are announced; the body itself throws it if they come unannounced */
  body(maxBytes = UNLIMITED, { isTimed = true }: { readonly isTimed?: boolean } = {}): RequestBody {
    if (this.lengthBytes !== undefined && this.lengthBytes > maxBytes) {
      throw new ShoalError('TOO_LARGE', `The body has ${this.lengthBytes} bytes; ${maxBytes} are allowed here`, {
        details: { maxBytes },
      })
    }
    if (this.change?.isQuestion === true) throw new ShoalError('UNAVAILABLE', LOST_CHANGE, { details: { ambiguous: true } })
    if (this.#isUnread) return this.#again(maxBytes)
    const body = new RequestBody(this.request, { lengthBytes: this.lengthBytes, maxBytes, settled: this.kernel.bodySettled })
    this.#body = body
    if (this.#kept !== undefined && this.#kept.length > 0) body.accept(this.#kept)
    if (this.lengthBytes === 0 || this.#kept !== undefined) {
      body.finish()
      return body
    }
    if (this.#bodyFailure !== undefined || this.aborted) {
      body.fail(this.#bodyFailure ?? incompleteBody())
      return body
    }
    if (isTimed) this.kernel.watchBody(body)
    if (this.#expectsContinue) {
      this.#expectsContinue = false
      this.response.writeContinue()
    }
    this.request.on('data', onData)
    this.request.on('end', onEnd)
    this.request.resume()
    return body
  }

  /** Lets `body` be called once more, and begin with `pieces`, which are all that was read of it. */
  unread(pieces: readonly Buffer[]): void {
    this.#body?.unread(pieces)
    this.#isUnread = true
  }

  #again(maxBytes: number): RequestBody {
    const body = this.#body as RequestBody
    this.#isUnread = false
    body.limit(maxBytes)
    return body
  }

  /** Sends a complete response. `headers` are names and values in turn; the list is taken over. */
  send(status: number, headers: string[], body?: Buffer | string): void {
    const { response } = this
    if (response.headersSent || this.aborted) return
    let encoding: 'utf8' | 'latin1' = 'utf8'
    let piece = body
    if (body !== undefined) {
      const lengthBytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length
      // node:http writes text in one piece with the headers: ASCII, as most JSON is, without encoding it again, and short bytes
      // as text that has a character for each of them.
      if (typeof body !== 'string' && lengthBytes <= TEXT_BYTES_MAX) piece = body.toString('latin1')
      if (lengthBytes === body.length) encoding = 'latin1'
      headers.push('Content-Length', String(lengthBytes))
    } else if (status !== 204 && status !== 304 && !headers.includes('Content-Length')) headers.push('Content-Length', '0')
    if (this.#unreadBytes() > DRAIN_BYTES) return this.#sendAndLinger(status, headers, body)
    this.#pushOwn(headers, this.mustClose)
    response.writeHead(status, headers)
    this.kernel.answers.add(response, piece, encoding)
  }

  /** Begins a response whose length is not announced; go on with `write` and `end`. */
  startStream(status: number, headers: string[]): void {
    this.#pushOwn(headers, this.mustClose)
    this.response.writeHead(status, headers)
    this.response.flushHeaders()
  }

  /** False: wait for `drained` before the next write. */
  write(chunk: Buffer | string): boolean {
    return this.response.write(chunk)
  }

  end(chunk?: Buffer | string): void {
    this.response.end(chunk)
  }

  /** Resolves when the reader has taken what was written. @throws CANCELLED when it is gone */
  drained(): Promise<void> {
    if (this.aborted) return Promise.reject(clientGone())
    if (!this.response.writableNeedDrain) return Promise.resolve()
    if (!this.blocked) {
      this.response.once('drain', onDrain)
      this.connection.holdUp(this.kernel.readerIdleMs)
    }
    this.blocked = true
    return new Promise((resolve, reject) => {
      this.#drainWaiter = { resolve, reject }
    })
  }

  /** Sends exactly `lengthBytes` from `source`. The first piece is read before the headers are sent, so that a failure
   *  until then still has a proper answer; a later one cuts the connection, and the client can't take what it has for
   *  complete. */
  async sendStream(
    status: number,
    headers: string[],
    source: { readonly bytes: AsyncIterator<Buffer>; readonly lengthBytes: number },
  ): Promise<void> {
    const { response } = this
    const { bytes, lengthBytes } = source
    try {
      let piece = await bytes.next()
      if (this.aborted) return
      if (piece.done !== true && piece.value.length === lengthBytes && lengthBytes <= AT_ONCE_BYTES_MAX) {
        this.send(status, headers, piece.value)
        return
      }
      headers.push('Content-Length', String(lengthBytes))
      this.#pushOwn(headers, this.mustClose || this.#unreadBytes() > DRAIN_BYTES)
      response.writeHead(status, headers)
      let sentBytes = 0
      while (piece.done !== true) {
        sentBytes += piece.value.length
        if (sentBytes > lengthBytes) break
        if (!response.write(piece.value)) await this.drained()
        piece = await bytes.next()
      }
      if (sentBytes !== lengthBytes)
        throw new ShoalError('CORRUPT', `The contents gave ${sentBytes} bytes instead of ${lengthBytes}`)
      response.end()
    } finally {
      await bytes.return?.()
    }
  }

  /** Cuts the connection, so that the client can't take the response for complete. */
  destroy(): void {
    this.connection.socket.destroy()
  }

  /** For the kernel: the connection is gone. */
  abortedByClient(): void {
    if (this.aborted) return
    this.aborted = true
    this.#abort?.abort(clientGone())
    this.#body?.fail(incompleteBody())
    this.#drainWaiter?.reject(clientGone())
    this.#drainWaiter = undefined
  }

  /** For the kernel: the body broke off, or can't be read any further; the client may still take an answer. */
  breakBody(error: ShoalError): void {
    this.mustClose = true
    // All of it has arrived: what can't be read is behind it.
    if (this.request.complete) return
    this.#bodyFailure = error
    this.#body?.fail(error)
  }

  /** For the request's and response's events. */
  acceptData(chunk: Buffer): void {
    this.#body?.accept(chunk)
  }

  acceptEnd(): void {
    if (this.request.complete) this.#body?.finish()
    else this.#body?.fail(incompleteBody())
  }

  acceptDrain(): void {
    this.blocked = false
    this.connection.letGo()
    const waiter = this.#drainWaiter
    this.#drainWaiter = undefined
    waiter?.resolve()
  }

  /** How much of the body hasn't come yet; more than any limit if nobody knows. */
  #unreadBytes(): number {
    // The node that the client is connected to sees to the rest.
    if (this.connection.isForwarded) return 0
    if (this.lengthBytes === 0 || this.request.complete || this.#body?.ended === true) return 0
    // The client hasn't been asked to go on, and may or may not send: only a new connection is safe.
    if (this.#expectsContinue) return UNLIMITED
    return this.lengthBytes === undefined ? UNLIMITED : this.lengthBytes - (this.#body?.receivedBytes ?? 0)
  }

  #pushOwn(headers: string[], mustClose: boolean): void {
    headers.push('X-Request-Id', this.id)
    if (mustClose || this.kernel.draining) headers.push('Connection', 'close')
    else if (this.response.shouldKeepAlive === true) headers.push('Keep-Alive', this.kernel.keepAlive)
  }

  #sendAndLinger(status: number, headers: string[], body: Buffer | string | undefined): void {
    const { request, response } = this
    this.#pushOwn(headers, true)
    response.writeHead(status, headers)
    if (body === undefined || this.method === 'HEAD') response.flushHeaders()
    else response.write(body)
    const over = new AbortController()
    let droppedBytes = 0
    const finish = () => {
      if (over.signal.aborted) return
      over.abort()
      response.end()
    }
    request.removeAllListeners('data').on('data', (chunk: Buffer) => {
      droppedBytes += chunk.length
      if (droppedBytes > LINGER_BYTES) finish()
    })
    request.on('end', finish)
    request.on('close', finish)
    request.resume()
    if (request.complete || this.mustClose) finish()
    else this.kernel.clock.sleep(LINGER_MS, over.signal).then(finish, () => {})
  }
}

export interface ExchangeOptions {
  readonly id: string
  readonly kernel: Kernel
  readonly connection: Connection
  readonly startedMs: number
  readonly path: string
  readonly query: string
  readonly door: Door
  readonly expectsContinue: boolean
}

const NO_PARAMETERS: readonly string[] = []

function bodyLength(request: ExchangeRequest): number | undefined {
  const { headers } = request
  if (headers['transfer-encoding'] !== undefined) return undefined
  const length = headers['content-length']
  return length === undefined ? 0 : Number(length)
}

function clientGone(): ShoalError {
  return new ShoalError('CANCELLED', 'The client closed the connection')
}

export function incompleteBody(): ShoalError {
  return new ShoalError('INCOMPLETE_BODY', 'The connection ended before the body was complete; nothing was stored: send it again')
}

function onData(this: ExchangeRequest, chunk: Buffer): void {
  this.exchange?.acceptData(chunk)
}

function onEnd(this: ExchangeRequest): void {
  this.exchange?.acceptEnd()
}

function onDrain(this: ExchangeResponse): void {
  this.exchange?.acceptDrain()
}
