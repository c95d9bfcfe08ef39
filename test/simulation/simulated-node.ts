import { BasicAuthenticator } from '#access/basic-authenticator.ts'
import { KeySeal } from '#access/key-seal.ts'
import { findIn } from '#access/keyring.ts'
import { KvKeyring } from '#access/kv-keyring.ts'
import { openDiskChunkStore } from '#chunk/disk.ts'
import type { DiskChunkStore } from '#chunk/disk.ts'
import type { ChunkStore } from '#chunk/store.ts'
import type { ClusterIdentity } from '#cluster/identity.ts'
import type { KeyRing } from '#cluster/key-ring.ts'
import { TokenList } from '#cluster/token-list.ts'
import type { Config } from '#config/settings.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { nodeUri } from '#foundation/node-uri.ts'
import { UnderWay } from '#gateway/http/under-way.ts'
import { forwardMethods } from '#gateway/http/forward-methods.ts'
import { MemoryBase, MemoryDisk } from '#kv/memory.ts'
import { ReplicatedStore } from '#kv/replicated.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { ChunkCluster } from '#node/chunk-cluster.ts'
import { NodeClusterAdmin } from '#node/cluster-admin.ts'
import { ClusterNode } from '#node/cluster-node.ts'
import { AllVolumes } from '#volume/all-volumes.ts'
import type { EventualVolumes } from '#volume/eventual-volumes.ts'
import { assembleServers } from '#node/assemble-servers.ts'
import { KnownNodes } from '#node/known-nodes.ts'
import type { Leadership } from '#node/leadership.ts'
import { LedWork } from '#node/led-work.ts'
import { snapshotMethods, WireSnapshots } from '#node/metadata-snapshots.ts'
import { NodeTracker } from '#node/node-tracker.ts'
import { assembleVolumes } from '#node/node-volumes.ts'
import { formatAddress, StoreLeadership } from '#node/store-leadership.ts'
import type { Log } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Datagrams } from '#platform/datagrams.ts'
import { faultyFiles } from '#platform/faulty-files.ts'
import type { FaultPlan } from '#platform/faulty-files.ts'
import type { Files } from '#platform/files.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import type { MemoryHost, MemoryNetwork } from '#platform/memory-sockets.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { SharedLog } from '#sharedlog/log.ts'
import type { MemoryLogClient } from '#sharedlog/memory.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import { WireServer } from '#wire/server.ts'
import { replacing } from './defects.ts'
import type { Defects } from './defects.ts'
import { forgetfulFiles } from './forgetful-files.ts'
import { forgettingResults } from './forgetting-results.ts'
import { ProcessPorts } from './process-ports.ts'
import { ROOT_KEY, TIMING } from './settings.ts'
import { slowFiles } from './slow-files.ts'

export const CLUSTER_ID = 'c1'.repeat(16)
/** Where clients call a node; other nodes do two ports further on. */
export const CLIENT_PORT = 7400
const DATA_FOLDER = '/data'
const CHUNK_FOLDER = `${DATA_FOLDER}/chunks`
const SOFTWARE = 'simulated'

/** Eventual volumes have a simulation of their own. */
const NO_EVENTUAL = { has: () => false, list: async () => [] } as unknown as EventualVolumes
const ALWAYS_LEADING: Leadership = { isLeading: true, leader: () => undefined, onChange: () => () => {} }

/** What nodes have in common: the world around them. */
export interface World {
  readonly clock: Clock
  readonly network: MemoryNetwork
  readonly datagrams: Datagrams
  readonly config: Config
  readonly log: Log
  readonly defects: Defects
  /** A connection to the log that the metadata agree by. */
  openLog(node: SimulatedNode, clock: Clock): MemoryLogClient
  others(of: SimulatedNode): readonly SimulatedNode[]
}

/** What runs between a start and the next crash. */
interface Life {
  readonly ports: ProcessPorts
  readonly log: MemoryLogClient
  readonly kv: ReplicatedStore
  readonly disk: DiskChunkStore
  readonly leadership: StoreLeadership
  readonly cluster: ClusterNode
  readonly chunks: ChunkCluster
  readonly volumes: StrongVolumes
  readonly tracker: NodeTracker
  readonly door: WireServer
  readonly led: readonly LedWork[]
}

