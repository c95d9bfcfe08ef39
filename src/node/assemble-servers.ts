import type { BasicAuthenticator } from '#access/basic-authenticator.ts'
import type { Keyring } from '#access/keyring.ts'
import type { FindKey } from '#access/principal.ts'
import type { Config } from '#config/settings.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { ForwardingDoor } from '#gateway/http/forwarding-door.ts'
import type { Forwarding } from '#gateway/http/forwarding-door.ts'
import { HttpMetrics } from '#gateway/http/http-metrics.ts'
import { DEFAULT_HTTP_LIMITS } from '#gateway/http/limits.ts'
import type { DoorPlace } from '#gateway/http/server.ts'
import { HttpServer } from '#gateway/http/server.ts'
import type { TlsMaterial } from '#gateway/http/tls-material.ts'
import type { UnderWay } from '#gateway/http/under-way.ts'
import type { BackupSource } from '#gateway/rest/backup-source.ts'
import type { ClusterAdmin } from '#gateway/rest/cluster-admin.ts'
import type { HandedFiles } from '#gateway/rest/handed-files.ts'
import { PlacingDoor } from '#gateway/rest/place-volume.ts'
import { RestDoor } from '#gateway/rest/rest-door.ts'
import type { RestServices } from '#gateway/rest/route.ts'
import type { TrackerAdmin } from '#gateway/rest/tracker-admin.ts'
import { PrincipalNames } from '#gateway/s3/access/principal-names.ts'
import type { S3Services } from '#gateway/s3/operation.ts'
import { S3Door } from '#gateway/s3/s3-door.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { ClassDesk } from '#system/class-desk.ts'
import type { AllVolumes } from '#volume/all-volumes.ts'
import type { EventualVolumes } from '#volume/eventual-volumes.ts'
import type { FsckOptions } from '#volume/fsck.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import type { WirePeers } from '#wire/peers.ts'
import { assembleWebdav } from './assemble-webdav.ts'
import { noTraffic, SheddingDoor } from './connection-shares.ts'
import type { Traffic } from './connection-shares.ts'
import { LeaderAnswers } from './leader-answers.ts'
import { LeaderForwarding } from './leader-forwarding.ts'
import { isDavTop, isOfEventual, isVolumeList } from './eventual-requests.ts'
import { FollowerDoor } from './follower-door.ts'
import type { FollowerReads } from './follower-reads.ts'
import type { Leadership } from './leadership.ts'
import { ListingDoor } from './listing-door.ts'
import { isOwnView } from './own-view.ts'
import { S3Requests } from './s3-requests.ts'
import { isFileView, withheldServices } from './withheld-services.ts'

export interface ServerParts {
  readonly config: Config
  readonly volumes: AllVolumes
  readonly strong: StrongVolumes
  readonly eventual: Pick<EventualVolumes, 'has' | 'count'>
  readonly authenticator: BasicAuthenticator
  readonly keyring: Keyring
  readonly cluster: ClusterAdmin
  readonly leadership: Leadership
  /** What gossip says of a node; all run unless given. */
  readonly isRunning?: (node: NodeId) => boolean
  /** What this node can read while it doesn't lead; nothing unless given. */
  readonly follower?: FollowerReads | undefined
  /** To send requests on. */
  readonly peers: Pick<WirePeers, 'call'>
  readonly classes: ClassDesk
  readonly tracker: TrackerAdmin
  /** `undefined` where none can be made. */
  readonly backup?: BackupSource | undefined
  /** Where programs of this machine hand files over; they can't unless given. */
  readonly handed?: HandedFiles
  readonly findKey: FindKey
  readonly ports: { readonly log: Log; readonly clock: Clock; readonly random: Random; readonly metrics: Metrics }
  readonly tls: TlsMaterial | undefined
  /** Is given the requests that are served here. */
  readonly servedHere: UnderWay
  /** What the node tells of itself over REST. */
  readonly node: Pick<RestServices, 'state' | 'status' | 'stopping'>
}

