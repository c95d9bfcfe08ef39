import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certify, makeAuthority, makeRequest } from '#cluster/certificates.ts'
import type { CertifiedKey } from '#cluster/certificates.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { NodeName } from '#foundation/node-uri.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { NodeProcesses } from '#platform/node-processes.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { NodeSockets } from '#platform/node-sockets.ts'
import { WirePeers } from '#wire/peers.ts'
import { WireServer } from '#wire/server.ts'
import { freePort } from '../../test/support/node-process.ts'
import { ClusterMetadata } from './cluster-metadata.ts'
import type { ClusterMetadataOptions } from './cluster-metadata.ts'
import type { MetaNode } from './managed-etcd.ts'
import { WireSnapshots } from './metadata-snapshots.ts'

/** A node as far as its metadata is concerned; all of it can be handed to another process. */
export interface MetadataNodeConfig {
  readonly name: NodeName
  readonly dataPath: string
  readonly nodePort: number
  readonly authority: CertifiedKey
  readonly pair: CertifiedKey
  readonly mode: ClusterMetadataOptions['mode']
  /** Of an etcd that the nodes don't run. */
  readonly external?: { readonly endpoints: readonly string[] }
  readonly keep?: { readonly entries: number; readonly bytes: number }
}

export interface MetadataNode {
  readonly metadata: ClusterMetadata
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const ROUND_MS = 150
/** So that a test sees a lost voter replaced. */
const LIMITS = { votersMax: 5, replaceAfterMs: 1_500, learnerPatienceMs: 20_000 } as const

/** Opens the node's metadata, with calls between nodes over TLS. */
export async function openMetadataNode(
  { name, authority, pair, ...config }: MetadataNodeConfig,
  nodes: () => readonly MetaNode[],
): Promise<MetadataNode> {
  const { nodePort } = config
  const sockets = new NodeSockets({ authority: authority.certificate, pair })
  const identity = { ...name, software: 'test' }
  const ports = { clock: nodeClock, random: nodeRandom }
  const wire = new WirePeers({ connector: sockets, ...ports, identity })
  const others = () => nodes().filter(({ nodeId, isAlive }) => nodeId !== name.nodeId && isAlive)
  const snapshots = new WireSnapshots({
    wire,
    peers: () => others().map(({ nodeId, host, nodePort: port }) => ({ nodeId, address: { host, port, nodeId } })),
  })
  const metadata = await ClusterMetadata.open({
    ...config,
    ...ports,
    identity: { name, authority },
    listenHost: HOST,
    host: HOST,
    mayLead: true,
    nodes,
    snapshots,
    limits: LIMITS,
    roundMs: ROUND_MS,
    files: nodeFiles,
    processes: new NodeProcesses(),
    log: silentLog,
  })
  metadata.leadership.start()
  const { methods } = metadata
  const options = { listeners: sockets, clock: nodeClock, log: silentLog, identity, methods }
  const server = await WireServer.listen({ host: HOST, port: nodePort }, options)
  return {
    metadata,
    async stop() {
      await server.close()
      await metadata.close()
      await wire.close()
    },
  }
}

/** Makes the configurations of nodes of one cluster, in folders that go with it. */
export class MetadataNodes {
  readonly #folder: string
  readonly #authority: CertifiedKey
  readonly #made: MetadataNodeConfig[] = []
  readonly #dead = new Set<NodeId>()

  static async make(): Promise<MetadataNodes> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-cluster-metadata-'))
    return new MetadataNodes(folder, await makeAuthority(CLUSTER_ID, Date.now(), nodeRandom))
  }

  private constructor(folder: string, authority: CertifiedKey) {
    this.#folder = folder
    this.#authority = authority
  }

  /** All that were made. */
  get configs(): readonly MetadataNodeConfig[] {
    return this.#made
  }

  /** The first one founds. */
  async add({ external, ...options }: Pick<MetadataNodeConfig, 'keep' | 'external'> = {}): Promise<MetadataNodeConfig> {
    const at = this.#made.length
    const name = { clusterId: CLUSTER_ID, nodeId: (at + 10).toString(16).repeat(32).slice(0, 32) as NodeId }
    const { request, key } = await makeRequest(name)
    const authority = this.#authority
    const certificate = await certify({ authority, name, request, nowMs: Date.now(), random: nodeRandom })
    const dataPath = join(this.#folder, `node-${at}`)
    await mkdir(dataPath)
    const [founder] = this.#made
    const endpoints = founder === undefined ? [] : [`https://${HOST}:${founder.nodePort + 2}`]
    const config: MetadataNodeConfig = {
      ...options,
      name,
      dataPath,
      nodePort: await freePort(),
      authority,
      pair: { certificate, key },
      ...(external === undefined
        ? { mode: { kind: 'managed', endpoints, isFounder: founder === undefined } }
        : { mode: { kind: 'external' }, external }),
    }
    this.#made.push(config)
    return config
  }

  markDead({ name }: MetadataNodeConfig, isDead = true): void {
    if (isDead) this.#dead.add(name.nodeId)
    else this.#dead.delete(name.nodeId)
  }

  readonly list = (): MetaNode[] =>
    this.#made.map(({ name, nodePort }, sinceMs) => ({
      ...{ nodeId: name.nodeId, host: HOST, nodePort, zone: 'a', sinceMs },
      isAlive: !this.#dead.has(name.nodeId),
    }))

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }
}

const CLUSTER_ID = 'c1'.repeat(16)
