import { openDiskChunkStore } from '#chunk/disk.ts'
import type { DiskChunkStore } from '#chunk/disk.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { nodeUri } from '#foundation/node-uri.ts'
import { MemoryBase, MemoryDisk } from '#kv/memory.ts'
import { ReplicatedStore } from '#kv/replicated.ts'
import type { StateSnapshot } from '#kv/snapshot-transfer.ts'
import { MembershipRunner } from '#membership/membership-runner.ts'
import { silentLog } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import type { ClassPolicy } from '#placement/class-policy.ts'
import type { LayoutPair } from '#placement/layout-pair.ts'
import type { Clock } from '#platform/clock.ts'
import type { Datagrams } from '#platform/datagrams.ts'
import { faultyFiles } from '#platform/faulty-files.ts'
import type { FaultPlan } from '#platform/faulty-files.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import type { MemoryHost, MemoryNetwork } from '#platform/memory-sockets.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { chunkMethods } from '#replication/chunk-methods.ts'
import { ChunkRepairer } from '#replication/chunk-repairer.ts'
import { CopySearch } from '#replication/copy-search.ts'
import { RepairQueue } from '#replication/repair-queue.ts'
import { ReplicatedChunkStore } from '#replication/replicated-store.ts'
import { WireChunkPeers } from '#replication/wire-chunks.ts'
import type { SharedLog } from '#sharedlog/log.ts'
import type { MemoryLogClient } from '#sharedlog/memory.ts'
import { StrongVolumes } from '#volume/strong-volumes.ts'
import type { IncomingCall } from '#wire/methods.ts'
import { WirePeers } from '#wire/peers.ts'
import { WireServer } from '#wire/server.ts'
import { forgetfulFiles } from './forgetful-files.ts'
import { slowFiles } from './slow-files.ts'

export const CLUSTER_ID = 'c1'.repeat(16)
export const NODE_PORT = 7402
const CHUNK_FOLDER = '/data/chunks'
export const GRACE_MS = 1_600

/** What nodes have in common: the world around them. */
export interface World {
  readonly clock: Clock
  readonly random: SeededRandom
  readonly network: MemoryNetwork
  readonly datagrams: Datagrams
  readonly policy: ClassPolicy
  readonly layouts: () => LayoutPair
  /** A connection to the log that the metadata agree by. */
  openLog(node: SimulatedNode): MemoryLogClient
  /** Puts something between a node and the log: a defect that must be found. */
  between(log: MemoryLogClient): SharedLog
  fetchSnapshot(asking: SimulatedNode): Promise<StateSnapshot>
  others(of: SimulatedNode): readonly SimulatedNode[]
  /** Disks say that they have flushed, and haven't. */
  readonly isForgetful: boolean
}

/** What runs between a start and the next crash. */
interface Life {
  readonly log: MemoryLogClient
  readonly kv: ReplicatedStore
  readonly disk: DiskChunkStore
  readonly wire: WirePeers
  readonly server: WireServer
  readonly membership: MembershipRunner
  readonly chunks: ReplicatedChunkStore
  readonly repairs: RepairQueue
  readonly repairer: ChunkRepairer
  readonly volumes: StrongVolumes
  readonly ended: AbortController
}

