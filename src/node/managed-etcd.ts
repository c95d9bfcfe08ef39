import { join } from 'node:path'
import type { ClusterIdentity } from '#cluster/identity.ts'
import { EtcdDoor } from '#etcd/etcd-door.ts'
import { clientUrlOf, peerUrlOf } from '#etcd/etcd-flags.ts'
import type { EtcdPlace } from '#etcd/etcd-flags.ts'
import type { ObservedMember } from '#etcd/etcd-member.ts'
import { EtcdMembers } from '#etcd/etcd-members.ts'
import { EtcdSupervisor } from '#etcd/etcd-supervisor.ts'
import type { EtcdState } from '#etcd/etcd-supervisor.ts'
import { EtcdVoters } from '#etcd/etcd-voters.ts'
import type { VoterLimits } from '#etcd/plan-voters.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Files } from '#platform/files.ts'
import type { Processes } from '#platform/processes.ts'
import type { Random } from '#platform/random.ts'
import { EtcdCertificates } from './etcd-certificates.ts'
import type { EtcdKeys } from './etcd-certificates.ts'
import { EtcdSeat } from './etcd-seat.ts'

/** The ports of etcd lie behind the one for nodes, which is base + 2. */
const CLIENT_PORT_OFFSET = 2
const PEER_PORT_OFFSET = 3
/** Between two looks at who votes: a newcomer has its vote after two of them. */
const ROUND_MS = 2_000
const CERTIFICATE_LOOK_MS = 12 * 3_600_000
const SNAPSHOT_MS = 6 * 3_600_000

/** A node of the cluster, as membership knows it. */
export interface MetaNode {
  readonly nodeId: NodeId
  readonly host: string
  readonly nodePort: number
  readonly zone: string
  readonly isAlive: boolean
  readonly sinceMs: number
}

export interface ManagedEtcdOptions {
  /** The node's data folder. */
  readonly dataPath: string
  readonly identity: Pick<ClusterIdentity, 'name' | 'authority'>
  /** An address to listen on, and what others call this node by. */
  readonly listenHost: string
  readonly host: string
  readonly nodePort: number
  readonly isFounder: boolean
  /** Of members, as last known. */
  readonly endpoints: readonly string[]
  /** Told of this node's own client URL before it begins the etcd, since whoever joins before the members were looked at has to ask somebody. */
  readonly onFounding: (endpoints: readonly string[]) => Promise<void>
  /** Told of the voters' client URLs when they are others. */
  readonly onVoters: (endpoints: readonly string[]) => Promise<void>
  /** Told, while this node leads the metadata, which member leads etcd, by its client URL; again and again. */
  readonly onLeading: (endpoint: string | undefined) => void
  /** Members of the cluster that are able to run etcd, this node too. */
  readonly nodes: () => readonly MetaNode[]
  /** Whether this node is the one that decides who votes. */
  readonly isLeading: () => boolean
  readonly limits?: VoterLimits
  readonly roundMs?: number
  readonly files: Files
  readonly processes: Processes
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** The etcd that the nodes of a cluster run together, seen from one of them: its own member, certificates for it, and, while this node
 *  leads the metadata, who votes. */
export class ManagedEtcd {
  readonly #options: ManagedEtcdOptions
  readonly #certificates: EtcdCertificates
  readonly #members: EtcdMembers
  readonly #seat: EtcdSeat
  readonly #stopping = new AbortController()
  #loops: Promise<unknown> = Promise.resolve()

  /** @throws UNAVAILABLE without the program, if this node is to begin etcd or has its data; NO_SPACE, STORAGE_FAILED */
  static async start(options: ManagedEtcdOptions): Promise<ManagedEtcd> {
    const { dataPath, identity, host, listenHost, files, clock, random, log } = options
    const places = [host, listenHost]
    const certificates = await EtcdCertificates.open({ dataPath, identity, places, files, clock, random, log })
    const etcd = new ManagedEtcd(options, certificates)
    try {
      if (options.isFounder) await options.onFounding(etcd.endpoints)
      await etcd.#seat.start()
    } catch (error) {
      await etcd.stop()
      throw error
    }
    etcd.#loops = Promise.all([etcd.#rounds(), etcd.#renewals(), etcd.#snapshots()])
    return etcd
  }

