import type { NodeId } from '#foundation/ids.ts'
import type { MemberView } from '#membership/member.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { ChunkMemory } from '#replication/chunk-memory.ts'
import { chunkMethods } from '#replication/chunk-methods.ts'
import type { ChunkPeers } from '#replication/peers.ts'
import { RepairReporter, repairMethods } from '#replication/repair-reports.ts'
import { WireChunkPeers } from '#replication/wire-chunks.ts'
import { ClassDesk } from '#system/class-desk.ts'
import { LayoutKeeper } from '#system/layout-keeper.ts'
import type { LayoutKeeperOptions, StoreMember } from '#system/layout-keeper.ts'
import { NodeSettings } from '#system/node-settings.ts'
import { settleLayout } from '#system/plan-layouts.ts'
import { RemoteRecords } from '#system/remote-records.ts'
import { systemMethods } from '#system/system-methods.ts'
import { SystemRecords } from '#system/system-records.ts'
import type { LayoutName, SystemSource, SystemView } from '#system/system-view.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import type { VolumeClasses } from '#volume/strong-volumes-options.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { PeerAddress } from '#wire/peer-connections.ts'
import type { ClusterNode } from './cluster-node.ts'
import type { Leadership } from './leadership.ts'
import { LedWork } from './led-work.ts'
import type { Storage } from './open-storage.ts'
import { repeat } from './repeat.ts'
import { ReplicatedChunks } from './replicated-chunks.ts'
import type { ReplicatedChunksOptions } from './replicated-chunks.ts'

/** Memory for chunks that is kept and that nobody has needed for so long is given back. */
const TRIM_MS = 10_000

export interface ChunkClusterOptions {
  readonly storage: Pick<Storage, 'kv' | 'chunks'>
  readonly cluster: Pick<ClusterNode, 'id' | 'peers' | 'members' | 'onChange' | 'removed' | 'leadership'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** In threads of their own unless given. */
  readonly digests?: Digests
  readonly figures?: ChunkFigures
}

/** Other figures than those of `replication` and `system`: for simulations, whose time is short. */
export interface ChunkFigures {
  readonly limits?: NonNullable<ReplicatedChunksOptions['limits']>
  readonly layouts?: Pick<LayoutKeeperOptions, 'graceMs' | 'partitionBits'>
}

/** What makes the chunks of several nodes those of one cluster. The node that leads keeps its records; the others hear of them, and answer
 *  for the chunks that they have. */
export class ChunkCluster {
  /** What was decided about nodes; to be changed where the records are led. */
  readonly settings: NodeSettings
  readonly chunks: ReplicatedChunks
  /** The chunks of each node. */
  readonly peers: ChunkPeers
  /** What other nodes call. */
  readonly methods: WireMethods
  /** What this node knows of the cluster's records. */
  readonly records: SystemSource
  readonly #cluster: Pick<ChunkClusterOptions['cluster'], 'members'>
  readonly #leadership: Leadership
  readonly #own: SystemRecords
  readonly #keeper: LayoutKeeper
  readonly #remote: RemoteRecords
  readonly #reporter: RepairReporter
  readonly #log: Log
  readonly #clock: Clock
  readonly #memory: ChunkMemory
  readonly #stopping = new AbortController()
  #trimming: Promise<void> | undefined
  #work: LedWork[] = []

