import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDiskChunkStore } from '#chunk/disk.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { certify, makeAuthority, makeRequest } from '#cluster/certificates.ts'
import type { CertifiedKey } from '#cluster/certificates.ts'
import type { NodeId } from '#foundation/ids.ts'
import { nodeUri } from '#foundation/node-uri.ts'
import { silentLog } from '#observe/log.ts'
import { parseClassPolicy } from '#placement/class-policy.ts'
import type { Ack } from '#placement/class-policy.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import { nodes } from '#placement/nodes.suite.ts'
import type { Clock } from '#platform/clock.ts'
import type { MemoryNetwork } from '#platform/memory-sockets.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { NodeSockets } from '#platform/node-sockets.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { Connector, Listeners, SocketAddress } from '#platform/sockets.ts'
import { WirePeers } from '#wire/peers.ts'
import { WireServer } from '#wire/server.ts'
import type { WireIdentity } from '#wire/server.ts'
import { chunkMethods } from './chunk-methods.ts'
import type { ChunkMethodLimits } from './chunk-methods.ts'
import { ChunkRepairer } from './chunk-repairer.suite.ts'
import { CopySearch } from './copy-search.ts'
import { RepairQueue } from './repair-queue.ts'
import { ReplicatedChunkStore } from './replicated-store.ts'
import type { ReplicationLimits } from './replicated-store.ts'
import { WireChunkPeers } from './wire-chunks.ts'

const CLUSTER_ID = 'c1'.repeat(16)

/** How nodes reach each other. */
export interface TestNetwork {
  /** What node `id` connects and listens with. */
  sockets(id: NodeId): Promise<Connector & Listeners>
  addressFor(at: number): SocketAddress
}

let authority: Promise<CertifiedKey> | undefined
const certified = new Map<NodeId, Promise<NodeSockets>>()

/** Mutual TLS on loopback; certificates are made once for each id. */
export function tlsNetwork(): TestNetwork {
  return {
    addressFor: () => ({ host: '127.0.0.1', port: 0 }),
    sockets: (id) => {
      const known = certified.get(id) ?? certifiedSockets(id)
      certified.set(id, known)
      return known
    },
  }
}

async function certifiedSockets(nodeId: NodeId): Promise<NodeSockets> {
  authority ??= makeAuthority(CLUSTER_ID, Date.now(), nodeRandom)
  const issuer = await authority
  const name = { clusterId: CLUSTER_ID, nodeId }
  const { request, key } = await makeRequest(name)
  const certificate = await certify({ authority: issuer, name, request, nowMs: Date.now(), random: nodeRandom })
  return new NodeSockets({ authority: issuer.certificate, pair: { certificate, key } })
}

/** Sockets in memory, whose pieces are of random sizes. */
export function memoryNetwork(network: MemoryNetwork): TestNetwork {
  return {
    addressFor: (at) => ({ host: `node-${at}`, port: 7402 }),
    sockets: async (id) =>
      network.host(`node-${Number.parseInt(id, 16)}`, { kind: 'proven', uris: [nodeUri({ clusterId: CLUSTER_ID, nodeId: id })] }),
  }
}

export function openTestDisk(path: string, clock: Clock): Promise<ChunkStore> {
  return openDiskChunkStore({ path, files: nodeFiles, digests: nodeDigests, clock, random: new SeededRandom(1) })
}

export interface WireClusterOptions {
  readonly count?: number
  /** Whether the first node, which writes and reads, has chunks itself; it has unless told otherwise. */
  readonly isWriterStore?: boolean
  readonly copies?: number
  readonly ack?: Ack
  readonly clock?: Clock
  readonly network?: TestNetwork
  /** What the nodes keep chunks in; unless given, a folder for each below the system's temporary one. */
  readonly stores?: readonly ChunkStore[]
  readonly limits?: Partial<ReplicationLimits>
  readonly methodLimits?: Partial<ChunkMethodLimits>
}

/** A node that keeps chunks and is called for them. */
export interface WireNode {
  readonly id: NodeId
  readonly store: ChunkStore
  readonly folder: string
  readonly wire: WirePeers
  readonly peers: WireChunkPeers
  server: WireServer
  address: SocketAddress
  isUp: boolean
}

