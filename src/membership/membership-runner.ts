import { InvariantError } from '#foundation/assert.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Address, Datagrams, DatagramSocket } from '#platform/datagrams.ts'
import type { Random } from '#platform/random.ts'
import { EXCHANGE_BYTES_MAX, REMOVED_MAX, senderOf } from './exchange.ts'
import type { NodeFacts } from './facts.ts'
import { type GossipKeys, GossipSeal, type SealedKind } from './gossip-seal.ts'
import type { MemberChange, MemberView } from './member.ts'
import type { MembershipAction, MembershipEvent } from './membership-event.ts'
import { Membership } from './membership.ts'
import { MembershipMetrics } from './membership-metrics.ts'
import { PACKET_BYTES_MAX } from './message.ts'
import type { Timing } from './timing.ts'

export interface MembershipRunnerOptions {
  readonly id: NodeId
  /** 32 hexadecimal characters, drawn when the cluster was founded. */
  readonly clusterId: string
  readonly keys: GossipKeys
  readonly facts: NodeFacts
  /** The time of the start unless told otherwise; see `MembershipOptions`. */
  readonly incarnation?: number
  readonly removed?: Iterable<NodeId>
  readonly timing?: Partial<Timing>
  /** Where to receive datagrams; its port is what the others know as `nodePort`. */
  readonly listen: Address
  /** Carries `bytes` to a node over TCP, where `answerExchange` takes them, and brings its answer. It fails with the
   *  error that the other side threw. */
  readonly exchange: (to: Address, bytes: Buffer, signal: AbortSignal) => Promise<Buffer>
  readonly datagrams: Datagrams
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
}

/** An exchange is half a megabyte at most; a peer that takes longer is of no use now. */
const EXCHANGE_MS_MAX = 10_000
/** Those that the protocol begins by itself, at a time. */
const EXCHANGES_MAX = 4
const SEEDS_MAX = 32
/** Some ten rounds of gossip: after that everybody has heard, or will find out by itself. */
const LEAVE_MS_MAX = 2000
const LEAVE_STEP_MS = 50
/** How often the log tells of what may happen with each packet. */
const WARN_EVERY_MS = 60_000

/** Runs one node's `Membership` on a socket and a clock. */
export class MembershipRunner {
  readonly #options: MembershipRunnerOptions
  readonly #core: Membership
  readonly #seal: GossipSeal
  readonly #metrics: MembershipMetrics
  readonly #log: Log
  readonly #listeners = new Set<(change: MemberChange) => void>()
  readonly #stop = new AbortController()
  readonly #warnedMs = new Map<string, number>()
  readonly #exchanges = new Set<Promise<void>>()
  #socket: DatagramSocket | undefined
  #running: Promise<void> = Promise.resolve()
  #wake = new AbortController()
  #wakeAtMs = Number.POSITIVE_INFINITY

