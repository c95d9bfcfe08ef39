import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorCode } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'

/** How a connection ends that is refused. */
export interface Parting {
  readonly requestId: string
  readonly clock: Clock
  /** A client that hasn't closed its side by then is cut off. */
  readonly lingerMs: number
}

interface Rejection {
  readonly status: string
  readonly code: ErrorCode
  readonly detail: string
}

/** Answers what the HTTP parser could not make a request of, and ends the connection. No door is known yet, so every
 *  protocol gets the same small problem document (RFC 9457). */
export function rejectConnection(socket: Socket, error: NodeJS.ErrnoException, parting: Parting): void {
  reject(socket, rejectionOf(error), parting)
}

/** Answers CONNECT, which node:http hands over as a bare socket: this is no proxy. */
export function refuseTunnel(socket: Socket, parting: Parting): void {
  reject(
    socket,
    { status: '405 Method Not Allowed', code: 'METHOD_NOT_ALLOWED', detail: 'This is no proxy: CONNECT is not possible here' },
    parting,
  )
}

/** Answers a client that sends plain HTTP where TLS is spoken. */
export function refusePlainText(socket: Socket, parting: Parting): void {
  reject(
    socket,
    {
      status: '400 Bad Request',
      code: 'INVALID_ARGUMENT',
      detail: 'This port speaks HTTP over TLS only: write https:// instead of http://',
    },
    parting,
  )
}

/** Answers a request that expects what nobody here can do, and ends the connection. False for a list of expectations
 *  without members, which asks for nothing (RFC 9110, section 5.6.1). */
export function refuseExpectation(request: IncomingMessage, response: ServerResponse): boolean {
  if (/^[\s,]*$/.test(request.headers.expect ?? '')) return false
  response.writeHead(417, ['Content-Length', '0', 'Connection', 'close']).end()
  return true
}

function reject(socket: Socket, rejection: Rejection, { requestId, clock, lingerMs }: Parting): void {
  // The socket of a CONNECT has no listener any more, and a reset by the client would end the process.
  socket.on('error', () => socket.destroy())
  const status = Number(rejection.status.slice(0, 3))
  const body = JSON.stringify({
    type: 'about:blank',
    title: rejection.status.slice(4),
    status,
    code: rejection.code,
    detail: rejection.detail,
    requestId,
  })
  socket.end(
    `HTTP/1.1 ${rejection.status}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${requestId}\r\nConnection: close\r\n${rejection.code === 'METHOD_NOT_ALLOWED' ? 'Allow: \r\n' : ''}\r\n${body}`,
  )
  // What the client is still sending is dropped: closing at once would reset the connection before it has read the answer.
  socket.resume()
  const closed = new AbortController()
  socket.once('close', () => closed.abort())
  clock.sleep(lingerMs, closed.signal).then(
    () => socket.destroy(),
    () => {},
  )
}

function rejectionOf(error: NodeJS.ErrnoException): Rejection {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        status: '431 Request Header Fields Too Large',
        code: 'HEADERS_TOO_LARGE',
        detail: 'The request line and headers are longer than this server allows',
      }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: '408 Request Timeout', code: 'TIMEOUT', detail: 'The headers of the request came too slowly' }
    default:
      return {
        status: '400 Bad Request',
        code: 'INVALID_ARGUMENT',
        detail: `This is not a valid HTTP/1.1 request: ${error.message}`,
      }
  }
}
