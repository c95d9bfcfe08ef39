import { join } from 'node:path'
import { openKeySeal } from '#access/key-seal.ts'
import { loadRootCredentials } from '#access/root-credentials.ts'
import type { RootCredentials } from '#access/root-credentials.ts'
import type { Config } from '#config/settings.ts'
import { forwardMethods } from '#gateway/http/forward-methods.ts'
import { UnderWay } from '#gateway/http/under-way.ts'
import { HandedFiles } from '#gateway/rest/handed-files.ts'
import type { NodeState } from '#gateway/rest/route.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import type { Clock } from '#platform/clock.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeMachine } from '#platform/node-machine.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { NodeThreads } from '#platform/node-threads.ts'
import type { Random } from '#platform/random.ts'
import { SharedStamp } from '#platform/shared-stamp.ts'
import type { Threads } from '#platform/threads.ts'
import { AllVolumes } from '#volume/all-volumes.ts'
import { openContentKeys } from '#volume/content-cipher.ts'
import type { ContentKeys } from '#volume/content-cipher.ts'
import { Pins } from '#volume/pins.ts'
import { SharedPins } from '#volume/shared-pins.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import type { WireMethods } from '#wire/methods.ts'
import { assembleServers } from './assemble-servers.ts'
import type { Servers } from './assemble-servers.ts'
import { assembleReaders } from './assemble-readers.ts'
import { assembleEventual, usedByAll } from './assemble-eventual.ts'
import type { EventualParts } from './assemble-eventual.ts'
import { ChunkCluster } from './chunk-cluster.ts'
import { NodeClusterAdmin } from './cluster-admin.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import type { ClusterNode } from './cluster-node.ts'
import { EventualCluster } from './eventual-cluster.ts'
import { followerOf } from './follower-reads.ts'
import { HandOver } from './hand-over.ts'
import { LedWork } from './led-work.ts'
import { modeMethods } from './metadata-mode-call.ts'
import { describeMetadata, describeNode } from './node-status.ts'
import { NodeTracker } from './node-tracker.ts'
import { NodeBackup } from './node-backup.ts'
import { assembleVolumes } from './node-volumes.ts'
import type { NodePorts } from './node-ports.ts'
import { NodeTls } from './node-tls.ts'
import { openAccess } from './open-access.ts'
import type { Access } from './open-access.ts'
import { openCluster } from './open-cluster.ts'
import { openStorage } from './open-storage.ts'
import type { Storage } from './open-storage.ts'
import type { ReaderThreads } from './reader-threads.ts'
import { PackCompactor } from './pack-compactor.ts'

/** Calls of other nodes that wait for news don't end by themselves, and the rest can be done again elsewhere. */
const CALLS_GRACE_MS = 1_000

export interface RunningNode {
  /** Where the doors are, such as `http://127.0.0.1:7400`. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Where S3 is, such as `http://127.0.0.1:7401`. */
  readonly s3Url: string
  /** Absolute. */
  readonly dataPath: string
  readonly nodeId: string
  /** With origin `made` they are new, and this is the one time to show them. */
  readonly credentials: RootCredentials
  readonly volumes: StrongVolumes
  /** The certificate, if connections are encrypted. */
  readonly tls: Pick<NodeTls, 'fingerprint' | 'origin' | 'reload'> | undefined
  /** Aborted with the reason, an error, when the node can't go on and has to be stopped: it was removed from its cluster. */
  readonly expelled: AbortSignal
  state(): NodeState
  /** Stops accepting, lets what is under way finish within `shutdown.graceMs`, closes everything. Repeating it waits for
   *  the same end. */
  stop(): Promise<void>
}

/** Starts a node with what `config` says: data folder, stores, volumes, doors, in this order. Ready when the promise
 *  resolves; after a failure nothing is left open. @throws DATA_IN_USE, DATA_FORMAT, UNAVAILABLE (a port), STORAGE_FAILED, NO_SPACE,
 *  INVALID_ARGUMENT (a certificate that can't be used); joining a cluster also UNAUTHENTICATED, FORBIDDEN, CONFLICT */