export type NodeState = 'down' | 'starting' | 'up' | 'removed'

/** One node: what its process runs, put together as `startNode` does, and the machine below it, whose disks outlive the process. */
export class SimulatedNode {
  readonly id: NodeId
  readonly host: string
  readonly time: Clock
  readonly files: MemoryFiles
  readonly #world: World
  readonly #sockets: MemoryHost
  readonly #metadata = new MemoryDisk()
  readonly #seed: number
  /** What each call to the disk waits for. */
  diskDelayMs = 0
  diskFault: FaultPlan = () => undefined
  #life: Life | undefined
  #ports: ProcessPorts | undefined
  #lives = 0
  #isRemoved = false

  constructor(at: number, options: { readonly world: World; readonly time: Clock; readonly seed: number }) {
    const { world, time, seed } = options
    this.id = (at + 1).toString(16).padStart(32, '0') as NodeId
    this.host = `10.0.0.${at + 1}`
    this.time = time
    this.files = new MemoryFiles({ seed, capacityBytes: 16 * 1024 * 1024, nowMs: () => time.nowMs() })
    this.#world = world
    this.#seed = seed
    const uris = [nodeUri({ clusterId: CLUSTER_ID, nodeId: this.id })]
    this.#sockets = world.network.host(this.host, { kind: 'proven', uris })
  }

