import type { X509Certificate } from 'node:crypto'
import * as net from 'node:net'
import * as tls from 'node:tls'
import { countArrived } from './young-memory.ts'
import type {
  Connector,
  Listener,
  ListenOptions,
  Listeners,
  PeerProof,
  Socket,
  SocketAddress,
  SocketEvents,
  SocketSecurity,
} from './sockets.ts'

/** Past this much, writers are asked to wait: enough for the system to have something to send for a millisecond at 5 Gbit/s. */
const WAITING_BYTES_HIGH = 512 * 1024
const HANDSHAKE_MS_MAX = 10_000
/** One version, spoken by every release: TLS 1.3 (RFC 8446). AES-128 comes first: as good as the others, and a third faster. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'

/** One of Node's sockets, connected. */
export class NodeSocket implements Socket {
  readonly remoteAddress: string
  readonly proof: PeerProof
  readonly #socket: net.Socket
  #failure: Error | undefined
  #isCorked = false

  constructor(socket: net.Socket, proof: PeerProof) {
    this.#socket = socket
    this.proof = proof
    this.remoteAddress = socket.remoteAddress ?? ''
    socket.setNoDelay(true)
    socket.on('error', (error) => (this.#failure = error))
  }

  open(events: SocketEvents): void {
    const socket = this.#socket
    if (socket.destroyed) {
      setImmediate(() => events.closed(this.#failure))
      return
    }
    socket.on('data', (piece: Buffer) => {
      countArrived(piece.length)
      events.received(piece)
    })
    socket.on('drain', () => events.drained())
    socket.on('close', () => events.closed(this.#failure))
  }

  write(pieces: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (!socket.writable) return true
    if (!this.#isCorked) {
      this.#isCorked = true
      socket.cork()
      setImmediate(this.#uncork)
    }
    for (const piece of pieces) socket.write(piece)
    return socket.writableLength < WAITING_BYTES_HIGH
  }

  get waitingBytes(): number {
    return this.#socket.writableLength
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  readonly #uncork = (): void => {
    this.#isCorked = false
    this.#socket.uncork()
  }
}

/** Connections over TCP, with TLS 1.3 unless the security is `plain`. Certificates are judged by the authority alone, not
 *  by host names: whoever connects compares the URIs of the proof. */
export class NodeSockets implements Connector, Listeners {
  #security: SocketSecurity
  #context: tls.SecureContext | undefined
  readonly #servers = new Set<tls.Server>()

  constructor(security: SocketSecurity) {
    this.#security = security
    this.#context = contextOf(security)
  }

  /** Handshakes from now on use these; connections that are open go on as they are. Whether there is encryption can't change. */
  replaceKeys(security: SocketSecurity): void {
    this.#context = contextOf(security)
    this.#security = security
    for (const server of this.#servers) server.setSecureContext(contextOptions(security))
  }

  connect({ host, port }: SocketAddress, signal?: AbortSignal): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const socket =
      this.#context === undefined
        ? net.connect({ host, port })
        : // A server is known by the URI in its certificate, wherever it runs.
          tls.connect({ host, port, secureContext: this.#context, checkServerIdentity: () => undefined })
    const abort = (): void => void socket.destroy(signal?.reason as Error)
    const fail = (error?: Error): void => {
      signal?.removeEventListener('abort', abort)
      reject(error ?? new Error('The connection was closed in the handshake'))
    }
    socket.once('error', fail).once('close', () => fail())
    socket.once(this.#context === undefined ? 'connect' : 'secureConnect', () => {
      signal?.removeEventListener('abort', abort)
      socket.removeListener('error', fail)
      resolve(new NodeSocket(socket, proofOf(socket)))
    })
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort, { once: true })
    return promise
  }

  async listen({ host, port }: SocketAddress, options: ListenOptions): Promise<Listener> {
    const server = this.#makeServer(options)
    server.maxConnections = options.connectionsMax
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen({ host, port }, resolve)
    await promise
    server.removeListener('error', reject)
    server.on('error', (error) => options.failed(error, ''))
    const { address, port: chosen } = server.address() as net.AddressInfo
    return {
      address: { host: address, port: chosen },
      // Not awaited until the connections are gone: they may stay long.
      close: async () => {
        if (server instanceof tls.Server) this.#servers.delete(server)
        if (server.listening) server.close()
      },
    }
  }

  #makeServer({ accepted, failed }: ListenOptions): net.Server {
    if (this.#security === 'plain') return net.createServer((socket) => accepted(new NodeSocket(socket, { kind: 'plain' })))
    const server = tls.createServer({
      ...contextOptions(this.#security),
      requestCert: true,
      // Who shows no certificate may join; who shows a wrong one is told so, which an alert of TLS can't.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS_MAX,
    })
    server.on('secureConnection', (socket) => accepted(new NodeSocket(socket, proofOf(socket))))
    server.on('tlsClientError', (error, socket) => failed(error, socket.remoteAddress ?? ''))
    this.#servers.add(server)
    return server
  }
}

/** The certificates that whoever listens at `address` shows, its own first, in DER: **believed by nobody yet**. For who joins
 *  a cluster, and knows its authority by the fingerprint alone. @throws as `Connector.connect` */
export async function presentedCertificates({ host, port }: SocketAddress, signal?: AbortSignal): Promise<Buffer[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer[]>()
  const socket = tls.connect({ host, port, minVersion: 'TLSv1.3', rejectUnauthorized: false })
  const abort = (): void => void socket.destroy(signal?.reason as Error)
  socket.on('error', reject).once('close', () => reject(new Error('The connection was closed in the handshake')))
  socket.once('secureConnect', () => {
    const chain: Buffer[] = []
    for (let at = socket.getPeerX509Certificate(); at !== undefined && chain.length < 4; at = at.issuerCertificate) {
      if (chain.some((known) => known.equals(at?.raw as Buffer))) break
      chain.push(at.raw)
    }
    resolve(chain)
  })
  if (signal?.aborted === true) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  try {
    return await promise
  } finally {
    signal?.removeEventListener('abort', abort)
    socket.destroy()
  }
}

function contextOf(security: SocketSecurity): tls.SecureContext | undefined {
  return security === 'plain' ? undefined : tls.createSecureContext(contextOptions(security))
}

function contextOptions(security: SocketSecurity): tls.SecureContextOptions {
  if (security === 'plain') throw new TypeError('A plain connection has no keys')
  const { authority, pair } = security
  return {
    ca: authority,
    minVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    // The authority's certificate goes along, so that a joining node can find it by its fingerprint.
    ...(pair === undefined ? {} : { cert: `${pair.certificate}${authority}`, key: pair.key }),
  }
}

function proofOf(socket: net.Socket): PeerProof {
  if (!(socket instanceof tls.TLSSocket)) return { kind: 'plain' }
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return { kind: 'anonymous' }
  if (!socket.authorized) return { kind: 'refused', why: String(socket.authorizationError) }
  return { kind: 'proven', uris: urisOf(certificate) }
}

/** Node writes names with commas in quotes; ours have none, and a name in quotes is none of ours. */
function urisOf(certificate: X509Certificate): string[] {
  const names = (certificate.subjectAltName ?? '').split(', ')
  return names.filter((name) => name.startsWith('URI:')).map((name) => name.slice('URI:'.length))
}
