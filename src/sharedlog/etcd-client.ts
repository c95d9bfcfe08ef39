import { Pool } from 'undici'
import type { Dispatcher } from 'undici'
import { isShoalError, ShoalError } from '#foundation/errors.ts'

export interface EtcdOptions {
  /** `http://host:port` or `https://…`, of one or more members of one cluster. */
  readonly endpoints: readonly string[]
  /** Certificates and key in PEM: whose word is taken for an `https` endpoint, and what this side shows. etcd's JSON door knows no
   *  names from certificates: where it asks for users, they need a password. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  readonly user?: { readonly name: string; readonly password: string }
  /** Longest wait for one answer; 3 s by default. */
  readonly callTimeoutMs?: number
}

const CALL_TIMEOUT_MS = 3_000
/** Calls and walks at once, to one member. */
const CONNECTIONS_MAX = 64
/** A stream that says nothing for so long is asked for anew: the other side may be gone without a word. */
const SILENCE_MS = 10_000
/** A page of entries, in base64, is well below it. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024

/** google.golang.org/grpc/codes */
const GRPC = { invalidArgument: 3, notFound: 5, forbidden: 7, exhausted: 8, unauthenticated: 16 } as const

interface EtcdProblem {
  readonly message?: string
  readonly code?: number
}

/** Speaks etcd's JSON door (`/v3/…`, etcd 3.4 and later): each call of its gRPC interface as a POST, streams as lines of JSON.
 *  Numbers of 64 bits are strings there, bytes base64, and what is zero or empty is left out. */
export class EtcdClient {
  readonly #pools: readonly Pool[]
  readonly #options: EtcdOptions
  /** The member that is asked: the next one after each failure. */
  #at = 0
  #token: Promise<string> | undefined

  constructor(options: EtcdOptions) {
    if (options.endpoints.length === 0) throw new ShoalError('INVALID_ARGUMENT', 'etcd needs at least one endpoint')
    this.#options = options
    this.#pools = options.endpoints.map((endpoint) => openPool(endpoint, options))
  }

