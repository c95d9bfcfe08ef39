import type { ChunkUsage } from '#chunk/store.ts'
import type { ClusterIdentity } from '#cluster/identity.ts'
import { JoinDesk } from '#cluster/join-desk.ts'
import type { TokenList } from '#cluster/token-list.ts'
import type { Config } from '#config/settings.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { NodeFacts } from '#membership/facts.ts'
import type { MemberChange, MemberView } from '#membership/member.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Datagrams } from '#platform/datagrams.ts'
import type { Random } from '#platform/random.ts'
import type { Connector, Listeners, SocketAddress, SocketKeys } from '#platform/sockets.ts'
import { PROTOCOL_VERSIONS } from '#wire/hello.ts'
import type { WireMethods } from '#wire/methods.ts'
import { WirePeers } from '#wire/peers.ts'
import { WireMetrics } from '#wire/wire-metrics.ts'
import { ClockWatch } from './clock-watch.ts'
import { GossipKeyring } from './gossip-keys.ts'
import type { KnownNodes } from './known-nodes.ts'
import { HomeLeadership } from './leadership.ts'
import type { Leadership } from './leadership.ts'
import { openNodePort } from './node-port.ts'
import type { NodePort } from './node-port.ts'
import { offeredSpace } from './offered-space.ts'

/** Connections to other nodes, with keys that can be replaced while they are used. */
export interface NodeLinks extends Connector, Listeners {
  replaceKeys(keys: SocketKeys): void
}

export interface ClusterNodeOptions {
  readonly config: Pick<Config, 'host' | 'port' | 'advertise' | 'zone' | 'role' | 'capacity'>
  readonly identity: ClusterIdentity
  readonly tokens: TokenList
  readonly known: KnownNodes
  /** Who leads, where that changes; the cluster's founder unless given. */
  readonly leadership?: Leadership | undefined
  /** Where to look for the cluster, besides where nodes were reached before. */
  readonly seeds: readonly SocketAddress[]
  /** Where others reach this node if it listens on every address. */
  readonly defaultHost: string
  /** The version of Shoal. */
  readonly software: string
  /** What a node that joins has to know. */
  bootstrap(): Promise<Buffer>
  usage(): Promise<ChunkUsage>
  readonly links: NodeLinks
  readonly datagrams: Datagrams
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
}

const HOUR_MS = 3_600_000
const RENEWAL_MS = 12 * HOUR_MS
const SPACE_MS = 30_000
const CLOCKS_MS = 30_000
/** News of the space is told when it has changed by so much of the whole: each piece of news goes to every node. */
const SPACE_STEP = 0.001
/** Others may be down at the same time, after a power cut say: the node starts without them, and goes on looking. */
const FIRST_CONTACT_MS = 3_000
const SEEDS_MAX = 32

/** This node among the others of its cluster: its door for them, who they are, and who leads. */
export class ClusterNode {
  readonly leadership: Leadership
  /** Calls other nodes. */
  readonly peers: WirePeers
  readonly desk: JoinDesk
  readonly gossipKeys: GossipKeyring
  readonly clocks: ClockWatch
  readonly #options: ClusterNodeOptions
  readonly #home: HomeLeadership
  readonly #wireMetrics: WireMetrics
  readonly #stopping = new AbortController()
  readonly #expelled = new AbortController()
  readonly #listeners = new Set<(change: MemberChange) => void>()
  readonly #tasks: Promise<void>[] = []
  #port: NodePort | undefined
  #space = { capacityBytes: 0, usedBytes: 0 }

