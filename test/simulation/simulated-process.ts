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
import type { NodeId } from '#foundation/ids.ts'
import { UnderWay } from '#gateway/http/under-way.ts'
import { forwardMethods } from '#gateway/http/forward-methods.ts'
import { ReplicatedStore } from '#kv/replicated.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { assembleServers } from '#node/assemble-servers.ts'
import type { Servers } from '#node/assemble-servers.ts'
import { ChunkCluster } from '#node/chunk-cluster.ts'
import { NodeClusterAdmin } from '#node/cluster-admin.ts'
import { ClusterNode } from '#node/cluster-node.ts'
import { followAccess } from '#node/followed-access.ts'
import { followerOf } from '#node/follower-reads.ts'
import { HandOver } from '#node/hand-over.ts'
import { KnownNodes } from '#node/known-nodes.ts'
import type { Leadership } from '#node/leadership.ts'
import { askLeadersEnd, leadersEndMethods } from '#node/leaders-end.ts'
import { LedWork } from '#node/led-work.ts'
import { snapshotMethods, WireSnapshots } from '#node/metadata-snapshots.ts'
import { NodeTracker } from '#node/node-tracker.ts'
import { assembleVolumes } from '#node/node-volumes.ts'
import { StorageLatch } from '#node/storage-latch.ts'
import { formatAddress, StoreLeadership } from '#node/store-leadership.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Datagrams } from '#platform/datagrams.ts'
import type { MemoryNetwork } from '#platform/memory-sockets.ts'
import type { SeededRandom } from '#platform/seeded-random.ts'
import type { SharedLog } from '#sharedlog/log.ts'
import type { MemoryLogClient } from '#sharedlog/memory.ts'
import { AllVolumes } from '#volume/all-volumes.ts'
import type { EventualVolumes } from '#volume/eventual-volumes.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import { WireServer } from '#wire/server.ts'
import { replacing } from './defects.ts'
import type { Defects } from './defects.ts'
import type { DurableCopies } from './durable-copies.ts'
import { forgettingResults } from './forgetting-results.ts'
import { hastyClasses } from './hasty-classes.ts'
import { inlineDigests } from './inline-digests.ts'
import type { NodeDisks } from './node-disks.ts'
import type { ProcessPorts } from './process-ports.ts'
import { ROOT_KEY, TIMING } from './settings.ts'
import { uncounted } from './uncounted.ts'

/** A planted mistake: who was promised that nothing changes for 20 ms relies on it for ten seconds. */
const TOO_TRUSTING = 500

export const CLUSTER_ID = 'c1'.repeat(16)
/** Where clients call a node; other nodes do two ports further on. */
export const CLIENT_PORT = 7400
const DATA_FOLDER = '/data'
export const CHUNK_FOLDER = `${DATA_FOLDER}/chunks`
const SOFTWARE = 'simulated'
/** How long what is under way has when a process is stopped. */
const GRACE_MS = 200

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
  /** Who has which chunks for good. */
  readonly copies: DurableCopies
  /** A connection to the log that the metadata agree by. */
  openLog(host: string, ports: ProcessPorts): MemoryLogClient
  /** Where other nodes are. */
  hosts(): readonly string[]
}

/** What a process is started with. */
export interface ProcessOptions {
  readonly id: NodeId
  readonly host: string
  readonly world: World
  readonly disks: NodeDisks
  readonly ports: ProcessPorts
  readonly random: SeededRandom
}

/** What runs between a start and the next crash. */
export interface Life {
  readonly ports: ProcessPorts
  readonly log: MemoryLogClient
  readonly kv: ReplicatedStore
  readonly disk: DiskChunkStore
  readonly leadership: StoreLeadership
  readonly latch: StorageLatch
  readonly handOver: HandOver
  readonly cluster: ClusterNode
  readonly chunks: ChunkCluster
  readonly volumes: StrongVolumes
  readonly tracker: NodeTracker
  readonly door: WireServer
  readonly led: readonly LedWork[]
}

interface Metadata {
  readonly log: MemoryLogClient
  readonly kv: ReplicatedStore
  readonly leadership: StoreLeadership
}