/** A node's servers, not yet listening: the base port's, and that of S3. */
export interface Servers {
  readonly base: HttpServer
  readonly s3: HttpServer
  readonly traffic: { readonly base: Traffic; readonly s3: Traffic }
}

export function assembleServers(parts: ServerParts): Servers {
  const httpMetrics = new HttpMetrics(parts.ports.metrics)
  const { authenticator, leadership, peers } = parts
  const { strong } = parts
  const settleRequest = parts.volumes.settleRequest.bind(parts.volumes)
  const remembers = parts.volumes.remembers.bind(parts.volumes)
  const services = { ...parts, ...parts.node, settleRequest, remembers, fsck: (options: FsckOptions) => strong.fsck(options) }
  const restDoor = assembleRest(services, httpMetrics)
  const traffic = { base: noTraffic(), s3: noTraffic() }
  const isServedHere = (exchange: Exchange) => isOwnView(exchange, authenticator) || isOfEventual(exchange, parts.eventual)
  const baseForwarding = new LeaderForwarding({ leadership, peers, isServedHere })
  const forwarded = (door: Door) => forwarding(parts, { server: 'base', door, forwarding: baseForwarding })
  const nearest = followerDoors(parts, httpMetrics)
  const leader = new LeaderAnswers({ leadership, peers, isRunning: parts.isRunning, clock: parts.ports.clock })
  const hasLeader = () => leader.isThere()
  const webdav = assembleWebdav(parts).map(({ door, ...place }) => {
    const elsewhere = nearest.base('webdav', forwarded(door))
    return { ...place, door: new ListingDoor({ here: door, elsewhere, isListing: isDavTop, hasLeader }) }
  })
  const listed = new ListingDoor({
    here: restDoor,
    elsewhere: nearest.base('rest', forwarded(restDoor)),
    isListing: isVolumeList,
    hasLeader,
  })
  const rest = { prefix: '/', door: new PlacingDoor({ here: restDoor, elsewhere: listed }) }
  const base = [...webdav, rest].map((place) => ({ ...place, door: new SheddingDoor(place.door, traffic.base) }))
  const s3Requests = new S3Requests(parts.config.s3.domains)
  const s3Here = assembleS3({ ...parts, settleRequest })
  const isS3ServedHere = (exchange: Exchange) => s3Requests.isOfEventual(exchange, parts.eventual)
  const s3Forwarding = new LeaderForwarding({ leadership, peers, isServedHere: isS3ServedHere })
  const s3Elsewhere = forwarding(parts, { server: 's3', door: s3Here, forwarding: s3Forwarding })
  const isListing = (exchange: Exchange) => s3Requests.isListing(exchange)
  const s3 = new ListingDoor({ here: s3Here, elsewhere: nearest.s3(s3Elsewhere), isListing, hasLeader })
  const s3Door = new SheddingDoor(s3, traffic.s3)
  return {
    base: assembleServer(parts, httpMetrics, base),
    s3: assembleServer(parts, httpMetrics, [{ prefix: '/', door: s3Door }]),
    traffic,
  }
}

/** Puts before a door one that answers by the copy of a node that doesn't lead, where there is one. */
interface FollowerDoors {
  base(which: 'rest' | 'webdav', elsewhere: Door): Door
  s3(elsewhere: Door): Door
}

function followerDoors(parts: ServerParts, httpMetrics: HttpMetrics): FollowerDoors {
  const { follower, leadership, eventual, config, ports } = parts
  if (follower === undefined) return { base: (_, elsewhere) => elsewhere, s3: (elsewhere) => elsewhere }
  const { volumes, access } = follower
  const own = { config, ports, volumes, authenticator: access.authenticator }
  const [webdav] = assembleWebdav(own)
  const doors = { webdav: webdav.door, rest: assembleRest({ ...own, ...withheldServices() }, httpMetrics) }
  const s3 = assembleS3({ config, ports, volumes, keyring: access.keys, findKey: access.findKey })
  const requests = new S3Requests(config.s3.domains)
  const shared = { reads: follower, isLeading: () => leadership.isLeading }
  return {
    base(which, elsewhere) {
      const mayTry = (exchange: Exchange): boolean => isFileView(exchange) && !isOfEventual(exchange, eventual)
      return new FollowerDoor({ ...shared, door: doors[which], elsewhere, mayTry })
    },
    s3(elsewhere) {
      const mayTry = (exchange: Exchange): boolean => !requests.isListing(exchange) && !requests.isOfEventual(exchange, eventual)
      return new FollowerDoor({ ...shared, door: s3, elsewhere, mayTry })
    },
  }
}

