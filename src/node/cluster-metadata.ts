import { join } from 'node:path'
import type { ClusterIdentity } from '#cluster/identity.ts'
import { assert } from '#foundation/assert.ts'
import type { ObservedMember } from '#etcd/etcd-member.ts'
import type { EtcdState } from '#etcd/etcd-supervisor.ts'
import type { VoterLimits } from '#etcd/plan-voters.ts'
import { drainLmdbJournal, openLmdbBase } from '#kv/lmdb.ts'
import { ReplicatedStore } from '#kv/replicated.ts'
import type { ReplicatedStoreOptions } from '#kv/replicated-options.ts'
import type { SnapshotSource } from '#kv/snapshot-transfer.ts'
import type { TrimLimits } from '#kv/trim-policy.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Files } from '#platform/files.ts'
import type { Processes } from '#platform/processes.ts'
import type { Random } from '#platform/random.ts'
import type { EtcdOptions } from '#sharedlog/etcd-client.ts'
import { EtcdLog } from '#sharedlog/etcd.ts'
import type { WireMethods } from '#wire/methods.ts'
import { EtcdHealth } from './etcd-health.ts'
import type { Leader } from './leadership.ts'
import { ManagedEtcd } from './managed-etcd.ts'
import type { MetaNode } from './managed-etcd.ts'
import { publishMetadataMode } from './metadata-mode.ts'
import type { MetadataMode } from './metadata-mode.ts'
import { leadersEndMethods } from './leaders-end.ts'
import { snapshotMethods } from './metadata-snapshots.ts'
import { formatAddress, StoreLeadership } from './store-leadership.ts'

export interface ClusterMetadataOptions {
  /** The node's data folder, locked; the metadata is `meta` in it. */
  readonly dataPath: string
  readonly mode: Exclude<MetadataMode, { kind: 'home' }>
  readonly identity: Pick<ClusterIdentity, 'name' | 'authority'>
  /** An address to listen on, and what others call this node by. */
  readonly listenHost: string
  readonly host: string
  readonly nodePort: number
  /** How to reach an etcd that somebody else runs: for `external`. */
  readonly external?: Omit<EtcdOptions, 'callTimeoutMs'>
  /** False for a node that only follows. */
  readonly mayLead: boolean
  /** Members of the cluster that are able to run etcd, this node too. */
  readonly nodes: () => readonly MetaNode[]
  readonly snapshots: SnapshotSource
  /** As of a `ReplicatedStore`. */
  readonly askLeader?: ReplicatedStoreOptions['askLeader']
  /** As of a `ReplicatedStore`. */
  readonly onFailure?: ReplicatedStoreOptions['onFailure']
  readonly limits?: VoterLimits
  readonly roundMs?: number
  readonly keep?: TrimLimits
  readonly files: Files
  readonly processes: Processes
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface ClusterMetadataStatus {
  readonly mode: 'managed' | 'external'
  readonly leader: Leader | undefined
  /** The last entry of the log that has been seen here. */
  readonly position: number
  /** The process on this node, of a managed etcd; and its members, as far as they answer. */
  readonly etcd: EtcdState | undefined
  readonly members: readonly ObservedMember[]
  /** Why this node takes no more of the metadata, or why etcd doesn't answer. */
  readonly problem: string | undefined
}

/** This node's copy of a cluster's metadata, and its part in agreeing on it. */
export class ClusterMetadata {
  readonly store: ReplicatedStore
  readonly leadership: StoreLeadership
  /** What other nodes call this one for. */
  readonly methods: WireMethods
  readonly mode: ClusterMetadataOptions['mode']['kind']
  readonly #log: EtcdLog
  readonly #etcd: ManagedEtcd | undefined
  readonly #health: EtcdHealth

