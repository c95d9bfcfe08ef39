import { ShoalError } from '#foundation/errors.ts'
import { NOTHING_BEGUN } from '#wire/methods.ts'
import type { IncomingCall, WireAnswer, WireMethod, WireMethods } from '#wire/methods.ts'
import { Connection } from './connection.ts'
import type { ConnectionSocket } from './connection.ts'
import { decodeRequestHead, headInBody, headInHeader } from './forward-head.ts'
import { ForwardedRequest } from './forwarded-request.ts'
import { ForwardedResponse } from './forwarded-response.ts'
import type { HttpServer } from './server.ts'
import { UnderWay } from './under-way.ts'

export const FORWARD_METHOD = 'http.forward'
/** The same for a change whose result is to be remembered: a node that doesn't know the method doesn't do that. */
export const CHANGE_METHOD = 'http.change'
/** Answers at once, and nothing. */
export const ALIVE_METHOD = 'http.alive'

/** Requests of other nodes that are answered at a time, half of what the wire takes (`callsMax`): its other calls go on beside clients that are slow. */
const REQUESTS_MAX = 2_048

export interface ForwardMethodsOptions {
  /** The callers are threads of this node: what it doesn't serve itself it sends on to the node that does, as it does for its own clients. */
  readonly fromThreads?: boolean
  /** Is given what is under way: a server that stops doesn't wait for it, since it has no connection of its own there. */
  readonly underWay?: UnderWay
}

/** What nodes that send requests on call (docs/formats/forward-calls.md). Each request goes through the server that it names, with its limits and doors,
 *  as if its client were connected to this node. */
export function forwardMethods(servers: Readonly<Record<string, HttpServer>>, options: ForwardMethodsOptions = {}): WireMethods {
  const { underWay = new UnderWay() } = options
  const method = (isChange: boolean): WireMethod => ({
    handle: async (call) => {
      if (underWay.size >= REQUESTS_MAX)
        throw new ShoalError('BUSY', 'Too many forwarded requests are under way: try again in a moment', {
          details: NOTHING_BEGUN,
        })
      return serve(call, { servers, underWay, isChange, mayForward: options.fromThreads === true })
    },
  })
  return { [FORWARD_METHOD]: method(false), [CHANGE_METHOD]: method(true), [ALIVE_METHOD]: { handle: async () => ({}) } }
}

interface Serving {
  readonly servers: Readonly<Record<string, HttpServer>>
  readonly mayForward: boolean
  readonly underWay: UnderWay
  readonly isChange: boolean
}

async function serve(call: IncomingCall, { servers, mayForward, underWay, isChange }: Serving): Promise<WireAnswer> {
  const inHeader = headInHeader(call.header)
  // The content in the header is the whole body, if there is some.
  const { text, content } = inHeader ?? (await headInBody(call.body))
  const head = decodeRequestHead(text)
  const server = Object.hasOwn(servers, head.server) ? servers[head.server] : undefined
  if (server === undefined)
    throw new ShoalError('UNSUPPORTED', `This node has no server "${head.server}"`, { details: NOTHING_BEGUN })
  if (server.draining) throw new ShoalError('UNAVAILABLE', 'The node is stopping', { details: NOTHING_BEGUN })
  const request = new ForwardedRequest(head, { first: content, body: call.body })
  const response = new ForwardedResponse(head.method)
  const { id, remoteAddress, isSecure, expectsContinue } = head
  const connection = new Connection(new CallSocket(request, response), { remoteAddress, isSecure, isForwarded: true, mayForward })
  const end = (reason: ShoalError): void => {
    server.abandon(connection)
    response.cut(reason)
    over()
  }
  const abandon = (): void => end(call.signal.reason as ShoalError)
  const over = underWay.begin(() => end(stopped()))
  response.on('finish', () => {
    call.signal.removeEventListener('abort', abandon)
    over()
  })
  call.signal.addEventListener('abort', abandon, { once: true })
  const change = isChange ? { isRepeat: head.isRepeat === true, isQuestion: head.isQuestion === true } : undefined
  server.serve(request, response, { connection, id, expectsContinue, change })
  if (call.signal.aborted) abandon()
  return response.answer.catch((error: unknown) => {
    over()
    throw error
  })
}

function stopped(): ShoalError {
  return new ShoalError(
    'UNAVAILABLE',
    'The node that served this request has stopped in the middle of it: look, or send it again',
  )
}

/** What the kernel takes for the socket of a client. */
class CallSocket implements ConnectionSocket {
  readonly #request: ForwardedRequest
  readonly #response: ForwardedResponse

  constructor(request: ForwardedRequest, response: ForwardedResponse) {
    this.#request = request
    this.#response = response
  }

  get bytesRead(): number {
    return this.#request.receivedBytes
  }

  get bytesWritten(): number {
    return this.#response.sentBytes
  }

  /** The call ends by itself. */
  destroySoon(): void {}

  destroy(): void {
    this.#response.cut(
      new ShoalError('UNAVAILABLE', 'The response ends in the middle: the log of the node that gave it says why'),
    )
  }
}
