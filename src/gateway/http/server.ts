import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import { AnswerQueue } from './answer-queue.ts'
import type { Connection } from './connection.ts'
import type { Door, Kernel } from './door.ts'
import { Exchange, incompleteBody } from './exchange.ts'
import type { ExchangeRequest, ExchangeResponse } from './exchange.ts'
import type { HttpMetrics } from './http-metrics.ts'
import type { HttpLimits } from './limits.ts'
import type { KernelRequest, KernelResponse } from './kernel-messages.ts'
import { listenAt } from './listen-at.ts'
import type { ListenAddress } from './listen-at.ts'
import { connectionOf, knownConnection, OpenConnections } from './open-connections.ts'
import { refuseExpectation, refuseTunnel, rejectConnection } from './reject-connection.ts'
import type { Parting } from './reject-connection.ts'
import type { RequestBody } from './request-body.ts'
import type { ForwardedChange } from './request-mark.ts'
import { serverOptions } from './server-options.ts'
import { checkHeaders, splitTarget } from './target.ts'
import type { TlsMaterial } from './tls-material.ts'
import { TlsServer } from './tls-server.ts'

export interface DoorPlace {
  readonly prefix: string
  /** It takes no more of what is below the prefix than these methods of one path. */
  readonly only?: { readonly path: string; readonly methods: readonly string[] }
  readonly door: Door
}

export interface HttpServerOptions {
  /** The first door whose prefix the raw path begins with answers; one that takes all below `/` has to be the last. */
  readonly doors: readonly DoorPlace[]
  readonly limits: HttpLimits
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: HttpMetrics
  /** `all` logs each request at level info; `errors` those with a status from 500 on. */
  readonly requestLog: 'all' | 'errors'
  /** Everything is encrypted then, with this certificate or the one that replaces it. */
  readonly tls?: TlsMaterial | undefined
  /** Sees each finished exchange: for tests that hold a door to its documents. */
  readonly observer?: (exchange: Exchange) => void
}

/** How a request has come. */
export interface Arrival {
  readonly connection: Connection
  /** Of the request: its client is told. */
  readonly id: string
  readonly expectsContinue: boolean
  readonly change?: ForwardedChange | undefined
}

const SWEEP_MS = 1000
/** A connection is kept for longer than its client is told: a request that is sent at the last moment still arrives. */
const KEEP_ALIVE_GRACE_MS = 1000

