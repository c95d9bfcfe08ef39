import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { Connector } from '#platform/sockets.ts'
import type { BodySource } from './body-sender.ts'
import type { CallerConnection, WireReply } from './caller-connection.ts'
import { CreditPool } from './credit-pool.ts'
import { DELAY_MS_MAX } from './deadlines.ts'
import { PROTOCOL_VERSIONS } from './hello.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import type { WireLimits } from './limits.ts'
import type { WireHeader } from './messages.ts'
import { PeerConnections } from './peer-connections.ts'
import type { PeerAddress } from './peer-connections.ts'
import type { WireIdentity } from './server.ts'
import type { WireMetrics } from './wire-metrics.ts'

/** Tries of a call that may be repeated: a restarting peer is asked again for about 0.4 s, then the caller has other replicas. */
const TRIES_MAX = 4
const FIRST_DELAY_MS = 50
const LONGEST_DELAY_MS = 2_000
/** Peers that connections are kept for; the one that was not called for longest goes first. */
const PEERS_MAX = 1_024

export interface WirePeersOptions {
  readonly connector: Connector
  readonly clock: Clock
  readonly random: Random
  readonly identity: WireIdentity
  readonly limits?: Partial<WireLimits>
  readonly metrics?: WireMetrics | undefined
}

export interface PeerCallOptions {
  readonly header?: WireHeader
  /** A function or an array can be sent again, anything else once. */
  readonly body?: (() => BodySource) | BodySource
  /** For everything: connecting, further tries, the body of the answer. 30 s unless given. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
  /** Doing it twice is as good as once: then it's tried again after an error whose retry class is `after-delay`. */
  readonly isIdempotent?: boolean
  /** A try's request goes out: a failure before the first of these means that the peer has seen nothing. */
  readonly onSend?: () => void
}

/** Calls other nodes, over connections that it makes, keeps and closes itself. A peer that can't be reached is not tried again
 *  before its backoff is over: until then calls to it fail at once.
 *
 *  @throws what the handler threw, intact; UNAVAILABLE if the node can't be reached, or the connection is lost; UNAUTHENTICATED,
 *  UNSUPPORTED if one refuses the other; TIMEOUT, CANCELLED; BUSY when too many calls are under way. `other-replica` errors are the caller's. */
export class WirePeers {
  readonly #options: WirePeersOptions
  readonly #limits: WireLimits
  readonly #pool: CreditPool
  readonly #connector: Connector
  /** By address and node; the latest called is the last. */
  readonly #peers = new Map<string, PeerConnections>()
  #isClosed = false

  constructor(options: WirePeersOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#pool = new CreditPool(this.#limits.windowPoolBytes)
    this.#connector = options.metrics?.connector(options.connector) ?? options.connector
  }

  call(peer: PeerAddress, method: string, options: PeerCallOptions = {}): Promise<WireReply> {
    const { metrics } = this.#options
    return metrics === undefined
      ? this.#call(peer, method, options)
      : metrics.call(method, () => this.#call(peer, method, options))
  }

  async #call(peer: PeerAddress, method: string, options: PeerCallOptions): Promise<WireReply> {
    const { clock } = this.#options
    const { body, signal, isIdempotent = false, deadlineMs = this.#limits.deadlineMs } = options
    const untilMs = clock.monotonicMs() + Math.min(deadlineMs, DELAY_MS_MAX)
    const mayRepeat = isIdempotent && (body === undefined || typeof body === 'function' || Array.isArray(body))
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#tryOnce(peer, method, options, untilMs)
      } catch (error) {
        const isFinal = !mayRepeat || tries >= TRIES_MAX || !isShoalError(error) || error.retry !== 'after-delay'
        const delayMs = this.#delayMs(tries)
        if (isFinal || clock.monotonicMs() + delayMs >= untilMs) throw error
        await clock.sleep(delayMs, signal)
      }
    }
  }

  /** Ends the backoff of a node that is known to be there again. */
  forgive(node: NodeId): void {
    for (const [key, connections] of this.#peers) if (key.startsWith(`${node}@`)) connections.forgive()
  }

  /** Fails what is under way with UNAVAILABLE, and closes all connections. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#peers.values()].map((connections) => connections.close()))
    this.#peers.clear()
  }

  async #tryOnce(peer: PeerAddress, method: string, options: PeerCallOptions, untilMs: number): Promise<WireReply> {
    const { header, body, signal, onSend } = options
    if (this.#isClosed) throw new ShoalError('UNAVAILABLE', 'This node is stopping')
    const connection: CallerConnection = await this.#connectionsOf(peer).acquire(untilMs, signal)
    return connection.call(method, {
      ...(header === undefined ? {} : { header }),
      body: typeof body === 'function' ? body() : body,
      deadlineMs: Math.max(0, untilMs - this.#options.clock.monotonicMs()),
      signal,
      onSend,
    })
  }

  #connectionsOf(peer: PeerAddress): PeerConnections {
    const key = `${peer.nodeId ?? ''}@${peer.host}:${peer.port}`
    const known = this.#peers.get(key)
    if (known !== undefined) {
      this.#peers.delete(key)
      this.#peers.set(key, known)
      return known
    }
    this.#makeRoom()
    const { identity, clock, random } = this.#options
    const connector = this.#connector
    const hello = { versions: PROTOCOL_VERSIONS, ...identity }
    const made = new PeerConnections(peer, { connector, clock, random, hello, limits: this.#limits, pool: this.#pool })
    this.#peers.set(key, made)
    return made
  }

  #makeRoom(): void {
    if (this.#peers.size < PEERS_MAX) return
    for (const [key, connections] of this.#peers) {
      if (connections.callsUnderWay > 0) continue
      this.#peers.delete(key)
      void connections.close()
      return
    }
    throw new ShoalError('BUSY', `Calls to ${PEERS_MAX} nodes are under way already`)
  }

  /** Exponential backoff with jitter, so that those who failed together don't come back together. */
  #delayMs(tries: number): number {
    return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (tries - 1)) * (0.5 + this.#options.random.fraction())
  }
}
