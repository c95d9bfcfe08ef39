import { createSecureContext } from 'node:tls'
import { Pool } from 'undici'
import type { Dispatcher } from 'undici'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import { FIRST_TRY_HEADER, isDoneOnce, KEY_HEADER } from './done-once.ts'
import { Gate } from './gate.ts'
import { connectionError, neverConnected, problemError } from './problem.ts'

export interface TransportOptions {
  /** `http://host:port` or `https://…`, without a path. */
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  /** Certificates in PEM whose word is taken for an `https` endpoint, instead of the authorities that Node knows. */
  readonly authorities?: readonly string[] | undefined
  readonly clock: Clock
  readonly random: Random
  /** Most connections, and so most calls at once; 32 by default. */
  readonly connections?: number
  readonly connectTimeoutMs?: number
  /** Longest silence of the server before or within an answer. */
  readonly silenceTimeoutMs?: number
  /** How often a call is sent at most; 5 by default. */
  readonly tries?: number
  /** Of a call that has taken so long no further try is begun; as many as may be by default. */
  readonly triesMsMax?: number
  /** Told every two seconds while a call has no answer. */
  readonly onWait?: (() => void) | undefined
}

export type CallBody = Uint8Array | string | (() => AsyncIterable<Uint8Array>)

export interface Call {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** Below `/api/v1`, percent-encoded, with its query. */
  readonly path: string
  readonly headers?: Record<string, string>
  /** A function opens the body anew for every try. */
  readonly body?: CallBody
  /** False for a body that can be read only once. */
  readonly replayable?: boolean
  /** Doing it twice has the effect of doing it once: it is sent again after a broken connection. Default: by the method. What the server
   *  does once by its key (`done-once.ts`) is sent again in any case. */
  readonly idempotent?: boolean
  readonly signal?: AbortSignal | undefined
  /** For calls that are expected to be silent for long. */
  readonly silenceTimeoutMs?: number
  /** Where the body of a good answer goes as it comes, without memory of its own; what it throws ends the call. The memory is `send`'s until that settles. */
  readonly into?: (status: number, headers: Headers) => Buffer
  /** Hears of each piece that was copied there: its own memory is the collector's then. */
  readonly arrived?: ((bytes: number) => void) | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
}

export interface StreamedAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: AsyncIterable<Buffer>
  /** Drops the rest of the body. To be called when it isn't read to its end. */
  cancel(): void
}

export type Headers = Readonly<Record<string, string | string[] | undefined>>

const BASE = '/api/v1'
const DEFAULT_CONNECTIONS = 32
const MAX_WAITING = 10_000
/** An answer that is taken into memory: a page of 10,000 entries with the longest paths stays below it. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
/** Five tries wait about 0.1, 0.3, 0.9 and 2.7 s: a node that restarts is back within about two seconds. */
const DEFAULT_TRIES = 5
const FIRST_DELAY_MS = 100
const DELAY_FACTOR = 3
const WAIT_MS = 2_000
const NO_HEADERS: Record<string, string> = {}
const IDEMPOTENT = new Set(['GET', 'HEAD', 'PUT', 'DELETE'])

/** Sends calls over a bounded pool of connections, and again where that is safe and makes sense: for errors that say
 *  "after a delay", and for broken connections of calls that can be repeated. @throws ShoalError, always */
export class Transport {
  readonly endpoint: string
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #options: TransportOptions
  readonly #authorization: string
  #reached = false
  /** What calls about a volume say of it, by their path. */
  #meant: { readonly path: string; readonly headers: Record<string, string> } | undefined