  get state(): NodeState {
    if (this.#life !== undefined) return 'up'
    if (this.#ports !== undefined) return 'starting'
    return this.#isRemoved ? 'removed' : 'down'
  }

  /** What runs, if all of it does. */
  get life(): Life | undefined {
    return this.#life
  }

  get leads(): Life | undefined {
    return this.#life?.leadership.isLeading === true ? this.#life : undefined
  }

  /** @throws as `startNode` does; what was begun is ended then */
  async start(): Promise<void> {
    this.#lives += 1
    const random = new SeededRandom(this.#seed + 1_000 * this.#lives)
    const { clock: world, datagrams } = this.#world
    const ports = new ProcessPorts({ time: this.time, world, sockets: this.#sockets, datagrams, random })
    this.#ports = ports
    try {
      const life = await ports.orOver(this.#run(ports, random))
      if (life === 'over') return
      this.#life = life
      const { expelled } = life.cluster
      const leave = (): void => this.#leave(ports)
      expelled.addEventListener('abort', leave, { once: true })
      if (expelled.aborted) leave()
    } catch (error) {
      if (this.#ports === ports) this.crash()
      this.#isRemoved ||= isShoalError(error, 'FORBIDDEN')
      throw error
    }
  }

  /** The power fails: the process is gone, and what its disk had not been told to keep. */
  crash(): void {
    const life = this.#life
    this.#ports?.end()
    this.#life = undefined
    this.#ports = undefined
    // Whatever had it before writes no more.
    new MemoryBase(this.#metadata)
    this.#world.network.kill(this.host)
    this.files.crash()
    void life?.log.close()
  }

  /** In order, as by a signal. */
  async stop(): Promise<void> {
    const life = this.#life
    if (life === undefined) return
    this.#life = undefined
    if ((await life.ports.orOver(this.#wind(life))) === 'over') return
    life.ports.end()
    this.#ports = undefined
  }

  async #wind({ log, kv, disk, leadership, cluster, chunks, volumes, led, door }: Life): Promise<void> {
    await door.close({ graceMs: 200 })
    await Promise.all(led.map((work) => work.stop()))
    await volumes.close()
    await chunks.stop()
    await leadership.stop()
    await kv.close()
    await log.close()
    await cluster.stop({ graceMs: 200 })
    await disk.close()
  }

  /** The process stands still, until it is told to go on. */
  stand(): void {
    this.#life?.ports.stand()
  }

  goOn(): void {
    this.#life?.ports.goOn()
  }

  /** Flips bits of something that the chunk store keeps. */
  async damageChunks(random: SeededRandom): Promise<void> {
    const paths: string[] = []
    const walk = async (folder: string): Promise<void> => {
      for (const name of (await this.files.list(folder)) ?? []) {
        const path = `${folder}/${name}`
        const facts = await this.files.facts(path)
        if (facts?.kind === 'folder') await walk(path)
        else if (name.endsWith('.pack') && facts !== undefined && facts.sizeBytes > 1_000) paths.push(path)
      }
    }
    await walk(CHUNK_FOLDER)
    const path = paths[random.below(paths.length)]
    if (path === undefined) return
    const { sizeBytes } = (await this.files.facts(path)) as { sizeBytes: number }
    this.files.damage(path, 200 + random.below(sizeBytes - 200), 1 << random.below(8))
  }

  /** It was removed from its cluster, and ends as `serve` does. */
  #leave(ports: ProcessPorts): void {
    if (this.#ports !== ports) return
    this.#isRemoved = true
    this.crash()
  }

  async #run(ports: ProcessPorts, random: SeededRandom): Promise<Life> {
    const { config: common, log: report, defects } = this.#world
    const { clock } = ports
    const config: Config = { ...common, host: this.host, port: CLIENT_PORT, zone: `zone-${this.host}` }
    const shared = { clock, random, log: report, metrics: new PromMetrics() }
    const files = this.#filesOf(ports, random)
    await files.makeFolder(DATA_FOLDER)
    const folder = { path: DATA_FOLDER, nodeId: this.id, clusterId: CLUSTER_ID }
    const disk = await openDiskChunkStore({ path: CHUNK_FOLDER, files, digests: nodeDigests, clock, random })
    const store: ChunkStore = defects.store?.(disk) ?? disk
    const { log, kv, leadership } = this.#openMetadata(ports, random, () => cluster)
    const cluster: ClusterNode = new ClusterNode({
      ...shared,
      config,
      leadership,
      identity: this.#identity(),
      known: await KnownNodes.open(folder, files),
      tokens: await TokenList.open(DATA_FOLDER, { files, clock }),
      seeds: this.#world.others(this).map(({ host }) => ({ host, port: CLIENT_PORT + 2 })),
      defaultHost: this.host,
      software: SOFTWARE,
      bootstrap: async () => Buffer.alloc(0),
      usage: () => disk.usage(),
      links: ports.links,
      datagrams: ports.datagrams,
    })
    const { limits, layouts } = TIMING
    const chunks = new ChunkCluster({ ...shared, storage: { kv, chunks: store }, cluster, figures: { limits, layouts } })
    const fresh: KeyValueStore = defects.isForgettingResults === true ? forgettingResults(kv) : kv
    const read: KeyValueStore = defects.isStale === true ? staleReads(kv) : fresh
    const volumes = assembleVolumes({ kv: read, chunks: store, folder }, config, { ...shared, cluster: chunks })
    const tracker = new NodeTracker({
      ...shared,
      kv,
      peers: chunks.peers,
      records: chunks.records,
      settle: (name, version) => chunks.settle(name, version),
      cluster,
      volumes,
      digests: nodeDigests,
      sessionMs: config.uploads.expiryMs + config.gc.graceMs,
      repairs: chunks.chunks.repairs,
      drained: async (node) => {
        await chunks.settings.markDrained(node)
        if (chunks.records.view.nodes.get(node)?.isDrained === true) report.info('nothing that a node holds is needed', { node })
      },
      collectEveryMs: config.gc.sweepIntervalMs,
      timing: TIMING.tracker,
      callMs: TIMING.limits.callMs,
      copyMs: TIMING.limits.writeMs,
    })
    const keyring: KvKeyring = new KvKeyring({ ...shared, kv, seal: new KeySeal(Buffer.alloc(32), random), changed: () => {} })
    const findKey = findIn(ROOT_KEY, keyring)
    const servers = assembleServers({
      config,
      ports: shared,
      volumes: new AllVolumes(volumes, NO_EVENTUAL, () => leadership.isLeading),
      strong: volumes,
      eventual: NO_EVENTUAL,
      authenticator: new BasicAuthenticator({ ...shared, find: findKey }),
      keyring,
      findKey,
      cluster: new NodeClusterAdmin({ cluster, chunks, clock, drainFraction: () => tracker.drainFraction }),
      classes: chunks.desk(volumes),
      tracker,
      leadership: defects.isStale === true ? ALWAYS_LEADING : leadership,
      peers: cluster.peers,
      servedHere: new UnderWay(),
      tls: undefined,
      node: {
        stopping: new AbortController().signal,
        state: () => 'serving',
        status: () => Promise.reject(new Error('not simulated')),
      },
    })
    leadership.prepare(() => keyring.reload())
    leadership.prepare(async () => volumes.forgetOpened())
    leadership.prepare(() => chunks.prepare())
    leadership.start()
    await cluster.listen({ ...forwardMethods({ base: servers.base, s3: servers.s3 }), ...snapshotMethods(kv), ...chunks.methods })
    await chunks.start()
    const door = await WireServer.listen(
      { host: this.host, port: CLIENT_PORT },
      {
        clock,
        log: report,
        listeners: ports.links,
        identity: { clusterId: CLUSTER_ID, nodeId: this.id, software: SOFTWARE },
        methods: forwardMethods({ base: servers.base, s3: servers.s3 }, { fromThreads: true }),
      },
    )
    const led = [volumes, tracker].map((work) => new LedWork({ leadership, work, log: report }))
    return { ports, log, kv, disk, leadership, cluster, chunks, volumes, tracker, door, led }
  }

  #openMetadata(
    ports: ProcessPorts,
    random: SeededRandom,
    cluster: () => ClusterNode,
  ): { log: MemoryLogClient; kv: ReplicatedStore; leadership: StoreLeadership } {
    const { clock } = ports
    const { log: report, defects } = this.#world
    const log = this.#world.openLog(this, clock)
    const between: SharedLog = defects.log?.(log) ?? log
    const kv: ReplicatedStore = new ReplicatedStore({
      base: new MemoryBase(this.#metadata, () => ports.turn()),
      log: between,
      clock,
      random,
      report,
      candidate: { id: this.id, address: formatAddress({ host: this.host, port: CLIENT_PORT + 2 }) },
      keep: { entries: 200, bytes: 10_000_000 },
      snapshots: new WireSnapshots({
        wire: { call: (...call) => cluster().peers.call(...call) },
        peers: () =>
          cluster()
            .members()
            .filter(({ id, liveness }) => id !== this.id && liveness === 'alive')
            .toSorted((a, b) => Number(b.id === kv.leader?.id) - Number(a.id === kv.leader?.id))
            .map(({ id, facts }) => ({ nodeId: id, address: { host: facts.host, port: facts.nodePort, nodeId: id } })),
      }),
    })
    return { log, kv, leadership: new StoreLeadership({ store: kv, nodeId: this.id, clock, log: report }) }
  }

  #filesOf(ports: ProcessPorts, random: SeededRandom): Files {
    const delay = async (): Promise<void> => {
      if (this.diskDelayMs > 0) await ports.clock.sleep(random.below(this.diskDelayMs))
      await ports.turn()
    }
    const medium = this.#world.defects.isForgetful ? forgetfulFiles(this.files) : this.files
    return faultyFiles(slowFiles(medium, delay), (operation, path) => this.diskFault(operation, path))
  }

  /** Certificates play no part in a network in memory. */
  #identity(): ClusterIdentity {
    const ring: KeyRing = { keys: [{ id: '0'.repeat(16), key: Buffer.alloc(32, 7) }] }
    const identity = {
      name: { clusterId: CLUSTER_ID, nodeId: this.id },
      gossip: ring,
      keys: { authority: '' },
      changeGossip: async () => ring,
      renewIfDue: async () => false,
    }
    return identity as unknown as ClusterIdentity
  }
}

/** Without asking the log whether there is something newer. */
function staleReads(kv: ReplicatedStore): KeyValueStore {
  const { stale } = kv
  return replacing<KeyValueStore>(kv, {
    get: (key) => stale.get(key),
    read: (fn) => stale.read(fn),
    openSnapshot: () => stale.openSnapshot(),
    range: (options) => stale.range(options),
  })
}