/** The door behind one that sends requests on to the node that leads. */
function forwarding(
  { ports: { clock, log }, servedHere }: ServerParts,
  parts: { readonly server: 'base' | 's3'; readonly door: Door; readonly forwarding: Forwarding },
): Door {
  return new ForwardingDoor({ ...parts, servedHere, clock, log: log.child({ part: 'forwarding' }) })
}

/** What the REST door is made of. */
export type RestParts = Pick<ServerParts, 'config' | 'ports'> &
  Omit<RestServices, 'log' | 'clock' | 'random' | 'metrics' | 'httpMetrics' | 'limits'>

export function assembleRest(parts: RestParts, httpMetrics: HttpMetrics): Door {
  const { config, ports, volumes, authenticator, keyring, cluster, classes, tracker, backup, state, status, stopping, fsck } =
    parts
  const { settleRequest, remembers, handed } = parts
  const { limits } = config
  return new RestDoor({
    ...ports,
    ...(settleRequest === undefined ? {} : { settleRequest }),
    ...(remembers === undefined ? {} : { remembers }),
    state,
    status,
    stopping,
    fsck,
    volumes,
    authenticator,
    keyring,
    cluster,
    classes,
    tracker,
    backup,
    handed,
    log: ports.log.child({ door: 'rest' }),
    httpMetrics,
    limits: { maxBodyBytes: limits.maxBodyBytes, maxConcurrentUploads: limits.maxConcurrentUploads },
  })
}

/** What the S3 door is made of. */
export type S3Parts = Pick<ServerParts, 'config' | 'findKey' | 'ports'> & {
  readonly volumes: S3Services['volumes']
  readonly settleRequest?: NonNullable<S3Services['settleRequest']>
  readonly keyring: Pick<Keyring, 'list'>
}

export function assembleS3({ config, volumes, keyring, findKey, ports, settleRequest }: S3Parts): Door {
  const { limits, s3 } = config
  return new S3Door({
    volumes,
    ...(settleRequest === undefined ? {} : { settleRequest }),
    findKey,
    names: new PrincipalNames(() => keyring.list().map(({ principal }) => principal)),
    objectOwnership: s3.objectOwnership,
    clock: ports.clock,
    random: ports.random,
    log: ports.log.child({ door: 's3' }),
    limits: { maxBodyBytes: limits.maxBodyBytes, maxConcurrentUploads: limits.maxConcurrentUploads },
    region: s3.region,
    domains: s3.domains,
  })
}

export function assembleServer(
  { config, ports, tls }: Pick<ServerParts, 'config' | 'ports' | 'tls'>,
  metrics: HttpMetrics,
  doors: readonly DoorPlace[],
): HttpServer {
  const { limits } = config
  return new HttpServer({
    doors,
    limits: {
      ...DEFAULT_HTTP_LIMITS,
      maxConnections: limits.maxConnections,
      maxHeaderBytes: limits.maxHeaderBytes,
      headersTimeoutMs: limits.requestTimeoutMs,
      bodyIdleMs: limits.idleBodyTimeoutMs,
    },
    clock: ports.clock,
    random: ports.random,
    log: ports.log.child({ part: 'http', door: doors.at(-1)?.door.name }),
    metrics,
    requestLog: config.log.level === 'debug' ? 'all' : 'errors',
    tls,
  })
}