  constructor(options: ChunkClusterOptions) {
    const { storage, cluster, clock, metrics, digests = nodeDigests } = options
    const log = options.log.child({ part: 'chunks' })
    this.#log = log
    this.#cluster = cluster
    this.#leadership = cluster.leadership
    this.#own = new SystemRecords(storage.kv)
    this.settings = new NodeSettings(this.#own)
    this.#remote = new RemoteRecords({ wire: cluster.peers, leader: () => addressOfLeader(cluster), clock, log })
    this.records = new NewestRecords(this.#own, this.#remote)
    const members = (): StoreMember[] => cluster.members().flatMap(storeMembers)
    const isRemoved = (id: NodeId): boolean => cluster.removed.has(id)
    const { limits, layouts } = options.figures ?? {}
    this.#keeper = new LayoutKeeper({ records: this.#own, members, isRemoved, clock, log, ...layouts })
    const store = storage.chunks
    this.peers = chunkPeers(options, this.records)
    this.#clock = clock
    this.#memory = new ChunkMemory(digests)
    const shared = { peers: this.peers, clock, digests, memory: this.#memory }
    const own = { self: cluster.id, local: store, records: this.records }
    this.chunks = new ReplicatedChunks({ ...shared, ...own, log, metrics, ...(limits === undefined ? {} : { limits }) })
    this.#reporter = new RepairReporter({
      queue: this.chunks.repairs,
      wire: cluster.peers,
      leader: () => addressOfLeader(cluster),
      clock,
      log,
    })
    this.methods = {
      ...chunkMethods({ ...shared, store }),
      ...repairMethods(this.chunks.repairs),
      ...systemMethods(this.records, { clock, stopping: this.#stopping.signal }),
    }
  }

  get classes(): VolumeClasses {
    return { has: (name) => this.records.view.classes.has(name), chunksOf: (name) => this.chunks.of(name) }
  }

  /** For whoever administers the classes of `volumes`, where the records are led. */
  desk(volumes: Pick<StrongVolumes, 'list'>): ClassDesk {
    const volumesOf = async (name: string): Promise<string[]> =>
      (await volumes.list()).flatMap((volume) => (volume.policy.class === name ? [volume.name] : []))
    const freeBytes = (id: NodeId): number | undefined => {
      const facts = this.#cluster.members().find((member) => member.id === id)?.facts
      // One that has just begun doesn't know its disk yet.
      return facts === undefined || facts.capacityBytes === 0 ? undefined : facts.capacityBytes - facts.usedBytes
    }
    return new ClassDesk({ records: this.#own, volumesOf, changed: () => this.#keeper.look(), freeBytes })
  }

  /** All chunks are where the layout of that version has them. Nothing happens if there is a later one. */
  async settle(name: LayoutName, version: number): Promise<void> {
    await this.#own.change((view) => settleLayout(view, name, version))
  }

  /** Reads the records anew, which others have led. To be called before this node leads. @throws DATA_FORMAT, UNAVAILABLE */
  prepare(): Promise<void> {
    return this.#own.refresh()
  }

  /** To be called once the cluster listens. Where the records are led, the layouts are up to date when it resolves, if they can be.
   *  @throws DATA_FORMAT, UNAVAILABLE */
  async start(): Promise<void> {
    const leadership = this.#leadership
    if (leadership.isLeading) {
      await this.prepare()
      // On a full disk, say: the keeper tries again.
      await this.#keeper.look().catch((error: unknown) => this.#log.warn('the layouts are not up to date yet', { error }))
    }
    const following: Pick<Leadership, 'isLeading' | 'onChange'> = {
      get isLeading() {
        return !leadership.isLeading
      },
      onChange: (listener) => leadership.onChange(listener),
    }
    const log = this.#log
    this.#work = [
      new LedWork({ leadership, work: this.#keeper, log }),
      new LedWork({ leadership: following, work: this.#remote, log }),
      new LedWork({ leadership: following, work: this.#reporter, log }),
    ]
    const trimming = { intervalMs: TRIM_MS, clock: this.#clock, log, signal: this.#stopping.signal }
    this.#trimming = repeat(trimming, () => Promise.resolve(this.#memory.trim()))
  }

  /** After the doors are closed, and before the stores and the cluster. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#work.splice(0).map((work) => work.stop()))
    await this.#trimming
    await this.chunks.stop()
  }
}

/** The latest of two that tell of the same records: versions only grow. */
class NewestRecords implements SystemSource {
  readonly #sources: readonly [SystemSource, SystemSource]

  constructor(...sources: [SystemSource, SystemSource]) {
    this.#sources = sources
  }

  get view(): SystemView {
    const [one, other] = this.#sources
    return one.view.version >= other.view.version ? one.view : other.view
  }

  onChange(listener: (view: SystemView) => void): () => void {
    const stops = this.#sources.map((source) => source.onChange(() => listener(this.view)))
    return () => {
      for (const stop of stops) stop()
    }
  }
}

function chunkPeers({ storage, cluster, digests = nodeDigests }: ChunkClusterOptions, records: SystemSource): ChunkPeers {
  let known: ReadonlyMap<NodeId, MemberView> | undefined
  cluster.onChange(() => (known = undefined))
  const find = (id: NodeId): MemberView | undefined => {
    known ??= new Map(cluster.members().map((member) => [member.id, member]))
    // Before anybody is known, members may come without a change being told.
    if (known.size === 0) known = undefined
    return known?.get(id)
  }
  const addressOf = (id: NodeId): PeerAddress | undefined => {
    const member = cluster.removed.has(id) ? undefined : find(id)
    return member === undefined ? undefined : { host: member.facts.host, port: member.facts.nodePort, nodeId: id }
  }
  return new WireChunkPeers({
    self: cluster.id,
    wire: cluster.peers,
    addressOf,
    store: storage.chunks,
    isHealthy: (id) => find(id)?.liveness === 'alive',
    takesChunks: (id) => records.view.nodes.get(id)?.state !== 'readonly' && find(id)?.facts.mode !== 'storage-failed',
    members: () => {
      const stores = cluster.members().filter(({ facts }) => facts.roles.includes('store'))
      const all = new Set([...stores.map(({ id }) => id), ...records.view.nodes.keys()])
      return [...all].filter((id) => !cluster.removed.has(id))
    },
    digests,
  })
}

function addressOfLeader({ leadership }: ChunkClusterOptions['cluster']): PeerAddress | undefined {
  const leader = leadership.leader()
  return leader === undefined ? undefined : { host: leader.host, port: leader.nodePort, nodeId: leader.nodeId }
}

function storeMembers({ id, liveness, facts }: MemberView): StoreMember[] {
  if (!facts.roles.includes('store')) return []
  const isHere = liveness === 'alive' || liveness === 'suspect'
  return [{ id, zone: facts.zone, capacityBytes: facts.capacityBytes, isHere }]
}