  constructor(options: TransportOptions) {
    this.#options = options
    this.endpoint = checkEndpoint(options.endpoint)
    const connections = options.connections ?? DEFAULT_CONNECTIONS
    const silenceMs = options.silenceTimeoutMs ?? 60_000
    this.#pool = new Pool(this.endpoint, {
      connections,
      connect: {
        timeout: options.connectTimeoutMs ?? 10_000,
        // Made once: tls.connect would make one of the certificates for each connection.
        ...(options.authorities === undefined ? {} : { secureContext: createSecureContext({ ca: [...options.authorities] }) }),
      },
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
      pipelining: 1,
    })
    this.#gate = new Gate({ limit: connections, maxWaiting: MAX_WAITING })
    this.#authorization = `Basic ${Buffer.from(`${options.accessKey}:${options.secretKey}`).toString('base64')}`
  }

  /** From now on calls below `path`, a volume's, are about the volume with this id alone, and about no other one that has its name by then. */
  mean(path: string, id: number): void {
    this.#meant = { path: `${path}/`, headers: { 'x-shoal-volume-id': String(id) } }
  }

  /** Sends a call and takes the whole answer into memory. */
  send(call: Call): Promise<Answer> {
    return this.#try(call, (headers) => this.#sendOnce(call, headers))
  }

  /** Sends a call and answers as soon as the headers are there. The body is the caller's to read or cancel. */
  stream(call: Call): Promise<StreamedAnswer> {
    return this.#try(call, (headers) => this.#streamOnce(call, headers))
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  async #try<T>(call: Call, once: (headers: Record<string, string>) => Promise<T>): Promise<T> {
    if (this.#options.onWait === undefined) return this.#tryAgain(call, once)
    const answered = new AbortController()
    void this.#tellOfWait(this.#options.onWait, answered.signal)
    try {
      return await this.#tryAgain(call, once)
    } finally {
      answered.abort()
    }
  }

  async #tellOfWait(onWait: () => void, answered: AbortSignal): Promise<void> {
    for (;;) {
      await this.#options.clock.sleep(WAIT_MS, answered).catch(() => {})
      if (answered.aborted) return
      onWait()
    }
  }

  async #tryAgain<T>(call: Call, once: (headers: Record<string, string>) => Promise<T>): Promise<T> {
    const { tries = DEFAULT_TRIES, triesMsMax = Infinity, clock } = this.#options
    const untilMs = clock.monotonicMs() + triesMsMax
    const named = this.#nameOf(call)
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await once(attempt === 1 ? { ...named, ...firstTry(named) } : named)
        this.#reached = true
        return answer
      } catch (cause) {
        const error = call.signal?.aborted ? cancelled(cause) : connectionError(cause, this.endpoint)
        // The deletion went through, only its answer was lost.
        if (attempt > 1 && call.method === 'DELETE' && error.code === 'NOT_FOUND') return gone() as T
        if (attempt >= tries || clock.monotonicMs() >= untilMs || !this.#mayRepeat(call, error)) throw error
        await clock.sleep(this.#delayMs(attempt), call.signal)
      }
    }
  }

  /** The key by which the server knows the call when it comes again. */
  #nameOf(call: Call): Record<string, string> {
    if (call.replayable === false || !isDoneOnce(call)) return NO_HEADERS
    return { [KEY_HEADER]: Buffer.from(this.#options.random.bytes(16)).toString('hex') }
  }

  #mayRepeat(call: Call, error: ShoalError): boolean {
    if (call.replayable === false || error.retry !== 'after-delay') return false
    if (error.details['certificate'] !== undefined) return false
    const isHarmless = isDoneOnce(call) || (call.idempotent ?? IDEMPOTENT.has(call.method))
    // A refusal in the server's words has changed nothing, unless it says that it may have. What has no status is this side's own, such as a file that shrank.
    if (error.details['connection'] !== true)
      return error.details['status'] !== undefined && (isHarmless || error.details['ambiguous'] !== true)
    // Nobody home at the very first call: saying so at once helps more than waiting.
    if (neverConnected(error)) return this.#reached
    return isHarmless
  }

  /** Full jitter over the upper half, so that many clients don't come back in step. */
  #delayMs(attempt: number): number {
    const delayMs = FIRST_DELAY_MS * DELAY_FACTOR ** (attempt - 1)
    return delayMs / 2 + this.#options.random.fraction() * (delayMs / 2)
  }

  #request(call: Call, named: Record<string, string>): Dispatcher.DispatchOptions {
    const { body } = call
    const about = this.#meant !== undefined && call.path.startsWith(this.#meant.path) ? this.#meant.headers : NO_HEADERS
    const headers: Record<string, string> = { authorization: this.#authorization, ...about, ...call.headers, ...named }
    return {
      method: call.method,
      path: BASE + call.path,
      headers,
      ...(body === undefined ? {} : { body: (typeof body === 'function' ? body() : body) as Buffer }),
      ...(call.silenceTimeoutMs === undefined
        ? {}
        : { headersTimeout: call.silenceTimeoutMs, bodyTimeout: call.silenceTimeoutMs }),
    }
  }

  async #sendOnce(call: Call, named: Record<string, string>): Promise<Answer> {
    const turn = this.#gate.enter(call.signal)
    if (turn !== undefined) await turn
    try {
      const answer = await collect(this.#pool, this.#request(call, named), call)
      if (answer.status >= 400) throw problemError(answer.status, answer.body.toString('utf8'))
      return answer
    } finally {
      this.#gate.leave()
    }
  }

  async #streamOnce(call: Call, named: Record<string, string>): Promise<StreamedAnswer> {
    const turn = this.#gate.enter(call.signal)
    if (turn !== undefined) await turn
    let held = true
    const leave = () => {
      if (held) this.#gate.leave()
      held = false
    }
    try {
      const options = { ...this.#request(call, named), ...(call.signal === undefined ? {} : { signal: call.signal }) }
      const { statusCode, headers, body } = await this.#pool.request(options)
      if (statusCode >= 400) throw problemError(statusCode, await body.text())
      // A body that nobody listens to yet must not bring the process down when its connection breaks.
      body.on('error', () => undefined)
      body.once('close', leave)
      return {
        status: statusCode,
        headers,
        body: translated(body, this.endpoint),
        cancel: () => body.destroy(),
      }
    } catch (error) {
      leave()
      throw error
    }
  }
}

