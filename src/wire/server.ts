import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Log, LogFields } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { systemErrorCode } from '#platform/files.ts'
import type { Listener, Listeners, Socket, SocketAddress } from '#platform/sockets.ts'
import { CreditPool } from './credit-pool.ts'
import { PROTOCOL_VERSIONS } from './hello.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import type { WireLimits } from './limits.ts'
import type { Hello } from './messages.ts'
import type { WireMethods } from './methods.ts'
import { RareWarnings } from './rare-warnings.ts'
import { ServerConnection } from './server-connection.ts'
import type { WireMetrics } from './wire-metrics.ts'

/** Who this node is, to other nodes. */
export type WireIdentity = Omit<Hello, 'versions'> & Partial<Pick<Hello, 'versions'>>

export interface WireServerOptions {
  readonly listeners: Listeners
  readonly clock: Clock
  readonly log: Log
  readonly identity: WireIdentity
  readonly methods: WireMethods
  /** Whether a node was removed from the cluster: its certificate may be good for another year, and lets it in no more. */
  isRemoved?(node: NodeId): boolean
  readonly limits?: Partial<WireLimits>
  readonly metrics?: WireMetrics | undefined
}

/** Answers the calls of other nodes. */
export class WireServer {
  readonly #options: WireServerOptions
  readonly #limits: WireLimits
  readonly #pool: CreditPool
  readonly #warnings: RareWarnings
  readonly #connections = new Set<ServerConnection>()
  #listener: Listener | undefined
  #callsUnderWay = 0
  #isClosing = false
  #idle: (() => void) | undefined

  private constructor(options: WireServerOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#warnings = new RareWarnings(options)
    this.#pool = new CreditPool(this.#limits.windowPoolBytes)
  }

  /** @throws the system's error if it can't listen there */
  static async listen(address: SocketAddress, options: WireServerOptions): Promise<WireServer> {
    const { metrics } = options
    const server = new WireServer(metrics === undefined ? options : { ...options, methods: metrics.methods(options.methods) })
    const warnings = server.#warnings
    const quiet = { warn: (message: string, fields: LogFields) => options.log.debug(message, fields) }
    const listeners = metrics?.listeners(options.listeners) ?? options.listeners
    server.#listener = await listeners.listen(address, {
      connectionsMax: server.#limits.connectionsMax,
      accepted: (socket) => server.#accept(socket),
      // Whoever looks at the certificate before it joins hangs up then, as does what only tries the port.
      failed: (cause, remoteAddress) =>
        (systemErrorCode(cause) === 'ECONNRESET' ? quiet : warnings).warn('a connection of another node failed', {
          why: cause.message,
          address: remoteAddress,
        }),
    })
    return server
  }

  get address(): SocketAddress {
    return (this.#listener as Listener).address
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Closes the connections of nodes that were removed since they connected. */
  dropRemoved(): void {
    for (const connection of this.#connections) connection.check()
  }

  /** Takes no further calls and tells the callers so, gives those under way `graceMs`, then closes all connections. */
  async close({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#isClosing = true
    await this.#listener?.close()
    for (const connection of this.#connections) connection.leave()
    if (this.#connections.size === 0) return
    const abort = new AbortController()
    const gone = new Promise<void>((resolve) => (this.#idle = resolve)).then(() => abort.abort())
    await Promise.race([gone, this.#options.clock.sleep(graceMs, abort.signal).catch(() => undefined)])
    for (const connection of this.#connections) connection.destroy()
    await gone
  }

  #accept(socket: Socket): void {
    // It was in its handshake when the server closed.
    if (this.#isClosing) return socket.destroy()
    const { clock, log, methods, identity } = this.#options
    const connection: ServerConnection = new ServerConnection({
      socket,
      clock,
      log,
      warnings: this.#warnings,
      methods,
      limits: this.#limits,
      pool: this.#pool,
      hello: { versions: PROTOCOL_VERSIONS, ...identity },
      refusalOf: (node) =>
        this.#options.isRemoved?.(node) === true
          ? new ShoalError('FORBIDDEN', `Node ${node} was removed from the cluster`, { details: { nodeId: node } })
          : undefined,
      begin: () => {
        if (this.#callsUnderWay >= this.#limits.callsMax) return false
        this.#callsUnderWay += 1
        return true
      },
      ended: () => (this.#callsUnderWay -= 1),
      closed: () => {
        this.#connections.delete(connection)
        if (this.#connections.size === 0) this.#idle?.()
      },
    })
    this.#connections.add(connection)
  }
}