/** A streaming HTTP/1.1 server, over TLS or without, that knows no protocol: limits, time-outs, request ids, logs, metrics, orderly end. */
export class HttpServer implements Kernel {
  readonly answers = new AnswerQueue()
  readonly clock: Clock
  readonly keepAlive: string
  readonly readerIdleMs: number
  readonly #server: Server<typeof KernelRequest, typeof KernelResponse>
  readonly #tls: TlsServer | undefined
  readonly #options: HttpServerOptions
  readonly #log: Log
  readonly #idPrefix: string
  readonly #watched = new Set<RequestBody>()
  readonly #connections = new OpenConnections()
  readonly #stopped = new AbortController()
  #requests = 0
  #draining = false

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.clock = options.clock
    this.readerIdleMs = options.limits.responseIdleMs
    this.keepAlive = `timeout=${Math.floor(options.limits.keepAliveMs / 1000)}`
    this.#log = options.log
    this.#idPrefix = options.random.bytes(5).toString('hex')
    const { limits } = options
    const http = serverOptions(limits)
    this.#tls =
      options.tls === undefined
        ? undefined
        : new TlsServer(http, {
            material: options.tls,
            handshakeTimeoutMs: limits.handshakeTimeoutMs,
            clock: options.clock,
            log: options.log,
            plainRequestId: `${this.#idPrefix}-p`,
          })
    this.#server = this.#tls?.server ?? createServer<typeof KernelRequest, typeof KernelResponse>(http)
    // Node drops what is past a count silently: `#begin` counts, and answers.
    this.#server.maxHeadersCount = 0
    this.#server.maxConnections = limits.maxConnections
    this.#server.on(this.#tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => this.#connected(socket))
    this.#server.on('request', (request, response) => this.#begin(request, response, false))
    this.#server.on('checkContinue', (request, response) => this.#begin(request, response, true))
    this.#server.on('checkExpectation', (request, response) => {
      if (!refuseExpectation(request, response)) this.#begin(request, response, false)
    })
    this.#server.on('connect', (_request, socket) => refuseTunnel(socket as Socket, this.#parting('t')))
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#clientError(error, socket as Socket))
    this.#server.on('timeout', (socket) => this.#stalled(socket))
    this.#server.on('drop', () =>
      this.#log.warn('connection dropped: too many are open', { maxConnections: limits.maxConnections }),
    )
  }

  get draining(): boolean {
    return this.#draining
  }

  /** How many clients are connected. */
  get connections(): number {
    return this.#connections.count
  }

  /** Resolves when the port is bound. @throws UNAVAILABLE, naming the address */
  async listen(address: ListenAddress): Promise<{ readonly host: string; readonly port: number }> {
    const bound = await listenAt(this.#server, address)
    this.#server.on('error', (error) => this.#log.error('server error', { error: error.message }))
    void this.#sweep()
    return bound
  }

  /** Stops accepting, lets what is under way finish for at most `graceMs`, then cuts it. */
  async stop(graceMs: number): Promise<void> {
    this.#draining = true
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    this.#tls?.abandon()
    const grace = new AbortController()
    const cut = this.clock.sleep(graceMs, grace.signal).then(
      () => {
        this.#log.warn('requests cut off at the end of the grace time', { inFlight: this.#options.metrics.inFlight, graceMs })
        this.#server.closeAllConnections()
      },
      () => {},
    )
    await closed
    grace.abort()
    await cut
    this.#stopped.abort()
    this.#options.metrics.flush()
  }

  watchBody(body: RequestBody): void {
    this.#watched.add(body)
  }

  readonly bodySettled = (body: RequestBody): void => {
    this.#watched.delete(body)
  }

  /** Answers a request: one that came over a connection of its own, or one that another node has sent on. */
  serve(request: ExchangeRequest, response: ExchangeResponse, { connection, id, expectsContinue, change }: Arrival): void {
    let target = NO_TARGET
    let refused: ShoalError | undefined
    try {
      target = splitTarget(request.url as string)
      checkHeaders(request, this.#options.limits.maxHeaders)
    } catch (error) {
      refused = error as ShoalError
    }
    const exchange = new Exchange(request, response, {
      id,
      kernel: this,
      connection,
      startedMs: this.clock.monotonicMs(),
      path: target.path,
      query: target.query,
      door: this.#doorFor(target.path, request.method as string),
      expectsContinue,
    })
    exchange.change = change
    if (connection.openCount >= this.#options.limits.maxPipelined) {
      exchange.mustClose = true
      refused ??= new ShoalError(
        'BUSY',
        `More than ${this.#options.limits.maxPipelined} requests are under way on this connection`,
      )
    }
    connection.begin(exchange)
    this.#options.metrics.inFlight += 1
    response.on('finish', onFinish)
    if (refused === undefined) void this.#run(exchange)
    else exchange.door.fail(exchange, refused)
  }

  /** The client of what is under way on the connection is gone. */
  abandon(connection: Connection): void {
    for (const exchange of connection.open) {
      exchange.abortedByClient()
      this.#ended(exchange, 499)
    }
  }

  #connected(socket: Socket): void {
    const connection = connectionOf(socket)
    const { metrics } = this.#options
    metrics.connections += 1
    this.#connections.add(connection)
    socket.once('close', () => {
      metrics.connections -= 1
      this.#connections.delete(connection)
      this.abandon(connection)
    })
  }

  #begin(request: KernelRequest, response: KernelResponse, expectsContinue: boolean): void {
    this.#requests += 1
    const id = `${this.#idPrefix}-${this.#requests.toString(36)}`
    this.serve(request, response, { connection: connectionOf(request.socket), id, expectsContinue })
  }

  async #run(exchange: Exchange): Promise<void> {
    try {
      await exchange.door.handle(exchange)
    } catch (error) {
      this.#fail(exchange, error)
    }
  }

  #fail(exchange: Exchange, error: unknown): void {
    const known = isShoalError(error) ? error : undefined
    if (exchange.aborted) {
      this.#log.debug('request aborted by the client', { requestId: exchange.id, door: exchange.door.name, code: known?.code })
      return
    }
    if (known === undefined) {
      this.#log.error('request failed unexpectedly', {
        requestId: exchange.id,
        door: exchange.door.name,
        method: exchange.method,
        path: exchange.path,
        error,
      })
    }
    if (exchange.response.headersSent) {
      this.#log.warn('response cut off', {
        requestId: exchange.id,
        door: exchange.door.name,
        path: exchange.path,
        code: known?.code ?? 'INTERNAL',
        reason: known?.message,
      })
      exchange.destroy()
      return
    }
    try {
      exchange.door.fail(
        exchange,
        known ?? new ShoalError('INTERNAL', 'Something unexpected went wrong; the log of the node has it under this request id'),
      )
    } catch (cause) {
      this.#log.error('error response failed', { requestId: exchange.id, error: cause })
      exchange.destroy()
    }
  }

  #doorFor(path: string, method: string): Door {
    for (const { prefix, only, door } of this.#options.doors) {
      const isTaken = only === undefined || (only.path === path && only.methods.includes(method))
      if (isTaken && path.startsWith(prefix)) return door
    }
    throw new ShoalError('INTERNAL', 'No door has the prefix "/"')
  }

  finished(exchange: Exchange): void {
    this.#ended(exchange, exchange.response.statusCode)
    if (this.#draining && exchange.connection.openCount === 0) exchange.connection.socket.destroySoon()
  }

  #ended(exchange: Exchange, status: number): void {
    const nowMs = this.clock.monotonicMs()
    if (!exchange.connection.end(exchange, nowMs)) return
    const { metrics, requestLog, observer } = this.#options
    metrics.inFlight -= 1
    const durationMs = nowMs - exchange.startedMs
    const { bytesIn, bytesOut } = exchange.connection.takeTraffic()
    metrics.record(exchange.door.name, { method: exchange.method, status, durationMs, bytesIn, bytesOut })
    if (requestLog === 'all' || (status >= 500 && status < 600))
      this.#logRequest(exchange, { status, durationMs, bytesIn, bytesOut })
    observer?.(exchange)
  }

  #logRequest(
    exchange: Exchange,
    facts: { readonly status: number; readonly durationMs: number; readonly bytesIn: number; readonly bytesOut: number },
  ): void {
    this.#log.info('request', {
      requestId: exchange.id,
      door: exchange.door.name,
      method: exchange.method,
      path: exchange.path,
      remote: exchange.remoteAddress,
      principal: exchange.principal,
      ...facts,
      durationMs: Math.round(facts.durationMs * 100) / 100,
    })
  }

  /** What the parser or the socket reports outside of a handler. */
  #clientError(error: NodeJS.ErrnoException, socket: Socket): void {
    // What was answered before the damage still leaves before the connection ends.
    this.answers.flush()
    const current = knownConnection(socket)?.current
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    if (current !== undefined && !current.response.writableEnded) {
      // In a body, its handler answers. Behind a complete request, the connection ends after the responses under way.
      current.breakBody(
        error.code === 'HPE_INVALID_EOF_STATE'
          ? incompleteBody()
          : new ShoalError('INVALID_ARGUMENT', `The body is not valid HTTP: ${error.message}`),
      )
      if (current.response.headersSent) socket.destroySoon()
      return
    }
    // Behind a request that said "close" nothing is looked at any more, and nothing is answered.
    if (error.code === 'HPE_CLOSED_CONNECTION') socket.destroySoon()
    else rejectConnection(socket, error, this.#parting('c'))
  }

  #parting(kind: 't' | 'c'): Parting {
    const { clock, limits } = this.#options
    return { requestId: `${this.#idPrefix}-${kind}`, clock, lingerMs: limits.handshakeTimeoutMs }
  }

  /** `readerIdleMs` have passed without a byte in either direction, while somebody waits for the reader. */
  #stalled(socket: Socket): void {
    for (const { id, blocked } of knownConnection(socket)?.open ?? [])
      if (blocked) this.#log.info('response cut off: its reader stalls', { requestId: id, idleMs: this.readerIdleMs })
    socket.destroy()
  }

  /** Finds senders that stall, and connections that nobody uses any more, and hands the counts on to the metrics. */
  async #sweep(): Promise<void> {
    const { bodyIdleMs, minBodyProgressBytes, keepAliveMs, responseIdleMs } = this.#options.limits
    const tickMs = Math.min(SWEEP_MS, bodyIdleMs / 4, keepAliveMs / 4)
    for (;;) {
      try {
        await this.clock.sleep(tickMs, this.#stopped.signal)
      } catch {
        return
      }
      this.#options.metrics.flush()
      const nowMs = this.clock.monotonicMs()
      this.#connections.closeKept(nowMs - keepAliveMs - KEEP_ALIVE_GRACE_MS)
      this.#connections.closeSilent(nowMs, responseIdleMs)
      for (const body of this.#watched) {
        if (!body.waiting) continue
        if (body.receivedBytes - body.markedBytes >= minBodyProgressBytes) {
          body.markedBytes = body.receivedBytes
          body.waitedTicks = 0
        }
        body.waitedTicks += 1
        if (body.waitedTicks * tickMs > bodyIdleMs) {
          body.fail(
            new ShoalError('TIMEOUT', `The body came too slowly: less than ${minBodyProgressBytes} bytes in ${bodyIdleMs} ms`),
          )
        }
      }
    }
  }
}

const NO_TARGET = { path: '/', query: '' }

function onFinish(this: ExchangeResponse): void {
  const { exchange } = this
  if (exchange !== undefined) exchange.kernel.finished(exchange)
}
