import type { Credentials } from '#access/principal.ts'
import { ClusterIdentity } from '#cluster/identity.ts'
import { readIdentity } from '#cluster/identity-file.ts'
import { joinCluster } from '#cluster/join.ts'
import { decodeJoinToken } from '#cluster/join-token.ts'
import { TokenList } from '#cluster/token-list.ts'
import type { Config } from '#config/settings.ts'
import { ENTRY_ROWS } from '#eventual/keys.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { DataFolder } from '#platform/data-folder.ts'
import type { Files } from '#platform/files.ts'
import type { Datagrams } from '#platform/datagrams.ts'
import { nodeDatagrams } from '#platform/node-datagrams.ts'
import { nodeMachine } from '#platform/node-machine.ts'
import { NodeProcesses } from '#platform/node-processes.ts'
import { NodeSockets, presentedCertificates } from '#platform/node-sockets.ts'
import type { Random } from '#platform/random.ts'
import type { Connector, SocketAddress } from '#platform/sockets.ts'
import { WirePeers } from '#wire/peers.ts'
import { keepBootstrap, readBootstrap } from './bootstrap.ts'
import { SYSTEM_ROWS } from '#system/system-rows.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import { advertisedHost, ClusterNode } from './cluster-node.ts'
import { KnownNodes, readKnownNodes } from './known-nodes.ts'
import { learnMetadataMode } from './metadata-mode-call.ts'
import { openMetadata } from './open-metadata.ts'
import type { Storage } from './open-storage.ts'

export interface OpenClusterOptions {
  readonly config: Config
  readonly folder: DataFolder
  /** What the folder holds. */
  readonly stores: Pick<Storage, 'kv' | 'eventualKv' | 'chunks' | 'mode' | 'replaceKeys' | 'latch'>
  /** The root key that the node is started with, if it isn't the one in the folder. */
  readonly rootKey: Credentials | undefined
  /** The version of Shoal. */
  readonly version: string
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  /** The machine's own unless given. */
  readonly datagrams?: Datagrams | undefined
}

export interface OpenedCluster {
  readonly cluster: ClusterNode
  /** Of the cluster that the node belongs to. */
  readonly folder: DataFolder
  /** Its metadata, unless that lives on one node; `stores.kv` is it then. */
  readonly metadata: ClusterMetadata | undefined
}

/** Makes the node one of a cluster: of the one in its folder, of the one that it is told to join, or of one that it founds. Keys of the
 *  cluster are in the folder when the promise resolves; the door for other nodes isn't open yet.
 *  @throws INVALID_ARGUMENT, UNAUTHENTICATED, FORBIDDEN, CONFLICT, UNAVAILABLE (joining); DATA_FORMAT, NO_SPACE, STORAGE_FAILED */
export async function openCluster(options: OpenClusterOptions): Promise<OpenedCluster> {
  const { config, files, clock, random, log, metrics, version, stores, rootKey } = options
  const { identity, folder, seeds } = await identify(options)
  const known = await KnownNodes.open(folder, files)
  const defaultHost = nodeMachine.addresses()[0] ?? nodeMachine.hostName
  const links = new NodeSockets(identity.keys)
  if (known.home !== folder.nodeId) await learnMode(options, identity, known, { connector: links, dataPath: folder.path })
  // Its metadata and its company need each other; nobody else is known before the node listens.
  let cluster: ClusterNode | undefined = undefined as ClusterNode | undefined
  const metadata = await openMetadata({
    ...options,
    dataPath: folder.path,
    storage: stores,
    identity,
    isHome: known.home === folder.nodeId,
    host: advertisedHost(config, defaultHost),
    members: () => cluster?.members() ?? [],
    peers: () => cluster?.peers,
  })
  cluster = new ClusterNode({
    leadership: metadata?.leadership,
    config: { ...config, role: metadata?.mode === 'managed' ? await rolesWith(config, log) : config.role },
    identity,
    known,
    tokens: await TokenList.open(folder.path, { files, clock }),
    seeds: [...config.join, ...seeds],
    defaultHost,
    software: version,
    bootstrap: () =>
      readBootstrap(folder.path, { home: known.home, removed: [...known.removed] }, { files, configured: rootKey }),
    usage: () => stores.chunks.usage(),
    links,
    datagrams: options.datagrams ?? nodeDatagrams,
    clock,
    random,
    log: log.child({ part: 'cluster' }),
    metrics,
  })
  return { cluster, folder, metadata }
}

