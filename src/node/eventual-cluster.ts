import type { Config } from '#config/settings.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { usedChunks } from '#eventual/chunk-uses.ts'
import { EventualNode } from '#eventual/eventual-node.ts'
import type { EventualTiming } from '#eventual/eventual-node.ts'
import { CLUSTER_KEY, EVENTUAL_ROWS } from '#eventual/keys.ts'
import type { Peers } from '#eventual/message.ts'
import { readStatus } from '#eventual/status.ts'
import { Replica } from '#eventual/replica.ts'
import { EventualVolumes as Definitions } from '#eventual/volumes.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import type { StatusDocument } from '#gateway/rest/schemas.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import { Pins } from '#volume/pins.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { ClusterNode } from './cluster-node.ts'
import { eventualMethods, WireEventualPeers } from './eventual-peers.ts'
import type { Storage } from './open-storage.ts'
import { repeat } from './repeat.ts'
import { sendSmallChunks, type SmallChunk, smallChunkMethods } from './small-chunk-calls.ts'
import { withForget } from './wrapped-stores.ts'

export interface EventualClusterOptions {
  readonly storage: Pick<Storage, 'eventualKv' | 'chunks'> & { readonly folder: { readonly clusterId: string } }
  readonly cluster: Pick<ClusterNode, 'id' | 'isFounder' | 'peers' | 'members' | 'removed'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  readonly config: Pick<Config, 'fanout'>
  /** What messages to other nodes pass through. */
  readonly throughPeers?: ((peers: Peers) => Peers) | undefined
  readonly figures?: EventualFigures | undefined
}

export interface EventualFigures {
  readonly timing?: Partial<EventualTiming>
  readonly floorStepMs?: number
}

/** How often a node that has spoken with nobody yet tries to, and the members are looked at for those that were removed. */
const ADMISSION_MS = 250
/** The door opens without it then. */
const FIRST_CONTACT_MS = 3_000
const REMOVALS_MS = 5_000
/** Some hundreds of entries a second are exchanged then, with all others together; rumours tell ten times 128 a second. */
const GIVE_WAY_MS = 100
const STATUS_MS = 10_000
const ROWS_PER_STEP = 1_000

