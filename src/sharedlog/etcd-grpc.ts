import { connect, constants } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'

/** Certificates and key in PEM: whose word is taken for an `https` endpoint, and what this side shows. */
export interface EtcdTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** What a member refuses: a number of google.golang.org/grpc/codes, and a sentence. */
export class GrpcRefusal extends Error {
  readonly grpcCode: number

  constructor(grpcCode: number, message: string) {
    super(message)
    this.grpcCode = grpcCode
  }
}

export interface GrpcCall {
  /** `package.Service/Method` */
  readonly method: string
  readonly message: Buffer
  readonly token: string | undefined
  readonly signal: AbortSignal
  /** Whether to go on listening after the first answer; for how long without one. */
  readonly silenceMs?: number
}

/** Compressed or not, and the length of the message. */
const PREFIX_BYTES = 5
/** Entries come in messages of some MiB. */
const WINDOW_BYTES = 8 * 1024 * 1024
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024
const UNKNOWN = 2

/** Calls of one etcd member: gRPC over HTTP/2 as its protocol description has it
 *  (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), without compression. */
export class GrpcConnection {
  readonly endpoint: string
  readonly #tls: EtcdTls | (() => EtcdTls)
  #session: ClientHttp2Session | undefined
  /** That one, and those whose last calls are still under way. */
  readonly #sessions = new Set<ClientHttp2Session>()
  /** What ended the last connection that gave no answer: its calls only say that it has ended. */
  #broke: Error | undefined
  #isClosed = false

  constructor(endpoint: string, tls: EtcdTls | (() => EtcdTls)) {
    this.endpoint = endpoint
    this.#tls = tls
  }

  /** The messages that come back. It ends when the member says so, or when it has been silent for too long.
   *  @throws GrpcRefusal, or whatever befell the connection or the signal */
  async *call({ method, message, token, signal, silenceMs }: GrpcCall): AsyncGenerator<Buffer, void, undefined> {
    const stream = this.#open(method, token, signal)
    let status: IncomingHttpHeaders = {}
    let isSilent = false
    stream.on('response', (headers) => (status = headers))
    // Who reads is told; it may come when nobody does any more.
    stream.on('error', () => {})
    stream.on('trailers', (trailers) => (status = trailers))
    if (silenceMs === undefined) stream.end(framed(message))
    else {
      stream.write(framed(message))
      stream.setTimeout(silenceMs, () => {
        isSilent = true
        stream.close(constants.NGHTTP2_CANCEL)
      })
    }
    try {
      for await (const answer of messagesIn(stream)) {
        this.#broke = undefined
        yield answer
      }
    } catch (error) {
      if (isSilent) return
      // Nobody may be at the other end any more: whoever comes next gets a new connection.
      if ((signal.reason as Error | undefined)?.name === 'TimeoutError') this.#retire()
      throw signal.aborted ? error : (this.#broke ?? error)
    } finally {
      stream.close(constants.NGHTTP2_CANCEL)
    }
    if (isSilent) return
    const code = Number(status['grpc-status'] ?? UNKNOWN)
    if (code !== 0) throw new GrpcRefusal(code, decodeURIComponent(String(status['grpc-message'] ?? 'no reason given')))
  }

  close(): void {
    this.#isClosed = true
    for (const session of this.#sessions) session.destroy()
  }

  #retire(): void {
    this.#session?.close()
    this.#session = undefined
  }

  #open(method: string, token: string | undefined, signal: AbortSignal): ClientHttp2Stream {
    if (this.#isClosed) throw new Error('The connection was closed')
    this.#session ??= this.#connect()
    const headers = {
      ':method': 'POST',
      ':path': `/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      // A member that has lost the others says so, instead of being silent.
      hasleader: 'true',
      ...(token === undefined ? {} : { token }),
    }
    return this.#session.request(headers, { signal, endStream: false })
  }

  #connect(): ClientHttp2Session {
    const tls = typeof this.#tls === 'function' ? this.#tls() : this.#tls
    const session = connect(this.endpoint, { ...tls, settings: { initialWindowSize: WINDOW_BYTES } })
    const forget = (): void => {
      if (this.#session === session) this.#session = undefined
    }
    session.on('connect', () => {
      // It may have been given up while it connected.
      if (!session.destroyed) session.setLocalWindowSize(4 * WINDOW_BYTES)
    })
    // Its calls fail with it; the next one connects anew.
    session.on('error', (error: Error) => {
      this.#broke = error
      forget()
    })
    session.on('goaway', forget)
    session.on('close', () => {
      forget()
      this.#sessions.delete(session)
    })
    this.#sessions.add(session)
    return session
  }
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length)
  frame.writeUInt8(0, 0)
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, PREFIX_BYTES)
  return frame
}

async function* messagesIn(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let pieces: Buffer[] = []
  let bytes = 0
  let wanted = PREFIX_BYTES
  for await (const piece of stream) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes < wanted) continue
    let all = pieces.length === 1 ? piece : Buffer.concat(pieces)
    for (wanted = frameBytes(all); all.length >= wanted; wanted = frameBytes(all)) {
      yield all.subarray(PREFIX_BYTES, wanted)
      all = all.subarray(wanted)
    }
    pieces = [all]
    bytes = all.length
  }
}

/** How long the frame is that `bytes` begin with, as far as they tell. */
function frameBytes(bytes: Buffer): number {
  if (bytes.length < PREFIX_BYTES) return PREFIX_BYTES
  const wanted = PREFIX_BYTES + bytes.readUInt32BE(1)
  if (wanted > MESSAGE_BYTES_MAX) throw new RangeError('etcd answered with more than was asked for')
  return wanted
}