  /** Opens what is in the data folder; metadata that a single node has there becomes the cluster's if this node founds its log.
   *  Nothing waits for a leader. @throws UNAVAILABLE if etcd is to run here and can't; NO_SPACE, STORAGE_FAILED, DATA_FORMAT */
  static async open(options: ClusterMetadataOptions): Promise<ClusterMetadata> {
    const { dataPath, files, mode } = options
    const path = join(dataPath, 'meta')
    await drainLmdbJournal(path, { files })
    const base = await openLmdbBase(path)
    const health = new EtcdHealth(options)
    const log = new LateLog(health)
    let etcd: ManagedEtcd | undefined
    try {
      etcd = mode.kind === 'managed' ? await startEtcd(options, mode, log) : undefined
      log.connect(options, etcd)
    } catch (error) {
      await base.close()
      await etcd?.stop()
      throw error
    }
    const { clock, random, identity, host, nodePort, mayLead, keep, log: report } = options
    const { snapshots, askLeader, onFailure } = options
    const { nodeId } = identity.name
    const candidate = mayLead ? { id: nodeId, address: formatAddress({ host, port: nodePort }) } : undefined
    const kept = keep === undefined ? {} : { keep }
    const asked = { snapshots, askLeader, onFailure }
    const store = new ReplicatedStore({ base, log: log.value, clock, random, candidate, report, ...asked, ...kept })
    const leadership = new StoreLeadership({ store, nodeId, clock, log: report })
    log.isLeading = () => leadership.isLeading
    return new ClusterMetadata({ mode: mode.kind, store, leadership, log: log.value, etcd, health })
  }

  private constructor(parts: {
    readonly mode: ClusterMetadataOptions['mode']['kind']
    readonly store: ReplicatedStore
    readonly leadership: StoreLeadership
    readonly log: EtcdLog
    readonly etcd: ManagedEtcd | undefined
    readonly health: EtcdHealth
  }) {
    const { mode, store, leadership, log, etcd, health } = parts
    this.store = store
    this.leadership = leadership
    this.methods = { ...snapshotMethods(store), ...leadersEndMethods(store) }
    this.mode = mode
    this.#log = log
    this.#etcd = etcd
    this.#health = health
  }

  async status(): Promise<ClusterMetadataStatus> {
    const members = (await this.#etcd?.observe().catch(() => [])) ?? []
    const { leadership, store } = this
    const failure =
      store.failure === undefined ? undefined : `${store.failure.message}; once that is mended, start this node again`
    const problem = failure ?? this.#health.problem
    return { mode: this.mode, leader: leadership.leader(), position: store.position, etcd: this.#etcd?.state, members, problem }
  }

  /** Lets another node lead, then ends etcd here. Repeating it is harmless. */
  async close(): Promise<void> {
    await this.leadership.stop()
    await this.store.close()
    await this.#log.close()
    await this.#etcd?.stop()
  }
}

/** The log comes after etcd, whose members are known some time after it was started. */
class LateLog {
  isLeading = (): boolean => false
  readonly #health: EtcdHealth
  #log: EtcdLog | undefined
  #endpoints: readonly string[] | undefined

  constructor(health: EtcdHealth) {
    this.#health = health
  }

  get value(): EtcdLog {
    assert(this.#log !== undefined, 'The log is connected to before it is used')
    return this.#log
  }

  connect({ clock, identity, external }: ClusterMetadataOptions, etcd: ManagedEtcd | undefined): void {
    const health = this.#health
    const prefix = `shoal/${identity.name.clusterId}/system/`
    this.#log =
      etcd === undefined
        ? new EtcdLog({ endpoints: [], ...external, prefix, clock, health })
        : new EtcdLog({ endpoints: this.#endpoints ?? etcd.endpoints, tls: () => etcd.keys, prefix, clock, health })
  }

  useLeading(endpoint: string | undefined): void {
    this.#log?.useLeading(endpoint)
  }

  useEndpoints(endpoints: readonly string[]): void {
    this.#endpoints = endpoints
    this.#log?.useEndpoints(endpoints)
  }
}

function startEtcd(
  options: ClusterMetadataOptions,
  mode: Extract<MetadataMode, { kind: 'managed' }>,
  log: LateLog,
): Promise<ManagedEtcd> {
  const { dataPath, files } = options
  return ManagedEtcd.start({
    ...options,
    ...mode,
    isLeading: () => log.isLeading(),
    onLeading: (endpoint) => log.useLeading(endpoint),
    onFounding: (endpoints) => publishMetadataMode(files, dataPath, { ...mode, endpoints }),
    onVoters: async (endpoints) => {
      log.useEndpoints(endpoints)
      await publishMetadataMode(files, dataPath, { kind: 'managed', endpoints, isFounder: false })
    },
  })
}