/** What a process of a node runs, put together as `startNode` does. @throws as that does */
export async function startProcess(options: ProcessOptions): Promise<Life> {
  const { id, world, disks, ports, random } = options
  const { log: report, defects } = world
  const { clock } = ports
  const config: Config = { ...world.config, host: options.host, port: CLIENT_PORT, zone: `zone-${options.host}` }
  const shared = { clock, random, log: report, metrics: uncounted }
  const files = disks.filesOf(ports)
  await files.makeFolder(DATA_FOLDER)
  const folder = { path: DATA_FOLDER, nodeId: id, clusterId: CLUSTER_ID }
  const disk = await openDiskChunkStore({ path: CHUNK_FOLDER, files, digests: inlineDigests, clock, random })
  const latch = new StorageLatch(report)
  const metadata = openMetadata(options, latch, () => cluster)
  const { kv, leadership } = metadata
  const watched = world.copies.watchStore(options.host, disk)
  const store: ChunkStore = latch.watchChunks(defects.store?.(watched) ?? watched)
  const cluster: ClusterNode = new ClusterNode({
    ...shared,
    config,
    leadership,
    identity: identityOf(id),
    known: await KnownNodes.open(folder, files),
    tokens: await TokenList.open(DATA_FOLDER, { files, clock }),
    seeds: world
      .hosts()
      .filter((host) => host !== options.host)
      .map((host) => ({ host, port: CLIENT_PORT + 2 })),
    defaultHost: options.host,
    software: SOFTWARE,
    bootstrap: async () => Buffer.alloc(0),
    usage: () => disk.usage(),
    links: ports.links,
    datagrams: ports.datagrams,
  })
  const servedHere = new UnderWay()
  const handOver = new HandOver({ metadata: { store: kv, leadership }, cluster, servedHere, clock, graceMs: GRACE_MS })
  latch.onFailure(() => cluster.announceStorageFailure())
  if (defects.isStubborn !== true) latch.onFailure(() => handOver.runOnceOthersCan())
  const { limits, layouts } = TIMING
  const keys = latch.watchKeys(withDefects(kv, defects), () => true)
  const chunks = new ChunkCluster({
    ...shared,
    digests: inlineDigests,
    storage: { kv: keys, chunks: store },
    cluster,
    figures: { limits, layouts },
  })
  const volumes = assembleVolumes({ kv: keys, chunks: store, folder }, config, {
    ...shared,
    digests: inlineDigests,
    cluster: {
      chunks: chunks.chunks,
      classes: world.copies.watchClasses({
        classes: defects.isHasty === true ? hastyClasses(chunks.classes, store) : chunks.classes,
        records: chunks.records,
      }),
    },
    isCurrent: () => kv.isLeased,
  })
  const tracker = makeTracker({ options, config, keys, cluster, chunks, volumes })
  const servers = makeServers({ options, config, keys, cluster, chunks, volumes, tracker, leadership, kv, servedHere })
  leadership.prepare(async () => volumes.forgetOpened())
  leadership.prepare(() => chunks.prepare())
  leadership.start()
  const forwarded = { base: servers.base, s3: servers.s3 }
  await cluster.listen({ ...forwardMethods(forwarded), ...snapshotMethods(kv), ...leadersEndMethods(kv), ...chunks.methods })
  await chunks.start()
  const door = await WireServer.listen(
    { host: options.host, port: CLIENT_PORT },
    {
      clock,
      log: report,
      listeners: ports.links,
      identity: { clusterId: CLUSTER_ID, nodeId: id, software: SOFTWARE },
      methods: forwardMethods(forwarded, { fromThreads: true }),
    },
  )
  const led = [volumes, tracker].map((work) => new LedWork({ leadership, work, log: report }))
  return { ports, ...metadata, latch, handOver, disk, cluster, chunks, volumes, tracker, door, led }
}

/** In order, as by a signal. */
export async function stopProcess(life: Life): Promise<void> {
  const { log, kv, disk, leadership, handOver, cluster, chunks, volumes, led, door } = life
  await handOver.run()
  await door.close({ graceMs: GRACE_MS })
  await Promise.all(led.map((work) => work.stop()))
  await volumes.close()
  await chunks.stop()
  await leadership.stop()
  await kv.close()
  await log.close()
  await cluster.stop({ graceMs: GRACE_MS })
  await disk.close()
}

/** Lets go of what still waits in a process that is over: signals that somebody listens to are kept by Node until they are aborted. What goes
 *  on then has neither time nor disk nor network. */
export function abandonProcess({ kv, leadership, cluster, chunks, volumes, led }: Life): void {
  const ending = [
    kv.close(),
    leadership.stop(),
    cluster.stop(),
    chunks.stop(),
    volumes.close(),
    ...led.map((work) => work.stop()),
  ]
  for (const end of ending) end.catch(() => {})
}