  constructor(options: ClusterNodeOptions) {
    const { identity, known, links, clock, random, software, log, tokens } = options
    this.#options = options
    const { nodeId } = identity.name
    const at = known.find(known.home)
    const leader = at === undefined ? undefined : { nodeId: at.id, host: at.host, nodePort: at.port }
    this.#home = new HomeLeadership({ self: nodeId, home: known.home, known: leader, isRemoved: (id) => known.removed.has(id) })
    this.leadership = options.leadership ?? this.#home
    this.#wireMetrics = new WireMetrics(options.metrics)
    const name = { ...identity.name, software }
    this.peers = new WirePeers({ connector: links, clock, random, identity: name, metrics: this.#wireMetrics })
    this.gossipKeys = new GossipKeyring({
      identity,
      leadership: this.leadership,
      peers: this.peers,
      random,
      log,
      useKeys: (keys) => this.#port?.membership.useKeys(keys),
    })
    this.clocks = new ClockWatch({ self: nodeId, members: () => this.members(), peers: this.peers, clock, random, log })
    this.desk = new JoinDesk({
      identity,
      tokens,
      clock,
      random,
      log,
      seeds: () => this.#seedsForOthers(),
      isRemoved: (node) => known.removed.has(node),
      bootstrap: () => options.bootstrap(),
    })
  }

  get id(): NodeId {
    return this.#options.identity.name.nodeId
  }

  /** Whether this node made the cluster. */
  get isFounder(): boolean {
    return this.#options.known.home === this.id
  }

  /** Whether the node has all strong volumes, and nobody leads without it. */
  isHomeOfAll(id: NodeId): boolean {
    return this.leadership === this.#home && this.#options.known.home === id
  }

  /** Whether that node was removed: nobody leads any more then, for good. */
  get isHomeGone(): boolean {
    return this.leadership.isGone === true
  }

  /** Where others reach this node. @throws UNAVAILABLE before `listen` */
  get address(): SocketAddress {
    const { host, nodePort } = this.#membership.self.facts
    return { host, port: nodePort }
  }

  /** Aborted with FORBIDDEN once this node is no member of its cluster any more: it has to stop. */
  get expelled(): AbortSignal {
    return this.#expelled.signal
  }

  /** All nodes that are known, this one included; none before `listen`. */
  members(): readonly MemberView[] {
    return this.#port?.membership.members() ?? []
  }

  /** Ids that were taken away for good. */
  get removed(): ReadonlySet<NodeId> {
    return this.#options.known.removed
  }

  /** Whether gossip or the data folder tells of it. */
  knows(id: NodeId): boolean {
    return this.#port?.membership.member(id) !== undefined || this.#options.known.find(id) !== undefined
  }

  /** Calls `listener` with each change from now on, in order. @returns what ends that */
  onChange(listener: (change: MemberChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Opens the door for other nodes, with `methods` besides its own, and looks for them.
   *  @throws FORBIDDEN if this node was removed from its cluster; UNAVAILABLE if the port can't be had; INVALID_ARGUMENT */
  async listen(methods: WireMethods = {}): Promise<void> {
    const { config, identity, known, clock } = this.#options
    if (known.removed.has(this.id)) throw expelledError(this.id)
    const port = config.port === 0 ? 0 : config.port + 2
    this.#space = await this.#measureSpace()
    const seeds = this.#seeds()
    if (seeds.length > 0) await this.#refreshKeys()
    this.#port = await openNodePort({
      ...this.#options,
      identity,
      listen: { host: config.host, port },
      factsAt: (address) => this.#factsAt(address),
      methods: { ...methods, ...this.desk.methods, ...this.gossipKeys.methods, ...this.clocks.methods },
      removed: known.removed,
      peers: this.peers,
      listeners: this.#options.links,
      wireMetrics: this.#wireMetrics,
      keyRefused: () => this.#refreshKeys(),
    })
    const { self } = this.#port.membership
    this.#home.hear({ nodeId: this.id, host: self.facts.host, nodePort: self.facts.nodePort })
    this.#port.membership.onChange((change) => this.#hear(change))
    this.#tasks.push(this.#every(RENEWAL_MS, () => this.#renew()))
    this.#tasks.push(this.#every(SPACE_MS, () => this.#tellSpace()))
    this.#tasks.push(this.#every(CLOCKS_MS, () => this.clocks.compare()))
    if (seeds.length > 0) await Promise.race([this.#join(seeds), clock.sleep(FIRST_CONTACT_MS, this.#stopping.signal)])
    this.#expelled.signal.throwIfAborted()
  }

  /** Tells others where the doors are, once they are open. */
  announceDoors(ports: { readonly restPort: number; readonly s3Port: number }): void {
    this.#membership.updateFacts(ports)
  }

  /** Tells others that the disk here keeps nothing more, until the node is started again. */
  announceStorageFailure(): void {
    this.#port?.membership.updateFacts({ mode: 'storage-failed' })
  }

  /** Takes the id of a node away for good. Kept when the promise resolves; the others hear of it within a second or so.
   *  @throws TOO_LARGE, NO_SPACE, STORAGE_FAILED */
  async remove(id: NodeId): Promise<void> {
    await this.#options.known.remove(id)
    this.#membership.remove(id)
    this.#port?.server.dropRemoved()
  }

  /** Tells the others that this node goes, then takes no more calls and ends what is under way. Repeating it is harmless. */
  async stop({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopping.abort()
    const port = this.#port
    this.#port = undefined
    await port?.membership.leave()
    await port?.server.close({ graceMs })
    await port?.membership.stop()
    await this.peers.close()
    await Promise.all(this.#tasks)
  }

  get #membership(): NodePort['membership'] {
    if (this.#port === undefined) throw new ShoalError('UNAVAILABLE', 'The door for other nodes is not open')
    return this.#port.membership
  }

  #factsAt({ host, port }: SocketAddress): NodeFacts {
    const { config, software, defaultHost } = this.#options
    return {
      host: advertisedHost({ ...config, host }, defaultHost),
      nodePort: port,
      restPort: config.port,
      s3Port: config.port === 0 ? 0 : config.port + 1,
      roles: config.role,
      zone: config.zone,
      ...this.#space,
      version: software,
      protocolMin: PROTOCOL_VERSIONS.min,
      protocolMax: PROTOCOL_VERSIONS.max,
      weightPercent: 100,
      mode: 'active',
    }
  }

  /** The leader first: it is the one that is needed. */
  #seeds(): SocketAddress[] {
    const { known, seeds } = this.#options
    const others = known.nodes.toSorted((a, b) => Number(b.id === known.home) - Number(a.id === known.home))
    const all = [...others, ...seeds].map(({ host, port }) => ({ host, port }))
    return all
      .filter(({ host, port }, at) => all.findIndex((each) => each.host === host && each.port === port) === at)
      .slice(0, SEEDS_MAX)
  }

  #seedsForOthers(): SocketAddress[] {
    const running = this.members().filter(({ liveness }) => liveness === 'alive')
    return running.map(({ facts }) => ({ host: facts.host, port: facts.nodePort })).slice(0, SEEDS_MAX)
  }

  async #join(seeds: readonly SocketAddress[]): Promise<void> {
    try {
      await this.#membership.join(seeds)
    } catch (error) {
      if (isShoalError(error, 'FORBIDDEN')) this.#expelled.abort(expelledError(this.id, error))
      else this.#options.log.warn('no other node of the cluster answers yet', { error })
    }
  }

  #hear(change: MemberChange): void {
    const { member, kind } = change
    const { known, log } = this.#options
    const { host, nodePort } = member.facts
    this.#home.hear({ nodeId: member.id, host, nodePort })
    const keep = (kept: Promise<void>) =>
      void kept.catch((error: unknown) => log.error('could not keep what became of a node', { error }))
    if (kind === 'removed') {
      keep(known.remove(member.id))
      if (member.id === this.id) this.#expelled.abort(expelledError(this.id))
      else this.#port?.server.dropRemoved()
    } else if (kind === 'forgotten') keep(known.forget(member.id))
    else if (member.id !== this.id) {
      const before = known.find(member.id)
      // It may have been called in vain for long, and be needed now that another one goes.
      if (member.liveness === 'alive') this.peers.forgive(member.id)
      if (before?.host !== host || before.port !== nodePort) keep(known.put({ id: member.id, host, port: nodePort }))
    }
    for (const listener of this.#listeners) listener(change)
  }

  async #refreshKeys(): Promise<void> {
    try {
      await this.gossipKeys.refresh()
    } catch (error) {
      this.#options.log.debug('could not ask for the gossip keys', { error })
    }
  }

  async #renew(): Promise<void> {
    const { identity, links } = this.#options
    if (await identity.renewIfDue()) links.replaceKeys(identity.keys)
  }

