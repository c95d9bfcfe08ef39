import { Pool } from 'undici'
import type { Dispatcher } from 'undici'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { EtcdCalls } from './etcd-members.ts'

export interface EtcdDoorOptions {
  /** `http://host:port` or `https://…` of one member. */
  readonly endpoint: string
  /** Certificates and key in PEM: whose word is taken for an `https` endpoint, and what this side shows. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  /** Longest wait for one answer; 3 s by default. */
  readonly callTimeoutMs?: number
}

const CALL_TIMEOUT_MS = 3_000
const CONNECTIONS_MAX = 4
/** A stream that says nothing for so long is asked for anew: the other side may be gone without a word. */
const SILENCE_MS = 10_000
/** A piece of a snapshot, in base64, is well below it. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024

/** etcd's JSON door (`/v3/…`, etcd 3.4 and later) at one member: each call of its gRPC interface as a POST, streams as lines of JSON. It is for
 *  what is asked rarely; the log speaks gRPC. Numbers of 64 bits are strings there, bytes base64, and what is zero or empty is left out. */
export class EtcdDoor implements EtcdCalls {
  readonly #pool: Pool
  readonly #options: EtcdDoorOptions

  constructor(options: EtcdDoorOptions) {
    this.#options = options
    this.#pool = openPool(options)
  }

  /** @throws UNAVAILABLE: no answer, or a refusal, in its cause */
  async call<T>(path: string, body: object): Promise<T> {
    const answer = await this.#post(path, body, AbortSignal.timeout(this.#options.callTimeoutMs ?? CALL_TIMEOUT_MS))
    return this.#guarded(async () => JSON.parse((await readAll(answer)).toString()) as T)
  }

  /** What the member says, until it has been silent for a while or `signal` is aborted: then the stream ends.
   *  @throws as `call` */
  async *stream<T>(path: string, body: object, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    const ended = new AbortController()
    const end = (): void => ended.abort()
    signal.addEventListener('abort', end)
    try {
      if (signal.aborted) return
      const answer = await this.#post(path, body, ended.signal)
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
    await this.#pool.destroy()
  }

  async #post(path: string, body: object, signal: AbortSignal): Promise<Dispatcher.ResponseData['body']> {
    const answer = await this.#guarded(() =>
      this.#pool.request({
        method: 'POST',
        path: `/v3/${path}`,
        // A member that has lost the others says so, instead of being silent.
        headers: { 'Grpc-Metadata-hasleader': 'true' },
        body: JSON.stringify(body),
        signal,
      }),
    )
    if (answer.statusCode === 200) return answer.body
    const text = (await this.#guarded(() => readAll(answer.body))).toString()
    throw this.#failed(`etcd says: ${wordsOf(text)}`)
  }

  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  #failed(cause: unknown): ShoalError {
    return new ShoalError('UNAVAILABLE', `etcd at ${this.#options.endpoint} cannot be reached`, { cause })
  }
}

function wordsOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text.slice(0, 200)
  } catch {
    // Something else than etcd answered.
    return text.slice(0, 200)
  }
}

function openPool({ endpoint, tls = {}, callTimeoutMs = CALL_TIMEOUT_MS }: EtcdDoorOptions): Pool {
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