/** This node's part in the eventual volumes of its cluster. */
export class EventualCluster {
  readonly replica: Replica
  readonly definitions: Definitions
  readonly peers: Peers
  /** What other nodes call. */
  readonly methods: WireMethods
  /** This node's chunks. */
  readonly ownChunks: ChunkStore
  /** The same, without a way to lose those that versions here have. */
  readonly chunks: ChunkStore
  readonly node: EventualNode
  /** Chunks that are being written here for eventual volumes. */
  readonly pins: Pins
  readonly #options: EventualClusterOptions
  readonly #stopping = new AbortController()
  #tasks: Promise<void>[] = []
  #seen: Pick<NonNullable<StatusDocument['eventual']>, 'conflicts' | 'removals' | 'oldestDifferenceSeconds'> = {
    conflicts: 0,
    removals: 0,
  }

  private constructor(replica: Replica, pins: Pins, options: EventualClusterOptions) {
    const { storage, cluster, clock, random } = options
    const log = options.log.child({ part: 'eventual' })
    this.replica = replica
    this.pins = pins
    this.#options = { ...options, log }
    this.definitions = new Definitions(replica)
    const wired = new WireEventualPeers({
      self: cluster.id,
      wire: cluster.peers,
      members: () => cluster.members(),
      removed: cluster.removed,
    })
    this.peers = options.throughPeers?.(wired) ?? wired
    const timing = { fanOut: options.config.fanout, giveWayMs: GIVE_WAY_MS, ...options.figures?.timing }
    this.node = new EventualNode({ replica, peers: this.peers, clock, random, log, timing })
    this.methods = { ...eventualMethods(this.node), ...smallChunkMethods(storage.chunks) }
    this.#measure(options.metrics)
    this.ownChunks = storage.chunks
    this.chunks = withForget(storage.chunks, (id) => this.isUsed(id))
  }

  static async open(options: EventualClusterOptions): Promise<EventualCluster> {
    const { storage, cluster, clock, figures } = options
    const store = storage.eventualKv
    await dropRowsOfOthers(store, storage.folder.clusterId)
    const pins = new Pins()
    const isPinned = (chunk: ChunkId) => pins.has(chunk)
    const { isFounder } = cluster
    const { floorStepMs } = figures ?? {}
    const replica = await Replica.open({ node: cluster.id, store, clock, isFounder, isPinned, floorStepMs })
    return new EventualCluster(replica, pins, options)
  }

  async isUsed(id: ChunkId): Promise<boolean> {
    return (await this.referenced([id])).has(id)
  }

  /** Which of the chunks versions here have, with the classes of their volumes; or are about to have, without. */
  async referenced(ids: readonly ChunkId[]): Promise<ReadonlyMap<ChunkId, readonly string[]>> {
    const pinned = ids.filter((id) => this.pins.has(id)).map((id) => [id, []] as const)
    return new Map<ChunkId, readonly string[]>([...pinned, ...(await usedChunks(this.replica, ids))])
  }

  /** Hands chunks to another node in one call. @returns for each whether it is durable there @throws what `sendSmallChunks` throws */
  async sendSmallChunks(node: NodeId, chunks: readonly SmallChunk[], signal: AbortSignal): Promise<readonly boolean[]> {
    const { cluster } = this.#options
    const facts = cluster.members().find(({ id }) => id === node)?.facts
    if (facts === undefined) throw new ShoalError('UNAVAILABLE', `Node ${node} is not known here`)
    return sendSmallChunks(cluster.peers, { host: facts.host, port: facts.nodePort, nodeId: node }, { chunks, signal })
  }

  /** How far apart this node and the others may be. */
  async status(): Promise<NonNullable<StatusDocument['eventual']>> {
    const { clock } = this.#options
    const { members, rumours, conflicts, removals, caughtUpToMs } = await readStatus(this.replica)
    const oldestMs = Math.min(clock.nowMs(), ...caughtUpToMs.values())
    return {
      volumes: (await this.definitions.list()).length,
      members: members.length,
      rumours,
      conflicts,
      removals,
      ...(oldestMs === 0 ? {} : { oldestDifferenceSeconds: Math.max(0, clock.nowMs() - oldestMs) / 1_000 }),
      lastExchanges: Object.fromEntries(
        this.#lastExchanges().map(([id, atMs]) => [id, formatTimestamp(BigInt(atMs) * 1_000_000n)]),
      ),
    }
  }

  /** By member, when everything was last compared with it. */
  #lastExchanges(): [NodeId, number][] {
    return [...this.node.lastExchangeMs].filter(([id]) => this.replica.knowledge.of(id) !== undefined)
  }

  #measure(metrics: Metrics): void {
    const { replica, node } = this
    const { clock } = this.#options
    metrics.gauge(
      {
        name: 'shoal_eventual_last_exchange_age_seconds',
        help: 'How long ago everything was last compared with a node',
        labels: ['node'],
      },
      () =>
        this.#lastExchanges().map(([id, atMs]) => ({
          labels: { node: id },
          value: Math.max(0, clock.nowMs() - atMs) / 1_000,
        })),
    )
    const gauge = (name: string, help: string, read: () => number) =>
      metrics.gauge({ name: `shoal_eventual_${name}`, help }, read)
    gauge('rumours_waiting', 'News of eventual volumes that this node still tells', () => replica.rumours.size)
    gauge('exchanges', 'Times that everything was compared with another node, since the start', () => node.counts.exchanges)
    gauge('entries_received', 'Entries that other nodes had more of, since the start', () => node.counts.entriesReceived)
    gauge('conflicts', 'Paths with versions that lost, as of a moment ago', () => this.#seen.conflicts)
    gauge('removals', 'Removals that are still remembered, as of a moment ago', () => this.#seen.removals)
    gauge(
      'oldest_difference_seconds',
      'This node has everything that was written so long ago, as of a moment ago; -1 if that is not known',
      () => this.#seen.oldestDifferenceSeconds ?? -1,
    )
  }

  /** To be called once the cluster listens. A node that has just joined waits a moment for somebody to let it in. */
  async start(): Promise<void> {
    this.node.start()
    if (this.peers.running().length > 0) await this.#firstContact()
    const { clock, log } = this.#options
    const each = { clock, log, signal: this.#stopping.signal }
    this.#tasks = [
      repeat({ ...each, intervalMs: ADMISSION_MS }, () => this.#seekAdmission()),
      repeat({ ...each, intervalMs: REMOVALS_MS }, () => this.#removeLost()),
      repeat({ ...each, intervalMs: STATUS_MS }, async () => {
        this.#seen = await this.status()
      }),
    ]
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.node.stop()
    await Promise.all(this.#tasks)
  }

  async #firstContact(): Promise<void> {
    const { clock } = this.#options
    const over = new AbortController()
    const signal = AbortSignal.any([this.#stopping.signal, over.signal])
    const seeking = this.#seekUntil(signal)
    await Promise.race([seeking, clock.sleep(FIRST_CONTACT_MS, signal).catch(() => undefined)])
    over.abort()
  }

  async #seekUntil(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    while (!this.replica.isAdmitted && !signal.aborted) {
      await this.#seekAdmission().catch((error: unknown) => log.debug('nobody has let this node in yet', { error }))
      if (!this.replica.isAdmitted) await clock.sleep(ADMISSION_MS, signal).catch(() => undefined)
    }
  }

  /** Until it has spoken with a member it takes no writes. */
  async #seekAdmission(): Promise<void> {
    const [peer] = this.replica.isAdmitted ? [] : this.peers.running()
    if (peer !== undefined) await this.node.exchangeWith(peer)
  }

  async #removeLost(): Promise<void> {
    const { replica } = this
    if (!replica.isAdmitted) return
    for (const id of this.#options.cluster.removed) if (!replica.knowledge.isRemoved(id)) await replica.remove(id)
  }
}

/** A node that was alone and goes to another cluster takes along nothing of its own one: only one without entries may go. */
async function dropRowsOfOthers(store: KeyValueStore, clusterId: string): Promise<void> {
  const known = await store.get(CLUSTER_KEY)
  if (known?.toString() === clusterId) return
  for (let more = known !== undefined; more;) {
    more = await store.transact((transaction) => {
      const rows = [...transaction.range({ ...EVENTUAL_ROWS, limit: ROWS_PER_STEP })]
      for (const { key } of rows) transaction.delete(key)
      return rows.length === ROWS_PER_STEP
    })
  }
  await store.transact((transaction) => transaction.put(CLUSTER_KEY, Buffer.from(clusterId)))
}