export async function startNode(config: Config, ports: NodePorts): Promise<RunningNode> {
  const { log, version, clock = nodeClock, random = nodeRandom, files = nodeFiles, metrics = new PromMetrics() } = ports
  const stores = await openStorage(config.data, { files, clock, random, log, metrics, version })
  try {
    // Reader threads have the machine's own files.
    const threads = ports.files === undefined ? (ports.threads ?? new NodeThreads()) : undefined
    const shared = { log, version, clock, random, metrics, threads }
    const rootKey = configuredCredentials(config)
    const { cluster, folder, metadata } = await openCluster({
      config,
      folder: stores.folder,
      stores,
      rootKey,
      files,
      datagrams: ports.datagrams,
      ...shared,
    })
    const own = { config, cluster, throughPeers: ports.eventualPeers, figures: ports.eventualFigures }
    const eventual = await EventualCluster.open({ ...shared, ...own, storage: { ...stores, folder } })
    const storage = { ...stores, folder, chunks: eventual.chunks }
    const credentials = await loadRootCredentials(storage.folder.path, { files, random }, rootKey)
    const seal = await openKeySeal(storage.folder.path, { files, random })
    const access = await openAccess({ storage, metadata, seal, credentials, ports: shared })
    const tls = await NodeTls.open(config, storage.folder.path, { files, clock, random, metrics, machine: nodeMachine, log })
    const contentKeys = await openContentKeys(storage.folder.path, { files, random })
    const handed = await HandedFiles.open(files, join(storage.folder.path, 'handed'))
    const chunks = new ChunkCluster({ ...shared, storage, cluster })
    const parts = {
      config,
      storage,
      cluster,
      metadata,
      eventual,
      modeMethods: modeMethods(folder.path, files),
      chunks,
      credentials,
      handed,
      backup: new NodeBackup({ ...storage, ...shared, chunks: chunks.chunks.all, rootKey, files }),
    }
    const node = new Node({ ...parts, access, tls, contentKeys, ports: shared })
    await node.listen()
    return node
  } catch (error) {
    await stores.close()
    throw error
  }
}

function configuredCredentials({ rootAccessKey, rootSecretKey }: Config) {
  return rootAccessKey === undefined || rootSecretKey === undefined
    ? undefined
    : { accessKey: rootAccessKey, secretKey: rootSecretKey }
}

interface NodeParts {
  readonly config: Config
  readonly storage: Storage
  readonly cluster: ClusterNode
  /** The cluster's, unless the strong volumes live on one node. */
  readonly metadata: ClusterMetadata | undefined
  readonly eventual: EventualCluster
  readonly modeMethods: WireMethods
  readonly chunks: ChunkCluster
  readonly backup: NodeBackup
  readonly credentials: RootCredentials
  readonly handed: HandedFiles
  readonly access: Access
  readonly tls: NodeTls | undefined
  readonly contentKeys: ContentKeys
  readonly ports: {
    readonly log: Log
    readonly version: string
    readonly clock: Clock
    readonly random: Random
    readonly metrics: Metrics
    readonly threads: Threads | undefined
  }
}

class Node implements RunningNode {
  readonly credentials: RootCredentials
  readonly dataPath: string
  readonly nodeId: string
  readonly volumes: StrongVolumes
  readonly #parts: NodeParts
  readonly #eventual: EventualParts
  readonly #compactor: PackCompactor
  readonly #servers: Servers
  readonly #tracker: NodeTracker
  readonly #handOver: HandOver | undefined
  /** Requests that this node answers by itself, and those of them that others have sent on. */
  readonly #servedHere = new UnderWay()
  readonly #forwarded = new UnderWay()
  #ledWork: readonly LedWork[] = []
  readonly #volumesStamp = new SharedStamp()
  readonly #readerPins = new SharedPins()
  readonly #readers: ReaderThreads | undefined
  readonly #stopping = new AbortController()
  readonly #startedMs: number
  readonly #startedNs: bigint
  #address = { host: '', port: 0 }
  #s3Address = { host: '', port: 0 }
  #state: NodeState = 'starting'
  #stopped: Promise<void> | undefined