/** A node that can't run etcd is asked for no vote: it would keep others from theirs. */
async function rolesWith({ role }: Config, log: Log): Promise<Config['role']> {
  if (!role.includes('meta') || (await new NodeProcesses().find('etcd')) !== undefined) return role
  log.warn('there is no program "etcd" here, so this node has no vote on the metadata: install etcd-server, then restart it')
  return role.filter((each) => each !== 'meta')
}

async function learnMode(
  { version, files, clock, random, log }: OpenClusterOptions,
  { name }: ClusterIdentity,
  known: KnownNodes,
  { connector, dataPath }: { readonly connector: Connector; readonly dataPath: string },
): Promise<void> {
  const peers = new WirePeers({ connector, clock, random, identity: { ...name, software: version } })
  const nodes = known.nodes.map(({ id, host, port }) => ({ nodeId: id, host, port }))
  await learnMetadataMode({ dataPath, nodes, peers, files, log })
  await peers.close()
}

interface Identified {
  readonly identity: ClusterIdentity
  readonly folder: DataFolder
  readonly seeds: readonly SocketAddress[]
}

async function identify(options: OpenClusterOptions): Promise<Identified> {
  const { config, folder, version, files } = options
  const ports = { files, clock: options.clock, random: options.random, log: options.log }
  if (config.token === undefined) {
    if (config.join.length > 0) await requireMember(folder, files)
    const identity = await ClusterIdentity.open(folder, ports)
    return { identity, folder: { ...folder, clusterId: identity.name.clusterId }, seeds: [] }
  }
  const { clusterId } = decodeJoinToken(config.token)
  return joinCluster(
    {
      folder,
      token: config.token,
      ...(config.join.length === 0 ? {} : { addresses: config.join }),
      software: version,
      hasData: () => hasData(options),
      keepBootstrap: (bytes) => keepBootstrap(folder.path, bytes, { clusterId, nodes: [], files }),
    },
    { ...ports, presentedCertificates, makeConnector: (security) => new NodeSockets(security) },
  )
}

/** A node that joined once finds its cluster without a token; a new one needs one. */
async function requireMember({ path, nodeId }: DataFolder, files: Files): Promise<void> {
  const [identity, known] = [await readIdentity(files, path), await readKnownNodes(path, files)]
  const isMember = identity !== undefined && known?.clusterId === identity.name.clusterId
  if (isMember && isInCompany(known, nodeId)) return
  throw new ShoalError(
    'INVALID_ARGUMENT',
    `The data folder "${path}" belongs to no cluster with other nodes, so joining one takes a token: run "shoal cluster token" on a node of that cluster, and give what it prints with --token or SHOAL_TOKEN`,
  )
}

/** Whether something would be lost if the folder went to another cluster. */
async function hasData({ folder, stores, files }: OpenClusterOptions): Promise<boolean> {
  // What it has is the cluster's.
  if (stores.mode.kind !== 'home') return true
  // What every node notes of its cluster by itself is no loss.
  for (const range of [{ end: SYSTEM_ROWS.start }, { start: SYSTEM_ROWS.end }])
    for await (const _row of stores.kv.range({ ...range, limit: 1 })) return true
  for await (const _row of stores.eventualKv.range({ ...ENTRY_ROWS, limit: 1 })) return true
  if ((await stores.chunks.usage()).chunks > 0) return true
  const known = await readKnownNodes(folder.path, files)
  return known?.clusterId === folder.clusterId && isInCompany(known, folder.nodeId)
}

function isInCompany({ home, nodes }: { home: NodeId; nodes: readonly unknown[] }, self: NodeId): boolean {
  return home !== self || nodes.length > 0
}