/** One node: what its process runs, and the machine below it, whose disks outlive the process. */
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
  #lives = 0

  constructor(at: number, options: { readonly world: World; readonly time: Clock; readonly seed: number }) {
    const { world, time, seed } = options
    this.id = (at + 1).toString(16).padStart(32, '0') as NodeId
    this.host = `10.0.0.${at + 1}`
    this.time = time
    this.files = new MemoryFiles({ seed, capacityBytes: 16 * 1024 * 1024, nowMs: () => time.nowMs() })
    this.#world = world
    this.#seed = seed
    this.#sockets = world.network.host(this.host, {
      kind: 'proven',
      uris: [nodeUri({ clusterId: CLUSTER_ID, nodeId: this.id })],
    })
  }

  get isUp(): boolean {
    return this.#life !== undefined
  }

  /** What runs. @throws UNAVAILABLE if nothing does */
  get life(): Life {
    if (this.#life === undefined) throw new ShoalError('UNAVAILABLE', `${this.host} is down`)
    return this.#life
  }

  async start(): Promise<void> {
    this.#lives += 1
    const { time } = this
    const random = new SeededRandom(this.#seed + 1_000 * this.#lives)
    const disk = await this.#openDisk(random)
    const log = this.#world.openLog(this)
    const kv = new ReplicatedStore({
      base: new MemoryBase(this.#metadata),
      log: this.#world.between(log),
      clock: time,
      random,
      candidate: { id: this.id, address: this.host },
      keep: { entries: 200, bytes: 10_000_000 },
      snapshots: { fetchSnapshot: () => this.#world.fetchSnapshot(this) },
    })
    const identity = { clusterId: CLUSTER_ID, nodeId: this.id, software: 'simulated' }
    const wire = new WirePeers({ connector: this.#sockets, clock: time, random, identity })
    const membership = await this.#startMembership(wire, random)
    const peers = new WireChunkPeers({
      self: this.id,
      wire,
      store: disk,
      digests: nodeDigests,
      addressOf: (id) => this.#addressOf(id),
      isHealthy: (id) => id === this.id || membership.member(id)?.state === 'alive',
    })
    const methods = {
      ...chunkMethods({ store: disk, peers, digests: nodeDigests, clock: time }),
      gossip: {
        handle: async ({ header }: IncomingCall) => ({ header: membership.answerExchange(Buffer.from(header as Uint8Array)) }),
      },
    }
    const listening = { listeners: this.#sockets, clock: time, log: silentLog, identity, methods }
    const server = await WireServer.listen({ host: this.host, port: NODE_PORT }, listening)
    const repairs = new RepairQueue()
    const common = { peers, layouts: this.#world.layouts, clock: time, digests: nodeDigests }
    const limits = { replaceAfterMs: 500, writeMs: 4_000, readMs: 2_000, callMs: 1_000 }
    const chunks = new ReplicatedChunkStore({ ...common, policy: this.#world.policy, repairs, limits })
    const search = new CopySearch({ ...common, callMs: limits.callMs })
    const repairer = new ChunkRepairer({ ...common, search, log: silentLog, copyMs: 4_000 })
    const volumes = this.#openVolumes(kv, chunks, random)
    const ended = new AbortController()
    this.#life = { log, kv, disk, wire, server, membership, chunks, repairs, repairer, volumes, ended }
    await membership.join(this.#world.others(this).map(({ host }) => ({ host, port: NODE_PORT }))).catch(() => {})
  }

  /** The power fails: the process is gone, and what its disk had not been told to keep. */
  crash(): void {
    const { log, kv, wire, server, membership, disk, ended } = this.life
    this.#life = undefined
    ended.abort()
    new MemoryBase(this.#metadata)
    this.#world.network.kill(this.host)
    this.files.crash()
    for (const part of [log, kv, wire, server, disk]) void part.close().catch(() => {})
    void membership.stop()
  }

  async stop(): Promise<void> {
    const { log, kv, wire, server, membership, disk, volumes } = this.life
    this.#life = undefined
    await volumes.close()
    await membership.stop()
    await Promise.all([wire.close(), server.close()])
    await kv.close()
    await log.close()
    await disk.close()
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

  async #openDisk(random: SeededRandom): Promise<DiskChunkStore> {
    const delay = (): Promise<void> =>
      this.diskDelayMs === 0 ? Promise.resolve() : this.time.sleep(random.below(this.diskDelayMs))
    const files = faultyFiles(
      slowFiles(this.#world.isForgetful ? forgetfulFiles(this.files) : this.files, delay),
      (operation, path) => this.diskFault(operation, path),
    )
    await this.files.makeFolder('/data')
    return openDiskChunkStore({ path: CHUNK_FOLDER, files, digests: nodeDigests, clock: this.time, random })
  }

  #openVolumes(kv: ReplicatedStore, chunks: ReplicatedChunkStore, random: SeededRandom): StrongVolumes {
    return new StrongVolumes({
      kv,
      chunks,
      clock: this.time,
      random,
      digests: nodeDigests,
      log: silentLog,
      nodeId: this.id,
      changeRingEntries: 10_000,
      uploadExpiryMs: 60_000,
      gcGraceMs: GRACE_MS,
      gcIntervalMs: 1_000,
      sweepIntervalMs: 10_000,
      writeBufferBytes: 16 * 1024 * 1024,
    })
  }

  #startMembership(wire: WirePeers, random: SeededRandom): Promise<MembershipRunner> {
    return MembershipRunner.start({
      id: this.id,
      clusterId: CLUSTER_ID,
      keys: { primary: Buffer.alloc(32, 7) },
      facts: {
        host: this.host,
        nodePort: NODE_PORT,
        restPort: 7400,
        s3Port: 7401,
        roles: ['store', 'meta', 'gateway'],
        zone: this.host,
        capacityBytes: 1e12,
        usedBytes: 0,
        version: 'simulated',
        protocolMin: 1,
        protocolMax: 1,
        weightPercent: 100,
        mode: 'active',
      },
      listen: { host: this.host, port: NODE_PORT },
      exchange: async ({ host, port }, bytes, signal) => {
        const { header } = await wire.call({ host, port }, 'gossip', { header: bytes, signal })
        return Buffer.from(header as Uint8Array)
      },
      datagrams: this.#world.datagrams,
      clock: this.time,
      random,
      log: silentLog,
      metrics: new PromMetrics(),
    })
  }

  #addressOf(id: NodeId): { host: string; port: number; nodeId: NodeId } | undefined {
    const found = this.#world.others(this).find((node) => node.id === id)
    return found === undefined ? undefined : { host: found.host, port: NODE_PORT, nodeId: id }
  }
}
