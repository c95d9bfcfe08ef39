import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import { systemErrorCode } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'
import { isProofError } from '#platform/sockets.ts'
import type { Connector, Socket, SocketAddress } from '#platform/sockets.ts'
import { CallerConnection } from './caller-connection.ts'
import type { CreditPool } from './credit-pool.ts'
import type { WireLimits } from './limits.ts'
import type { Hello } from './messages.ts'

/** After the first failure; doubled by each further one. A restart takes about 2 s. */
const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 5_000

export interface PeerAddress extends SocketAddress {
  /** Who must be there; without it, whoever is there and belongs to the cluster. */
  readonly nodeId?: NodeId
}

export interface PeerConnectionsOptions {
  readonly connector: Connector
  readonly clock: Clock
  readonly random: Random
  readonly hello: Hello
  readonly limits: WireLimits
  readonly pool: CreditPool
}

/** The connections to one peer: made when they are needed, a few at most, closed when they were idle for long. After a failure
 *  none is tried before a backoff is over: who asks meanwhile is told at once what went wrong. */
export class PeerConnections {
  readonly #peer: PeerAddress
  readonly #options: PeerConnectionsOptions
  readonly #connections = new Set<CallerConnection>()
  readonly #ended = new AbortController()
  #dialling: Promise<CallerConnection> | undefined
  #waiting = 0
  #failures = 0
  #failure: { readonly error: ShoalError; readonly untilMs: number } | undefined

  constructor(peer: PeerAddress, options: PeerConnectionsOptions) {
    this.#peer = peer
    this.#options = options
  }