  constructor(parts: NodeParts) {
    const { config, storage, cluster, metadata, credentials, ports } = parts
    const { clock, log } = ports
    this.#parts = parts
    this.credentials = credentials
    this.dataPath = storage.folder.path
    this.nodeId = storage.folder.nodeId
    this.#startedMs = clock.monotonicMs()
    this.#startedNs = clock.nowNs()
    this.volumes = assembleVolumes(storage, config, {
      ...ports,
      contentKeys: parts.contentKeys,
      cluster: parts.chunks,
      volumesStamp: this.#volumesStamp,
      pins: new Pins(this.#readerPins),
      isUsedElsewhere: (id) => parts.eventual.isUsed(id),
      isTaken: (name) => this.#eventual.volumes.has(name),
      isCurrent: () => parts.metadata?.store.isLeased !== false,
      onClassChange: () => this.#tracker.onClassChange(),
    })
    this.#eventual = assembleEventual({ ...parts, ...ports, onClassChange: () => this.#tracker.onClassChange() })
    this.#compactor = new PackCompactor(storage.disk, { clock, log, intervalMs: config.gc.intervalMs })
    this.#tracker = this.#makeTracker()
    const led = { cluster, servedHere: this.#servedHere, clock, graceMs: config.shutdown.graceMs }
    this.#handOver = metadata === undefined ? undefined : new HandOver({ ...led, metadata })
    this.#servers = this.#assembleServers()
    const shared = { volumesStamp: this.#volumesStamp, pins: this.#readerPins }
    this.#readers = assembleReaders({ ...parts, ...shared, servers: this.#servers, volumes: this.volumes })
  }

  get host(): string {
    return this.#address.host
  }

  get port(): number {
    return this.#address.port
  }

  get url(): string {
    return this.#urlOf(this.#address)
  }

  get s3Url(): string {
    return this.#urlOf(this.#s3Address)
  }

  get tls(): NodeTls | undefined {
    return this.#parts.tls
  }

  get expelled(): AbortSignal {
    return this.#parts.cluster.expelled
  }

  state(): NodeState {
    return this.#state === 'serving' && this.#parts.storage.latch.failed ? 'storage-failed' : this.#state
  }

  async listen(): Promise<void> {
    const { cluster, metadata, modeMethods, chunks } = this.#parts
    metadata?.leadership.prepare(async () => this.volumes.forgetOpened())
    metadata?.leadership.prepare(() => chunks.prepare())
    metadata?.leadership.start()
    try {
      const answers = {
        ...forwardMethods({ base: this.#servers.base, s3: this.#servers.s3 }, { underWay: this.#forwarded }),
        ...modeMethods,
        ...metadata?.methods,
        ...chunks.methods,
        ...this.#parts.eventual.methods,
      }
      await cluster.listen(answers)
      this.#parts.storage.latch.onFailure(() => {
        cluster.announceStorageFailure()
        // Whoever takes no writes must not keep others from taking them.
        this.#handOver?.runOnceOthersCan()
      })
      await chunks.start()
      await this.#eventual.start()
      await this.#openDoors()
    } catch (error) {
      await this.#eventual.stop()
      await chunks.stop()
      await cluster.stop()
      throw error
    }
    cluster.announceDoors({ restPort: this.port, s3Port: this.#s3Address.port })
    const led = [this.volumes, this.#tracker]
    this.#ledWork = led.map((work) => new LedWork({ leadership: cluster.leadership, work, log: this.#parts.ports.log }))
    this.#compactor.start()
    this.tls?.start()
    this.#readers?.run({ s3: this.#s3Address, base: this.#address })
    const { storage, ports } = this.#parts
    void this.#handOver?.watchSpace({
      roomBytes: () => storage.reserve.roomBytes(),
      log: ports.log,
      signal: this.#stopping.signal,
    })
    this.#state = 'serving'
    this.#parts.ports.log.info('serving', { url: this.url, s3Url: this.s3Url, data: this.dataPath, nodeId: this.nodeId })
  }

  async #openDoors(): Promise<void> {
    const { host, port } = this.#parts.config
    const shared = this.#readers === undefined ? {} : ({ shared: 'first' } as const)
    this.#address = await this.#servers.base.listen({ host, port, ...shared })
    try {
      const s3 = { host, port: port === 0 ? 0 : port + 1 }
      this.#s3Address = await this.#servers.s3.listen({ ...s3, ...shared })
    } catch (error) {
      await this.#servers.base.stop(0)
      throw error
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** From the outside in: first no more requests, then no more background work, then the stores. */
  async #stop(): Promise<void> {
    const { config, storage, cluster, metadata, chunks, ports } = this.#parts
    ports.log.info('stopping', { graceMs: config.shutdown.graceMs })
    this.#state = 'draining'
    this.#stopping.abort()
    const { base, s3 } = this.#servers
    const { graceMs } = config.shutdown
    await this.#handOver?.run()
    await this.#readers?.stop(graceMs)
    await Promise.all([base.stop(graceMs), s3.stop(graceMs), this.#forwarded.ended({ clock: ports.clock, withinMs: graceMs })])
    this.#forwarded.cut()
    await Promise.all(this.#ledWork.map((work) => work.stop()))
    await this.#eventual.stop()
    await this.volumes.close()
    await chunks.stop()
    // Others may lead as soon as this one doesn't.
    await metadata?.close()
    await cluster.stop({ graceMs: Math.min(CALLS_GRACE_MS, config.shutdown.graceMs) })
    await this.tls?.stop()
    await this.#compactor.stop()
    await storage.close()
    ports.log.info('stopped')
  }

  #makeTracker(): NodeTracker {
    const { config, storage, cluster, chunks, ports } = this.#parts
    return new NodeTracker({
      ...ports,
      kv: storage.kv,
      peers: chunks.peers,
      repairs: chunks.chunks.repairs,
      records: chunks.records,
      settle: (name, version) => chunks.settle(name, version),
      drained: (node) => chunks.settings.markDrained(node),
      cluster,
      volumes: usedByAll(this.volumes, this.#parts.eventual),
      digests: nodeDigests,
      sessionMs: config.uploads.expiryMs + config.gc.graceMs,
      collectEveryMs: config.gc.sweepIntervalMs,
    })
  }

  #assembleServers(): Servers {
    const { config, storage, cluster, chunks, access, ports } = this.#parts
    const { clock, version } = ports
    const { nodeId, clusterId } = storage.folder
    const identity = { version, nodeId, clusterId, startedNs: this.#startedNs }
    return assembleServers({
      config,
      ports,
      ...access,
      cluster: new NodeClusterAdmin({ cluster, chunks, clock, drainFraction: () => this.#tracker.drainFraction }),
      classes: chunks.desk(this.volumes),
      tracker: this.#tracker,
      backup: this.#parts.backup,
      handed: this.#parts.handed,
      leadership: cluster.leadership,
      isRunning: (node) => cluster.members().some(({ id, liveness }) => id === node && liveness === 'alive'),
      peers: cluster.peers,
      tls: this.#parts.tls?.material,
      servedHere: this.#servedHere,
      follower: followerOf(this.#parts),
      volumes: new AllVolumes(this.volumes, this.#eventual.volumes, () => cluster.leadership.isLeading || cluster.isHomeGone),
      strong: this.volumes,
      eventual: this.#eventual.volumes,
      node: {
        stopping: this.#stopping.signal,
        state: () => this.state(),
        status: async () => {
          const metadata = await describeMetadata(this.#parts.metadata, cluster.leadership)
          const now = {
            state: this.state(),
            uptimeMs: clock.monotonicMs() - this.#startedMs,
            metadata,
            eventual: await this.#parts.eventual.status(),
            clocks: [...cluster.clocks.differences()],
          }
          return describeNode(identity, now, this.volumes, this.#parts.metadata?.store.stale)
        },
      },
    })
  }

  #urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
    const scheme = this.tls === undefined ? 'http' : 'https'
    return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
  }
}