  /** Binds the socket and begins, as a cluster of one. @throws UNAVAILABLE if the address can't be had, INVALID_ARGUMENT */
  static async start(options: MembershipRunnerOptions): Promise<MembershipRunner> {
    const runner = new MembershipRunner(options)
    runner.#socket = await options.datagrams.bind(options.listen, {
      onDatagram: (bytes, from) => runner.#receive(bytes, from),
      onError: (error) => runner.#warn('gossip could not be sent', { error }),
    })
    runner.#running = runner.#run()
    return runner
  }

  private constructor(options: MembershipRunnerOptions) {
    const { clusterId, keys, random, clock, log, metrics } = options
    this.#options = options
    this.#seal = new GossipSeal({ clusterId, keys, random })
    const { id, facts, incarnation = clock.nowMs(), removed = [], timing = {} } = options
    this.#core = new Membership({ id, facts, incarnation, removed, timing, random, nowMs: clock.monotonicMs() })
    this.#metrics = new MembershipMetrics(metrics, this.#core)
    this.#log = log
  }

  get self(): MemberView {
    return this.#core.self
  }

  /** All nodes that are known, this one included; the dead and those that left too, while they are remembered. */
  members(): MemberView[] {
    return this.#core.members()
  }

  member(id: NodeId): MemberView | undefined {
    return this.#core.member(id)
  }

  /** Ids that were taken away, those that the cluster told of included. */
  get removed(): ReadonlySet<NodeId> {
    return this.#core.removed
  }

  /** Exchanges states with all of `seeds`, other nodes' addresses. Also if nobody answers, they are remembered and asked
   *  again every few seconds as long as this node is alone.
   *  @returns how many answered, at least one
   *  @throws FORBIDDEN of another cluster, or if this node was removed from it; UNAUTHENTICATED with another gossip key;
   *    UNAVAILABLE if nobody answered; INVALID_ARGUMENT */
  async join(seeds: readonly Address[]): Promise<number> {
    if (seeds.length === 0 || seeds.length > SEEDS_MAX)
      throw new ShoalError('INVALID_ARGUMENT', `1 to ${SEEDS_MAX} addresses of nodes are expected to join, not ${seeds.length}`)
    this.#step({ kind: 'seeds', seeds })
    const results = await Promise.allSettled(seeds.map((seed) => this.#exchange(seed, this.#core.exchangeBytes())))
    const answered = results.filter(({ status }) => status === 'fulfilled').length
    if (answered > 0) return answered
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    const refusal = errors.find((error) => isShoalError(error, 'FORBIDDEN') || isShoalError(error, 'UNAUTHENTICATED'))
    if (refusal !== undefined) throw refusal
    const names = seeds.map(({ host, port }) => `${host}:${port}`).join(', ')
    throw new ShoalError('UNAVAILABLE', `No node of the cluster answered at ${names}`, { cause: errors[0] })
  }

  /** What another node's `exchange` brought. @throws FORBIDDEN, UNAUTHENTICATED, UNSUPPORTED, UNAVAILABLE, INVALID_ARGUMENT:
   *  the answer to that node */
  answerExchange(sealed: Buffer): Buffer {
    const bytes = this.#open('exchange', sealed)
    for (const action of this.#step({ kind: 'exchange-asked', bytes })) {
      if (action.kind === 'answer') return this.#seal.seal('answer', action.bytes)
      if (action.kind === 'refuse') throw action.error
    }
    throw new ShoalError('INTERNAL', 'An exchange was neither answered nor refused')
  }

  /** Facts that change often, such as the bytes in use, are best told once in some seconds. @throws INVALID_ARGUMENT */
  updateFacts(changes: Partial<NodeFacts>): void {
    this.#step({ kind: 'facts', changes })
  }

  /** The cluster has taken an id away: its node, if it still runs, is told so, and is refused from now on. The caller
   *  keeps the list. @throws TOO_LARGE past 4,096 such ids */
  remove(id: NodeId): void {
    this.#step({ kind: 'remove', id })
    if (!this.#core.removed.has(id))
      throw new ShoalError('TOO_LARGE', `The id ${id} can't be taken away: ${REMOVED_MAX} removed ids are kept already`)
  }

  /** Exchanges the keys; see docs/formats/gossip.md for the order in a cluster. @throws INVALID_ARGUMENT */
  useKeys(keys: GossipKeys): void {
    this.#seal.useKeys(keys)
  }

  /** Calls `listener` with each change from now on, in order. @returns what ends that */
  onChange(listener: (change: MemberChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Tells the others that this node goes on purpose, so that nobody suspects it. Resolves when they were told, or after
   *  two seconds. Then `stop`. */
  async leave(): Promise<void> {
    this.#step({ kind: 'leave' })
    const { clock } = this.#options
    const endMs = clock.monotonicMs() + LEAVE_MS_MAX
    while (this.#core.pendingNews > 0 && this.#core.running > 1 && clock.monotonicMs() < endMs) await clock.sleep(LEAVE_STEP_MS)
  }

  /** Ends at once, without telling anybody; repeating it is harmless. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#wake.abort()
    await this.#running
    await Promise.all(this.#exchanges)
    await this.#socket?.close()
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController()
      this.#wakeAtMs = this.#core.nextStepMs
      try {
        await clock.sleep(Math.max(0, this.#wakeAtMs - clock.monotonicMs()), this.#wake.signal)
      } catch (error) {
        if (isShoalError(error, 'CANCELLED')) continue
        throw error
      }
      if (clock.monotonicMs() >= this.#wakeAtMs) this.#step({ kind: 'tick' })
    }
  }

  #step(event: MembershipEvent): MembershipAction[] {
    const actions = this.#core.step(event, this.#options.clock.monotonicMs())
    this.#metrics.collect()
    for (const action of actions) this.#act(action)
    if (this.#core.nextStepMs < this.#wakeAtMs) this.#wake.abort()
    return actions
  }

  #act(action: MembershipAction): void {
    switch (action.kind) {
      case 'send': {
        const sealed = this.#seal.seal('packet', action.bytes)
        this.#metrics.packet('out', sealed.length)
        this.#socket?.send(sealed, action.to)
        return
      }
      case 'exchange':
        this.#exchangeAside(action.to, action.bytes)
        return
      case 'change':
        this.#tell(action.change)
        return
      case 'twin':
        this.#warn('another node goes by this node’s id: was its data folder copied?', { at: action.facts.host })
        return
      case 'answer':
      case 'refuse':
    }
  }

  #tell(change: MemberChange): void {
    const { id, state, facts } = change.member
    const fields = { change: change.kind, member: id, host: facts.host, state }
    if (change.kind === 'updated') this.#log.debug('a node changed', fields)
    else this.#log.info('a node changed', fields)
    for (const listener of this.#listeners) listener(change)
  }

  #receive(sealed: Buffer, from: Address): void {
    if (this.#stop.signal.aborted) return
    this.#metrics.packet('in', sealed.length)
    if (sealed.length > PACKET_BYTES_MAX) {
      this.#metrics.refuse('too-long')
      return
    }
    const opened = this.#seal.open('packet', sealed)
    if ('bytes' in opened) {
      this.#step({ kind: 'packet', from, bytes: opened.bytes })
      return
    }
    this.#metrics.refuse(opened.refusal)
    this.#warn('gossip was refused', { reason: opened.refusal, why: opened.error.message, from: from.host })
  }

  #open(kind: SealedKind, sealed: Buffer): Buffer {
    if (sealed.length > EXCHANGE_BYTES_MAX) {
      this.#metrics.refuse('too-long')
      throw new ShoalError('INVALID_ARGUMENT', `The state of a node has ${sealed.length} bytes, more than ${EXCHANGE_BYTES_MAX}`)
    }
    const opened = this.#seal.open(kind, sealed)
    if ('bytes' in opened) return opened.bytes
    this.#metrics.refuse(opened.refusal)
    throw opened.error
  }

  /** What fails is tried again with another node, at the next interval. */
  #exchangeAside(to: Address, bytes: Buffer): void {
    if (this.#exchanges.size >= EXCHANGES_MAX) {
      this.#metrics.refuse('busy')
      return
    }
    const exchange = this.#exchange(to, bytes)
      .catch((error: unknown) => {
        if (error instanceof InvariantError) throw error
        this.#log.debug('an exchange of states failed', { host: to.host, error })
      })
      .finally(() => this.#exchanges.delete(exchange))
    this.#exchanges.add(exchange)
  }

  async #exchange(to: Address, bytes: Buffer): Promise<void> {
    const done = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, done.signal])
    const { clock, exchange } = this.#options
    clock.sleep(EXCHANGE_MS_MAX, signal).then(
      () => done.abort(),
      () => {},
    )
    try {
      const answer = await exchange(to, this.#seal.seal('exchange', bytes), signal)
      const answerBytes = this.#open('answer', answer)
      // All nodes may be given the same list of seeds.
      if (senderOf(answerBytes) === this.#core.self.id)
        throw new ShoalError('UNAVAILABLE', `The address ${to.host}:${to.port} is this node's own`)
      this.#step({ kind: 'exchange-answered', bytes: answerBytes })
    } finally {
      done.abort()
    }
  }

  #warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    const nowMs = this.#options.clock.monotonicMs()
    const lastMs = this.#warnedMs.get(message)
    if (lastMs !== undefined && nowMs - lastMs < WARN_EVERY_MS) return
    this.#warnedMs.set(message, nowMs)
    this.#log.warn(message, fields)
  }
}
