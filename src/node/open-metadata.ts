import type { ClusterIdentity } from '#cluster/identity.ts'
import type { Config } from '#config/settings.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { MemberView } from '#membership/member.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import { NodeProcesses } from '#platform/node-processes.ts'
import type { Random } from '#platform/random.ts'
import type { EtcdOptions } from '#sharedlog/etcd-client.ts'
import type { WirePeers } from '#wire/peers.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import { askLeadersEnd } from './leaders-end.ts'
import type { MetaNode } from './managed-etcd.ts'
import { publishMetadataMode, readMetadataMode } from './metadata-mode.ts'
import type { MetadataMode } from './metadata-mode.ts'
import type { SnapshotPeer } from './metadata-snapshots.ts'
import type { Storage } from './open-storage.ts'

export interface OpenMetadataOptions {
  readonly config: Config
  readonly dataPath: string
  readonly storage: Pick<Storage, 'replaceKeys' | 'latch'>
  readonly identity: ClusterIdentity
  /** Whether the strong volumes live on this node, as long as they live on one. */
  readonly isHome: boolean
  /** What others call this node by. */
  readonly host: string
  /** The cluster's nodes, as this one knows them. */
  readonly members: () => readonly MemberView[]
  /** How they are called, once they can be. */
  readonly peers: () => Pick<WirePeers, 'call'> | undefined
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** The part of this node in the cluster's metadata, put in the place of its own; `undefined` where the strong volumes live on one node.
 *  @throws INVALID_ARGUMENT, UNAVAILABLE (etcd is to run here and can't), DATA_FORMAT, NO_SPACE, STORAGE_FAILED */
export async function openMetadata(options: OpenMetadataOptions): Promise<ClusterMetadata | undefined> {
  const { config, storage, files } = options
  const mode = await chooseMode(options)
  if (mode.kind === 'home') return undefined
  if (config.port === 0) throw invalid('The nodes of a cluster have to find this one again: choose a --port other than 0')
  const external = mode.kind === 'external' ? await readExternal(config, files) : undefined
  let metadata: ClusterMetadata | undefined
  await storage.replaceKeys(async () => (metadata = await open(options, mode, external)))
  return metadata
}

/** What the folder remembers, or what is asked for the first time. */
async function chooseMode({ config, dataPath, isHome, files }: OpenMetadataOptions): Promise<MetadataMode> {
  const kept = await readMetadataMode(files, dataPath)
  const asked = config.cluster ? 'managed' : config.etcd.length > 0 ? 'external' : undefined
  if (kept.kind === 'external' && config.etcd.length === 0)
    throw invalid('The metadata of this cluster is agreed on by an etcd that you run: name its members with --etcd')
  if (kept.kind !== 'home') {
    if (asked === undefined || asked === kept.kind) return kept
    const now = kept.kind === 'managed' ? 'an etcd that its nodes run' : 'an etcd that you run'
    throw invalid(
      `The metadata of this cluster is agreed on by ${now}, which can't be changed: start it without --cluster and --etcd, or as before`,
    )
  }
  if (asked === undefined) return kept
  if (!isHome)
    throw invalid(
      'The strong volumes of this cluster live on the node that founded it: give --cluster or --etcd there first, then restart this node without them',
    )
  if (!config.role.includes('meta'))
    throw invalid('The node that founds a cluster has to lead its metadata: give it the role meta too, or none at all')
  const mode: MetadataMode = asked === 'external' ? { kind: asked } : { kind: asked, endpoints: [], isFounder: true }
  // From now on the folder is the cluster's, whatever it is started with; without the program it stays as it was, and the start fails.
  const isPossible = config.port !== 0 && (asked === 'external' || (await new NodeProcesses().find('etcd')) !== undefined)
  if (isPossible) await publishMetadataMode(files, dataPath, mode)
  return mode
}

async function open(
  options: OpenMetadataOptions,
  mode: Exclude<MetadataMode, { kind: 'home' }>,
  external: EtcdOptions | undefined,
): Promise<ClusterMetadata> {
  const { config, identity, members, log } = options
  // Some 9 MB of programs and libraries, which a node whose metadata is on it alone does without.
  const [{ WireSnapshots }, cluster] = await Promise.all([import('./metadata-snapshots.ts'), import('./cluster-metadata.ts')])
  // Snapshots may be wanted while it opens.
  const opened: { metadata?: ClusterMetadata } = {}
  const wire: Pick<WirePeers, 'call'> = { call: async (...call) => (options.peers() ?? notYet()).call(...call) }
  const snapshots = new WireSnapshots({
    wire,
    peers: () => peersOf(members(), identity.name.nodeId, opened.metadata),
  })
  opened.metadata = await cluster.ClusterMetadata.open({
    ...options,
    log: log.child({ part: 'metadata' }),
    mode,
    listenHost: config.host,
    nodePort: config.port + 2,
    ...(external === undefined ? {} : { external }),
    mayLead: config.role.includes('meta'),
    nodes: () =>
      members()
        .filter(({ facts }) => facts.roles.includes('meta'))
        .map(metaNodeOf),
    snapshots,
    askLeader: (leader) => askLeadersEnd(wire, leader),
    onFailure: (error) => options.storage.latch.fail(error),
    processes: new NodeProcesses(),
  })
  return opened.metadata
}

function metaNodeOf({ id, facts, liveness, sinceMs }: MemberView): MetaNode {
  const { host, nodePort, zone } = facts
  return { nodeId: id, host, nodePort, zone, isAlive: liveness === 'alive' || liveness === 'suspect', sinceMs }
}

/** Whoever leads first. */
function peersOf(members: readonly MemberView[], self: string, metadata: ClusterMetadata | undefined): SnapshotPeer[] {
  const leader = metadata?.leadership.leader()?.nodeId
  return members
    .filter(({ id, liveness }) => id !== self && liveness === 'alive')
    .toSorted((a, b) => Number(b.id === leader) - Number(a.id === leader))
    .map(({ id, facts }) => ({ nodeId: id, address: { host: facts.host, port: facts.nodePort, nodeId: id } }))
}

async function readExternal(config: Config, files: Files): Promise<EtcdOptions> {
  const { etcd: endpoints, etcdUser: name, etcdPassword: password } = config
  const read = async (setting: 'etcdCa' | 'etcdCert' | 'etcdKey'): Promise<string | undefined> => {
    const path = config[setting]
    if (path === undefined) return undefined
    const bytes = await files.read(path).catch((cause: unknown) => {
      throw storageError(cause, `read "${path}" ("${setting}")`)
    })
    if (bytes !== undefined) return bytes.toString()
    throw invalid(`"${setting}" names "${path}", which doesn't exist`)
  }
  const [ca, cert, key] = await Promise.all([read('etcdCa'), read('etcdCert'), read('etcdKey')])
  return {
    endpoints,
    tls: { ...(ca === undefined ? {} : { ca }), ...(cert === undefined || key === undefined ? {} : { cert, key }) },
    ...(name === undefined || password === undefined ? {} : { user: { name, password } }),
  }
}

function notYet(): never {
  throw new ShoalError('UNAVAILABLE', 'This node calls no others yet')
}

function invalid(message: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', message)
}