  private constructor(options: ManagedEtcdOptions, certificates: EtcdCertificates) {
    const { dataPath, files, processes, clock, log, isFounder, onVoters } = options
    this.#options = options
    this.#certificates = certificates
    // When the cluster's etcd is founded a second time, members of the first one that come back are strangers.
    const foundingToken = `${options.identity.name.clusterId}-${options.random.bytes(4).toString('hex')}`
    const place = { ...placeOf(options, certificates), foundingToken }
    this.#members = new EtcdMembers({
      endpoints: endpointsOf(options, place),
      connect: (endpoint) => new EtcdDoor({ endpoint, tls: certificates.keys }),
    })
    const supervisor = new EtcdSupervisor({ processes, files, clock, log, dataPath })
    this.#seat = new EtcdSeat({ place, supervisor, members: this.#members, clock, log, isFounder, onVoters })
  }

  /** What connections to members are made with; another one after a renewal. */
  get keys(): EtcdKeys {
    return this.#certificates.keys
  }

  /** Where to ask before anything was heard of members. */
  get endpoints(): readonly string[] {
    return endpointsOf(this.#options, placeOf(this.#options, this.#certificates))
  }

  /** Of the process on this node. */
  get state(): EtcdState {
    return this.#seat.state
  }

  /** @throws UNAVAILABLE */
  observe(): Promise<readonly ObservedMember[]> {
    return this.#members.observe()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#loops
    await this.#seat.stop()
    await this.#members.close()
  }

  async #rounds(): Promise<void> {
    const { clock, log, limits, isLeading, roundMs = ROUND_MS } = this.#options
    let voters: EtcdVoters | undefined
    while (await this.#slept(roundMs)) {
      // Since when a member is silent is counted from the beginning of the term.
      if (!isLeading()) voters = undefined
      else {
        voters ??= new EtcdVoters({ members: this.#members, clock, log, ...(limits === undefined ? {} : { limits }) })
        await this.#round(voters)
      }
    }
  }

  async #round(voters: EtcdVoters): Promise<void> {
    const nodes = this.#options.nodes().map(({ nodeId, zone, isAlive, sinceMs, ...node }) => {
      const peerUrl = peerUrlOf(placeOf({ ...this.#options, ...node }, this.#certificates))
      return { nodeId, zone, isAlive, sinceMs, peerUrl }
    })
    try {
      const { kind } = await voters.round(nodes)
      if (kind === 'nothing') await this.#leadElsewhere()
    } catch (error) {
      const level = isShoalError(error, 'UNAVAILABLE') ? 'debug' : 'warn'
      this.#options.log[level]('the members of etcd could not be changed', { error })
    }
  }

  /** Sees to it that etcd isn't led on the node that leads the metadata: if both die at once, etcd has to elect first, and then gives the
   *  lease of the metadata's leader all of its time anew, since nobody knows when that was renewed last: 5 s instead of 2.5. */
  async #leadElsewhere(): Promise<void> {
    const { identity, log } = this.#options
    const members = await this.#members.observe()
    const leading = members.find(({ isLeader }) => isLeader)
    const [endpoint] = leading?.clientUrls ?? []
    this.#options.onLeading(endpoint)
    if (endpoint === undefined || leading?.name !== identity.name.nodeId) return
    const other = members.find((member) => member !== leading && member.role === 'voter' && member.isHealthy && member.isCaughtUp)
    if (other === undefined) return
    await this.#members.handOn(endpoint, other.id)
    this.#options.onLeading(other.clientUrls[0])
    log.info('let another node lead etcd', { nodeId: other.name })
  }

  async #renewals(): Promise<void> {
    while (await this.#slept(CERTIFICATE_LOOK_MS)) {
      try {
        // What is connected goes on with the certificate before, which is good for some weeks.
        if (await this.#certificates.renewIfDue()) await this.#members.close()
      } catch (error) {
        this.#options.log.warn('the certificate of etcd could not be renewed', { error })
      }
    }
  }

  /** Of all that etcd holds, where the metadata is led: `etcd-snapshot.db` in the data folder. */
  async #snapshots(): Promise<void> {
    const { dataPath, files, isLeading, log } = this.#options
    const { signal } = this.#stopping
    while (await this.#slept(SNAPSHOT_MS)) {
      if (!isLeading()) continue
      try {
        await this.#members.saveSnapshot(join(dataPath, 'etcd-snapshot.db'), { files, signal })
      } catch (error) {
        if (!signal.aborted) log.warn('no snapshot of etcd could be saved', { error })
      }
    }
  }

  /** False when it is time to stop. */
  async #slept(delayMs: number): Promise<boolean> {
    await this.#options.clock.sleep(delayMs, this.#stopping.signal).catch(() => {})
    return !this.#stopping.signal.aborted
  }
}

function placeOf(
  { identity, listenHost, host, nodePort }: Pick<ManagedEtcdOptions, 'identity' | 'listenHost' | 'host' | 'nodePort'>,
  { files }: EtcdCertificates,
): EtcdPlace {
  const ports = { clientPort: nodePort + CLIENT_PORT_OFFSET, peerPort: nodePort + PEER_PORT_OFFSET }
  return { ...identity.name, listenHost, host, ...ports, tls: files }
}

/** The founder asks itself: before its etcd has run there is nobody else, and it may have moved since. */
function endpointsOf({ endpoints, isFounder }: ManagedEtcdOptions, place: EtcdPlace): readonly string[] {
  return isFounder || endpoints.length === 0 ? [clientUrlOf(place)] : endpoints
}