function openMetadata(
  { id, host, world, disks, ports, random }: ProcessOptions,
  latch: StorageLatch,
  cluster: () => ClusterNode,
): Metadata {
  const { clock } = ports
  const { log: report, defects } = world
  const log = world.openLog(host, ports)
  const between: SharedLog = defects.log?.(log) ?? log
  const kv: ReplicatedStore = new ReplicatedStore({
    base: disks.openMetadata(ports),
    log: between,
    clock,
    random,
    report,
    candidate: { id, address: formatAddress({ host, port: CLIENT_PORT + 2 }) },
    keep: { entries: 200, bytes: 10_000_000 },
    onFailure: (error) => latch.fail(error),
    askLeader: async (leader) => {
      const { end, quietMs } = await askLeadersEnd(cluster().peers, leader)
      return { end, quietMs: defects.isTooTrusting === true ? quietMs * TOO_TRUSTING : quietMs }
    },
    snapshots: new WireSnapshots({
      wire: { call: (...call) => cluster().peers.call(...call) },
      peers: () =>
        cluster()
          .members()
          .filter((member) => member.id !== id && member.liveness === 'alive')
          .toSorted((a, b) => Number(b.id === kv.leader?.id) - Number(a.id === kv.leader?.id))
          .map(({ id: nodeId, facts }) => ({ nodeId, address: { host: facts.host, port: facts.nodePort, nodeId } })),
    }),
  })
  return { log, kv, leadership: new StoreLeadership({ store: kv, nodeId: id, clock, log: report }) }
}

interface Parts {
  readonly options: ProcessOptions
  readonly config: Config
  readonly keys: KeyValueStore
  readonly cluster: ClusterNode
  readonly chunks: ChunkCluster
  readonly volumes: StrongVolumes
}

function makeTracker({ options, config, keys, cluster, chunks, volumes }: Parts): NodeTracker {
  const { log } = options.world
  return new NodeTracker({
    clock: options.ports.clock,
    log,
    metrics: uncounted,
    kv: keys,
    peers: chunks.peers,
    records: chunks.records,
    settle: (name, version) => chunks.settle(name, version),
    cluster,
    volumes,
    digests: inlineDigests,
    sessionMs: config.uploads.expiryMs + config.gc.graceMs,
    repairs: chunks.chunks.repairs,
    drained: async (node) => {
      await chunks.settings.markDrained(node)
      if (chunks.records.view.nodes.get(node)?.isDrained === true) log.info('nothing that a node holds is needed', { node })
    },
    collectEveryMs: config.gc.sweepIntervalMs,
    timing: TIMING.tracker,
    callMs: TIMING.limits.callMs,
    copyMs: TIMING.limits.writeMs,
  })
}

function makeServers(parts: Parts & Pick<Life, 'tracker' | 'leadership' | 'kv'> & { readonly servedHere: UnderWay }): Servers {
  const { options, config, keys, cluster, chunks, volumes, tracker, leadership, kv, servedHere } = parts
  const { world, ports, random } = options
  const shared = { clock: ports.clock, random, log: world.log, metrics: uncounted }
  const seal = new KeySeal(Buffer.alloc(32), random)
  const keyring: KvKeyring = new KvKeyring({ ...shared, kv: keys, seal, changed: () => {} })
  const findKey = findIn(ROOT_KEY, keyring)
  leadership.prepare(() => keyring.reload())
  const authenticator = new BasicAuthenticator({ ...shared, find: findKey })
  const store = world.defects.isUnconfirmed === true ? replacing(kv, { confirm: async () => {} }) : kv
  const followed = followAccess({ store, seal, root: ROOT_KEY, beside: authenticator, ports: shared })
  const copy = { metadata: { store }, access: { followed }, storage: { folder: { nodeId: options.id } } }
  return assembleServers({
    config,
    ports: shared,
    volumes: new AllVolumes(volumes, NO_EVENTUAL, () => leadership.isLeading),
    strong: volumes,
    eventual: NO_EVENTUAL,
    authenticator,
    follower: followerOf({ ...copy, config, chunks, ports: shared }),
    keyring,
    findKey,
    cluster: new NodeClusterAdmin({ cluster, chunks, clock: ports.clock, drainFraction: () => tracker.drainFraction }),
    classes: chunks.desk(volumes),
    tracker,
    leadership: world.defects.isStale === true ? ALWAYS_LEADING : leadership,
    peers: cluster.peers,
    servedHere,
    tls: undefined,
    node: {
      stopping: new AbortController().signal,
      state: () => 'serving',
      status: () => Promise.reject(new Error('not simulated')),
    },
  })
}

/** Certificates play no part in a network in memory. */
function identityOf(nodeId: NodeId): ClusterIdentity {
  const ring: KeyRing = { keys: [{ id: '0'.repeat(16), key: Buffer.alloc(32, 7) }] }
  const identity = {
    name: { clusterId: CLUSTER_ID, nodeId },
    gossip: ring,
    keys: { authority: '' },
    changeGossip: async () => ring,
    renewIfDue: async () => false,
  }
  return identity as unknown as ClusterIdentity
}

function withDefects(kv: ReplicatedStore, { isStale, isForgettingResults }: Defects): KeyValueStore {
  if (isStale === true) return staleReads(kv)
  return isForgettingResults === true ? forgettingResults(kv) : kv
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
