import type { ServerOptions } from 'node:http'
import { createServer } from 'node:https'
import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { KernelRequest, KernelResponse } from './kernel-messages.ts'
import { refusePlainText } from './reject-connection.ts'
import type { TlsMaterial } from './tls-material.ts'
import { secureContextOptions } from './tls-options.ts'

type KernelOptions = ServerOptions<typeof KernelRequest, typeof KernelResponse>

export interface TlsServerOptions {
  readonly material: TlsMaterial
  /** From a connection's beginning to the end of its handshake: it is cut. */
  readonly handshakeTimeoutMs: number
  readonly clock: Clock
  readonly log: Log
  /** Of the answer to a client that doesn't speak TLS. */
  readonly plainRequestId: string
}

/** The first byte of a TLS record that carries a handshake (RFC 8446, section 5.1). */
const HANDSHAKE_RECORD = 0x16
const LOG_EVERY_MS = 60_000

/** node:https's server, and what it leaves open: connections without a handshake have an end, plain HTTP has an answer,
 *  and the certificate can be replaced. */
export class TlsServer {
  readonly server: Server<typeof KernelRequest, typeof KernelResponse>
  readonly #options: TlsServerOptions
  readonly #unwatch: () => void
  /** Connections before the end of their handshake, by the client's address and port. */
  readonly #shaking = new Map<string, Socket>()
  #failures = 0
  #loggedMs = -Infinity

  constructor(http: KernelOptions, options: TlsServerOptions) {
    this.#options = options
    const { material, handshakeTimeoutMs } = options
    const server = createServer<typeof KernelRequest, typeof KernelResponse>({
      ...http,
      ...secureContextOptions(material.pair),
      handshakeTimeout: handshakeTimeoutMs,
      // HTTP/2 isn't offered: docs/adr/0009-no-http-2.md.
      ALPNProtocols: ['http/1.1'],
    })
    this.server = server
    this.#unwatch = material.watch((pair) => server.setSecureContext(secureContextOptions(pair)))
    // The server's own listener begins the handshake: it has to wait until the first byte is seen.
    const begin = server.listeners('connection')
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => {
      this.#lookAtFirstByte(socket, () => begin.forEach((listener) => listener.call(server, socket)))
    })
    server.on('secureConnection', (socket) => void this.#shaking.delete(peerOf(socket)))
    // node:https makes HTTP's errors of them, which would be answered.
    server.removeAllListeners('tlsClientError')
    server.on('tlsClientError', (error, socket) => this.#failed(error, socket))
  }

  /** Cuts the connections that haven't come through their handshake, and forgets the material. */
  abandon(): void {
    this.#unwatch()
    for (const socket of this.#shaking.values()) socket.destroy()
  }

  #lookAtFirstByte(socket: Socket, handshake: () => void): void {
    const peer = peerOf(socket)
    this.#shaking.set(peer, socket)
    const cut = () => socket.destroy()
    socket.once('close', () => {
      if (this.#shaking.get(peer) === socket) this.#shaking.delete(peer)
    })
    socket.on('error', cut)
    socket.setTimeout(this.#options.handshakeTimeoutMs, cut)
    socket.once('readable', () => {
      const head = socket.read() as Buffer | null
      if (head === null) return cut()
      if (isText(head)) return this.#refuse(socket)
      socket.setTimeout(0, cut)
      socket.off('error', cut)
      socket.unshift(head)
      handshake()
    })
  }

  #refuse(socket: Socket): void {
    const { clock, handshakeTimeoutMs, plainRequestId } = this.#options
    refusePlainText(socket, { requestId: plainRequestId, clock, lingerMs: handshakeTimeoutMs })
  }

  /** The peer's fault, most often a scanner's, or of a client that doesn't trust the certificate: a line a minute will do. */
  #failed(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    this.#failures += 1
    const { clock, log } = this.#options
    if (clock.monotonicMs() - this.#loggedMs >= LOG_EVERY_MS) {
      log.info('TLS handshakes failed', {
        count: this.#failures,
        remote: socket.remoteAddress,
        code: error.code,
        reason: error.message,
      })
      this.#loggedMs = clock.monotonicMs()
      this.#failures = 0
    }
    socket.destroy()
  }
}

/** A letter begins a request line; a record of TLS never does. */
function isText(head: Buffer): boolean {
  const first = head[0] as number
  return first !== HANDSHAKE_RECORD && ((first >= 0x41 && first <= 0x5a) || (first >= 0x61 && first <= 0x7a))
}

function peerOf(socket: Socket): string {
  return `${socket.remotePort} ${socket.remoteAddress}`
}