  async #measureSpace(): Promise<{ capacityBytes: number; usedBytes: number }> {
    return offeredSpace(await this.#options.usage(), this.#options.config.capacity)
  }

  async #tellSpace(): Promise<void> {
    const before = this.#space
    const now = await this.#measureSpace()
    const isSame =
      now.capacityBytes === before.capacityBytes &&
      Math.abs(now.usedBytes - before.usedBytes) <= SPACE_STEP * before.capacityBytes
    if (isSame) return
    this.#space = now
    this.#port?.membership.updateFacts(now)
  }

  /** A failure is told, and the next time comes. */
  async #every(intervalMs: number, task: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options
    for (;;) {
      try {
        await clock.sleep(intervalMs, this.#stopping.signal)
      } catch {
        return
      }
      await task().catch((error: unknown) => log.error('a task of the cluster failed', { error }))
    }
  }
}

/** What others call a node by that listens on `host`. */
export function advertisedHost({ advertise, host }: Pick<Config, 'advertise' | 'host'>, defaultHost: string): string {
  const isEverywhere = host === '0.0.0.0' || host === '::'
  return advertise ?? (isEverywhere ? defaultHost : host)
}

function expelledError(id: NodeId, cause?: unknown): ShoalError {
  return new ShoalError(
    'FORBIDDEN',
    `This node (${id}) was removed from its cluster, and its id does not come back. To add this machine again, start it with another data folder and a new join token`,
    { cause },
  )
}