async function* translated(body: AsyncIterable<Buffer>, endpoint: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* body
  } catch (cause) {
    throw connectionError(cause, endpoint)
  }
}

/** Collects an answer without the stream in between: small answers cost half the time this way. */
function collect(pool: Pool, options: Dispatcher.DispatchOptions, { signal, into, arrived }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let status = 0
    let headers: Headers = {}
    let lengthBytes = 0
    let target: Buffer | undefined
    const chunks: Buffer[] = []
    let onAbort: (() => void) | undefined
    const settle = () => {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
    }
    pool.dispatch(options, {
      onRequestStart(controller) {
        if (signal === undefined) return
        settle()
        onAbort = () => controller.abort(cancelled(signal.reason))
        if (signal.aborted) onAbort()
        else signal.addEventListener('abort', onAbort, { once: true })
      },
      onResponseStart(controller, statusCode, responseHeaders) {
        status = statusCode
        headers = responseHeaders
        if (into === undefined || statusCode >= 400) return
        try {
          target = into(statusCode, responseHeaders)
        } catch (error) {
          controller.abort(error as Error)
        }
      },
      onResponseData(controller, chunk) {
        // What aborted it may come a little later.
        if (controller.aborted) return
        const most = target?.length ?? MAX_ANSWER_BYTES
        if (lengthBytes + chunk.length > most) {
          controller.abort(new ShoalError('TOO_LARGE', `The server's answer has more than ${most} bytes`))
          return
        }
        if (target === undefined) chunks.push(chunk)
        else target.set(chunk, lengthBytes)
        lengthBytes += chunk.length
        arrived?.(chunk.length)
      },
      onResponseEnd() {
        settle()
        const [only] = chunks
        const whole = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)
        resolve({ status, headers, body: target?.subarray(0, lengthBytes) ?? whole })
      },
      onResponseError(_controller, error) {
        settle()
        reject(error)
      },
    })
  })
}

function firstTry(named: Record<string, string>): Record<string, string> {
  return named === NO_HEADERS ? NO_HEADERS : { [FIRST_TRY_HEADER]: '1' }
}

function gone(): Answer & StreamedAnswer {
  return { status: 204, headers: {}, body: Buffer.alloc(0) as never, cancel: () => undefined }
}

function cancelled(cause: unknown): ShoalError {
  return isShoalError(cause, 'CANCELLED') ? cause : new ShoalError('CANCELLED', 'The call was cancelled', { cause })
}

function checkEndpoint(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new ShoalError('INVALID_ARGUMENT', `"${endpoint}" is not an endpoint: write it like http://127.0.0.1:7400`)
  }
  if (url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw new ShoalError('INVALID_ARGUMENT', `The endpoint "${endpoint}" must be a scheme, a host and a port, nothing more`)
  }
  return url.origin
}

/** The body of an answer as JSON; `undefined` for one that has none. @throws INTERNAL */
export function parseJson<T>(answer: Answer): T {
  if (answer.body.length === 0) return undefined as T
  try {
    return JSON.parse(answer.body.toString('utf8')) as T
  } catch (cause) {
    throw new ShoalError('INTERNAL', 'The server answered with something that is not JSON: is this a Shoal endpoint?', { cause })
  }
}