/** Nodes in one process that call each other over sockets; the first one writes and reads for clients. */
export class WireCluster {
  readonly nodes: readonly WireNode[]
  readonly repairs = new RepairQueue()
  readonly store: ReplicatedChunkStore
  readonly repairer: ChunkRepairer
  readonly pair: LayoutPair
  readonly removed: Set<NodeId>
  readonly #folder: string | undefined

  private constructor(
    options: Required<Omit<WireClusterOptions, 'network' | 'stores' | 'methodLimits' | 'isWriterStore'>>,
    parts: ClusterParts,
  ) {
    const { clock, copies, ack, limits } = options
    this.nodes = parts.nodes
    this.pair = parts.pair
    this.removed = parts.removed
    this.#folder = parts.folder
    const { peers } = this.nodes[0] as WireNode
    const common = { peers, layouts: () => this.pair, clock, digests: nodeDigests }
    const policy = parseClassPolicy({ name: 'test', copies, ack })
    this.store = new ReplicatedChunkStore({ ...common, policy, repairs: this.repairs, limits })
    const search = new CopySearch({ ...common, callMs: 5_000 })
    this.repairer = new ChunkRepairer({ ...common, search, copyMs: 10_000 })
  }

  static async open(options: WireClusterOptions = {}): Promise<WireCluster> {
    const { count = 4, copies = 3, ack = 'all', clock = nodeClock, stores, limits = {}, methodLimits = {} } = options
    const network = options.network ?? tlsNetwork()
    const members = nodes(count)
    const removed = new Set<NodeId>()
    const folder = stores === undefined ? await mkdtemp(join(tmpdir(), 'shoal-copies-')) : undefined
    const holding = options.isWriterStore === false ? members.slice(1) : members
    const pair = new LayoutPair(computeLayout({ nodes: holding, copies, partitionBits: 8 }))
    const made: WireNode[] = []
    const find = (id: NodeId): WireNode | undefined => made.find((node) => node.id === id)
    for (const [at, { id }] of members.entries()) {
      const path = join(folder ?? '', `node-${at}`)
      const store = stores?.[at] ?? (await openTestDisk(path, clock))
      const sockets = await network.sockets(id)
      const identity: WireIdentity = { clusterId: CLUSTER_ID, nodeId: id, software: 'test' }
      const wire = new WirePeers({ connector: sockets, clock, random: new SeededRandom(at), identity })
      const addressOf = (node: NodeId): (SocketAddress & { nodeId: NodeId }) | undefined => {
        const found = removed.has(node) ? undefined : find(node)
        return found === undefined ? undefined : { ...found.address, nodeId: node }
      }
      const isHealthy = (node: NodeId): boolean => find(node)?.isUp ?? false
      const peers = new WireChunkPeers({ self: id, wire, addressOf, store, isHealthy, digests: nodeDigests })
      const methods = chunkMethods({ store, peers, digests: nodeDigests, clock, limits: methodLimits })
      const isRemoved = (node: NodeId): boolean => removed.has(node)
      const server = await WireServer.listen(network.addressFor(at), {
        listeners: sockets,
        clock,
        log: silentLog,
        identity,
        methods,
        isRemoved,
      })
      made.push({ id, store, folder: path, wire, peers, server, address: server.address, isUp: true })
    }
    return new WireCluster({ count, copies, ack, clock, limits }, { nodes: made, pair, folder, removed })
  }

  node(id: NodeId | undefined): WireNode {
    const found = this.nodes.find((node) => node.id === id)
    if (found === undefined) throw new Error(`There is no node ${id}`)
    return found
  }

  /** The node dies as far as the others can see: its sockets are destroyed, and nobody listens. `isNoticed`: membership knows. */
  async kill(node: WireNode, { isNoticed = false } = {}): Promise<void> {
    node.isUp = !isNoticed
    await Promise.all([node.server.close(), node.wire.close()])
  }

  async cleanUp(): Promise<void> {
    await Promise.all(this.nodes.map(({ wire }) => wire.close()))
    await Promise.all(this.nodes.map(({ server }) => server.close()))
    if (this.#folder === undefined) return
    await Promise.all(this.nodes.map(({ store }) => store.close()))
    await rm(this.#folder, { recursive: true, force: true })
  }
}

interface ClusterParts {
  readonly nodes: readonly WireNode[]
  readonly pair: LayoutPair
  readonly folder: string | undefined
  readonly removed: Set<NodeId>
}