  /** @throws UNAVAILABLE: it may have been done; NO_SPACE, TOO_LARGE, NOT_FOUND, UNAUTHENTICATED, FORBIDDEN: it was not */
  async call<T>(path: string, body: object): Promise<T> {
    const signal = AbortSignal.timeout(this.#options.callTimeoutMs ?? CALL_TIMEOUT_MS)
    const answer = await this.#authenticated((token) => this.#post(path, { body, signal, token }))
    return this.#guarded(async () => JSON.parse((await readAll(answer)).toString()) as T)
  }

  /** As `call`, for what can be asked of one member after another. */
  async ask<T>(path: string, body: object): Promise<T> {
    for (let left = this.#pools.length; ; left -= 1) {
      try {
        return await this.call(path, body)
      } catch (error) {
        if (!isShoalError(error, 'UNAVAILABLE') || left <= 1) throw error
      }
    }
  }

  /** What the member says, until it has been silent for a while or `signal` is aborted: then the stream ends.
   *  @throws as `call` */
  async *stream<T>(path: string, body: object, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    const ended = new AbortController()
    const end = (): void => ended.abort()
    signal.addEventListener('abort', end)
    try {
      if (signal.aborted) return
      const answer = await this.#authenticated((token) => this.#post(path, { body, signal: ended.signal, token }))
      for await (const line of linesOf(answer)) {
        const { result, error } = JSON.parse(line) as { result?: T; error?: { message?: string } }
        if (result === undefined) throw this.#failed(error?.message)
        yield result
      }
    } catch (error) {
      if (signal.aborted || isSilence(error)) return
      throw isShoalError(error) ? error : this.#failed(error)
    } finally {
      signal.removeEventListener('abort', end)
      end()
    }
  }

  async close(): Promise<void> {
    for (const pool of this.#pools) await pool.destroy()
  }

  async #post(
    path: string,
    { body, signal, token }: { body: object; signal: AbortSignal; token: string | undefined },
  ): Promise<Dispatcher.ResponseData['body']> {
    const pool = this.#pools[this.#at] as Pool
    const answer = await this.#guarded(() =>
      pool.request({
        method: 'POST',
        path: `/v3/${path}`,
        // A member that has lost the others says so, instead of being silent.
        headers: { 'Grpc-Metadata-hasleader': 'true', ...(token === undefined ? {} : { Authorization: token }) },
        body: JSON.stringify(body),
        signal,
      }),
    )
    if (answer.statusCode === 200) return answer.body
    const text = (await this.#guarded(() => readAll(answer.body))).toString()
    throw this.#problem(text)
  }

  /** With a name and password, `run` gets a token, and once more a new one if that is no longer known. */
  async #authenticated<T>(run: (token: string | undefined) => Promise<T>): Promise<T> {
    if (this.#options.user === undefined) return run(undefined)
    try {
      return await run(await (this.#token ??= this.#authenticate()))
    } catch (error) {
      this.#token = undefined
      if (!isShoalError(error, 'UNAUTHENTICATED')) throw error
      return run(await (this.#token ??= this.#authenticate()))
    }
  }

  async #authenticate(): Promise<string> {
    const signal = AbortSignal.timeout(this.#options.callTimeoutMs ?? CALL_TIMEOUT_MS)
    const answer = await this.#post('auth/authenticate', { body: this.#options.user as object, signal, token: undefined })
    return (JSON.parse((await readAll(answer)).toString()) as { token: string }).token
  }

  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  #failed(cause: unknown): ShoalError {
    const endpoint = this.#options.endpoints[this.#at]
    this.#at = (this.#at + 1) % this.#pools.length
    return new ShoalError('UNAVAILABLE', `etcd at ${endpoint} cannot be reached`, { cause })
  }

  #problem(text: string): ShoalError {
    let problem: EtcdProblem = {}
    try {
      problem = JSON.parse(text) as EtcdProblem
    } catch {
      // Something else than etcd answered.
    }
    const { message = text.slice(0, 200), code } = problem
    const said = `etcd says: ${message}`
    if (message.includes('database space exceeded')) return new ShoalError('NO_SPACE', said)
    if (message.includes('request is too large')) return new ShoalError('TOO_LARGE', said)
    if (message.includes('authentication failed')) return new ShoalError('UNAUTHENTICATED', said)
    if (code === GRPC.unauthenticated) return new ShoalError('UNAUTHENTICATED', said)
    if (code === GRPC.forbidden) return new ShoalError('FORBIDDEN', said)
    if (code === GRPC.notFound) return new ShoalError('NOT_FOUND', said)
    return this.#failed(said)
  }
}

function openPool(endpoint: string, { tls = {}, callTimeoutMs = CALL_TIMEOUT_MS }: EtcdOptions): Pool {
  return new Pool(endpoint, {
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    connect: { timeout: callTimeoutMs, ...tls },
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
  })
}

async function readAll(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes > ANSWER_BYTES_MAX) throw new ShoalError('UNAVAILABLE', 'etcd answered with more than was asked for')
  }
  return Buffer.concat(pieces)
}

async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  let rest: Buffer[] = []
  let restBytes = 0
  for await (const piece of body) {
    let from = 0
    for (let end = piece.indexOf(10); end !== -1; end = piece.indexOf(10, from)) {
      yield Buffer.concat([...rest, piece.subarray(from, end)]).toString()
      rest = []
      restBytes = 0
      from = end + 1
    }
    rest.push(piece.subarray(from))
    restBytes += piece.length - from
    if (restBytes > ANSWER_BYTES_MAX) throw new ShoalError('UNAVAILABLE', 'etcd sent a longer line than was asked for')
  }
}

/** Silence is what tells an idle stream from a dead one: the caller looks again. */
function isSilence(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } }
  return [code, cause?.code].includes('UND_ERR_BODY_TIMEOUT')
}