  get callsUnderWay(): number {
    let count = this.#waiting
    for (const connection of this.#connections) count += connection.callsUnderWay
    return count
  }

  /** The connection for one more call. @throws UNAVAILABLE, UNAUTHENTICATED, UNSUPPORTED, TIMEOUT, CANCELLED, BUSY */
  async acquire(untilMs: number, signal: AbortSignal | undefined): Promise<CallerConnection> {
    const { callsPerConnection, callsBeforeAnother, connectionsPerPeer } = this.#options.limits
    const best = this.#leastLoaded()
    if (best !== undefined && best.callsUnderWay < callsBeforeAnother) return best
    const mayDial = this.#connections.size < connectionsPerPeer && !this.#isBackingOff()
    if (mayDial && this.#dialling === undefined) this.#dial()
    if (best !== undefined && best.callsUnderWay < callsPerConnection) return best
    if (this.#dialling === undefined) throw this.#failureNow() ?? this.#busy()
    if (this.#waiting >= callsPerConnection) throw this.#busy()
    return this.#await(this.#dialling, untilMs, signal)
  }

  /** The peer is said to be there again: the next call tries, however often others have failed. */
  forgive(): void {
    this.#failures = 0
    this.#failure = undefined
  }

  /** Calls under way fail with UNAVAILABLE. */
  async close(): Promise<void> {
    this.#ended.abort(new ShoalError('UNAVAILABLE', 'This node is stopping'))
    const closed = [...this.#connections].map((connection) => connection.closed)
    for (const connection of this.#connections) connection.destroy()
    await Promise.allSettled([...closed, this.#dialling])
  }

  #leastLoaded(): CallerConnection | undefined {
    let best: CallerConnection | undefined
    for (const connection of this.#connections) {
      if (!connection.isUsable) continue
      if (best === undefined || connection.callsUnderWay < best.callsUnderWay) best = connection
    }
    return best
  }

  #isBackingOff(): boolean {
    return this.#failure !== undefined && this.#options.clock.monotonicMs() < this.#failure.untilMs
  }

  #failureNow(): ShoalError | undefined {
    return this.#isBackingOff() ? this.#failure?.error : undefined
  }

  #busy(): ShoalError {
    return new ShoalError('BUSY', `Too many calls to node ${nameOf(this.#peer)} are under way`)
  }

  #dial(): void {
    const dialling = this.#connect()
    this.#dialling = dialling
    dialling.then(
      (connection) => {
        this.#dialling = undefined
        this.#failures = 0
        this.#failure = undefined
        this.#keep(connection)
      },
      (error: ShoalError) => {
        this.#dialling = undefined
        this.#backOff(error)
      },
    )
  }

  #backOff(error: ShoalError): void {
    const { clock, random } = this.#options
    const delayMs = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(this.#failures, 10))
    this.#failures += 1
    this.#failure = { error, untilMs: clock.monotonicMs() + delayMs * (0.5 + random.fraction()) }
  }

  async #connect(): Promise<CallerConnection> {
    const { connector, clock, hello, limits, pool } = this.#options
    const late = new AbortController()
    const done = new AbortController()
    clock.sleep(limits.handshakeMs, done.signal).then(
      () => late.abort(new ShoalError('TIMEOUT', `no connection within ${limits.handshakeMs} ms`)),
      () => undefined,
    )
    try {
      const signal = AbortSignal.any([late.signal, this.#ended.signal])
      const socket: Socket = await connector.connect(this.#peer, signal)
      signal.addEventListener('abort', () => socket.destroy(), { once: true, signal: done.signal })
      return await CallerConnection.open({ socket, clock, limits, hello, pool, expected: this.#peer.nodeId })
    } catch (cause) {
      throw connectError(cause, this.#peer)
    } finally {
      done.abort()
    }
  }

  #keep(connection: CallerConnection): void {
    if (this.#ended.signal.aborted) return connection.destroy()
    this.#connections.add(connection)
    void connection.closed.then(() => this.#connections.delete(connection))
    void this.#retireWhenIdle(connection)
  }

  async #retireWhenIdle(connection: CallerConnection): Promise<void> {
    const { clock, limits } = this.#options
    const gone = new AbortController()
    void connection.closed.then(() => gone.abort())
    try {
      for (let callsBefore = -1; connection.callsUnderWay > 0 || callsBefore !== connection.callsMade;) {
        callsBefore = connection.callsMade
        await clock.sleep(limits.idleMs, gone.signal)
      }
      connection.retire()
    } catch {
      // The connection has ended.
    }
  }

  /** The connection that is being made, as long as the caller can wait. */
  async #await(dialling: Promise<CallerConnection>, untilMs: number, signal: AbortSignal | undefined): Promise<CallerConnection> {
    const { clock } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<CallerConnection>()
    const done = new AbortController()
    const onAbort = (): void => reject(new ShoalError('CANCELLED', 'The call was cancelled'))
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    clock.sleep(Math.max(0, untilMs - clock.monotonicMs()), done.signal).then(
      () => reject(new ShoalError('TIMEOUT', `Node ${nameOf(this.#peer)} was not reached in time`)),
      () => undefined,
    )
    dialling.then(resolve, reject)
    this.#waiting += 1
    try {
      return await promise
    } finally {
      this.#waiting -= 1
      done.abort()
      signal?.removeEventListener('abort', onAbort)
    }
  }
}

function nameOf({ nodeId, host, port }: PeerAddress): string {
  return nodeId === undefined ? `at ${host}:${port}` : `${nodeId} at ${host}:${port}`
}

function connectError(cause: unknown, peer: PeerAddress): ShoalError {
  const code = systemErrorCode(cause)
  if (isProofError(code))
    return new ShoalError(
      'UNAUTHENTICATED',
      `The node at ${peer.host}:${peer.port} is refused: the authority of this cluster does not vouch for its certificate (${code}). It belongs to another cluster, or to none`,
      { cause },
    )
  const isOwn = isShoalError(cause)
  const why = isOwn || code === undefined ? (cause as Error).message : code
  const kept = isOwn && cause.code !== 'TIMEOUT' && cause.code !== 'INVALID_ARGUMENT' ? cause.code : 'UNAVAILABLE'
  return new ShoalError(kept, `Cannot reach node ${nameOf(peer)}: ${why}`, {
    cause,
    ...(isOwn ? { details: cause.details } : {}),
  })
}
