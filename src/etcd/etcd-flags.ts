import type { NodeId } from '#foundation/ids.ts'

/** Files in PEM, one pair for clients and members: etcd shows it to whoever calls and to whom it calls, so its certificate has to
 *  be for both (serverAuth and clientAuth). It has to name the addresses that this machine is called by and calls other members
 *  from: they compare the two (https://etcd.io/docs/v3.4/op-guide/security/#notes-for-tls-authentication). */
export interface EtcdTlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** Who isn't certified by it is refused. */
  readonly caFile: string
}

/** Where one node's etcd is, and whom it belongs to. */
export interface EtcdPlace {
  readonly nodeId: NodeId
  /** Members of another cluster are refused. */
  readonly clusterId: string
  /** An address to listen on. */
  readonly listenHost: string
  /** What others call it by. */
  readonly host: string
  readonly clientPort: number
  readonly peerPort: number
  /** Of a cluster that is founded: members of one with another token are refused, also if everything else is the same. Its id, unless given. */
  readonly foundingToken?: string
  /** Without, everything is plain. */
  readonly tls?: EtcdTlsFiles
}

/** A member as the one that joins has to be told of it. */
export interface EtcdPeer {
  readonly name: string
  readonly peerUrls: readonly string[]
}

/** 'found' makes a cluster of one, 'resume' goes on with the data that is there; who joins names all members there are, with itself,
 *  which has been added. Once there is data, etcd looks at nothing else. */
export type EtcdBeginning = 'found' | 'resume' | readonly EtcdPeer[]

/** The shared log keeps 256 MiB (`TRIM_LIMITS`), and overwritten revisions stay for two compactions, 2 min: at 10 MB/s of
 *  entries, ten times what 10,000 small changes a second are, 1.2 GB. Twice that, and room for several logs. etcd advises
 *  against more than 8 GiB (https://etcd.io/docs/v3.4/dev-guide/limit/). */
const QUOTA_BYTES = 4 * 1024 ** 3
/** Readers follow within milliseconds; one that is further behind than this reads the entries themselves again. */
const COMPACTION_RETENTION = '1m'
/** Until so many entries have come since its last snapshot a member has all of them in memory as well, and 5,000 from before it: 3.4 and 3.5 wait for
 *  100,000 unless told, which of ours would be gigabytes, and 3.6 for 10,000. A member that was away for longer gets the database. */
const SNAPSHOT_COUNT = 2_000
/** etcd's defaults, good for up to 50 ms there and back between members: a heartbeat of about that time, an election after ten
 *  of them (https://etcd.io/docs/v3.4/tuning/). With them a dead leader is replaced within 2 s, and we promise 3 s. */
const HEARTBEAT_MS = 100
const ELECTION_MS = 1_000

export function clientUrlOf(place: EtcdPlace): string {
  return urlOf(place, place.host, place.clientPort)
}

export function peerUrlOf(place: EtcdPlace): string {
  return urlOf(place, place.host, place.peerPort)
}

/** The command line of etcd 3.4 and later: https://etcd.io/docs/v3.4/op-guide/configuration/. */
export function etcdFlags(place: EtcdPlace, dataPath: string, beginning: EtcdBeginning): string[] {
  const peers = typeof beginning === 'string' ? [{ name: place.nodeId, peerUrls: [peerUrlOf(place)] }] : beginning
  return [
    `--name=${place.nodeId}`,
    `--data-dir=${dataPath}`,
    `--listen-client-urls=${urlOf(place, place.listenHost, place.clientPort)}`,
    `--advertise-client-urls=${clientUrlOf(place)}`,
    `--listen-peer-urls=${urlOf(place, place.listenHost, place.peerPort)}`,
    `--initial-advertise-peer-urls=${peerUrlOf(place)}`,
    `--initial-cluster=${initialCluster(peers, place)}`,
    `--initial-cluster-state=${beginning === 'found' ? 'new' : 'existing'}`,
    `--initial-cluster-token=${place.foundingToken ?? place.clusterId}`,
    `--quota-backend-bytes=${QUOTA_BYTES}`,
    `--snapshot-count=${SNAPSHOT_COUNT}`,
    '--auto-compaction-mode=periodic',
    `--auto-compaction-retention=${COMPACTION_RETENTION}`,
    `--heartbeat-interval=${HEARTBEAT_MS}`,
    `--election-timeout=${ELECTION_MS}`,
    // A member that was cut off and is back doesn't unseat the leader.
    '--pre-vote=true',
    // The JSON door is not for pages in somebody's browser: neither by their scripts, nor under names that lead here.
    '--cors=https://shoal.invalid:1',
    `--host-whitelist=${[...new Set([place.host, place.listenHost, '127.0.0.1', '::1', 'localhost'])].join(',')}`,
    '--logger=zap',
    '--log-outputs=stderr',
    '--log-level=info',
    ...tlsFlags(place.tls),
  ]
}

/** etcd compares it with what the members say, by peer URLs; one that has never run has no name there yet. */
function initialCluster(peers: readonly EtcdPeer[], place: EtcdPlace): string {
  const own = peerUrlOf(place)
  return peers
    .flatMap(({ name, peerUrls }, at) => {
      const called = peerUrls.includes(own) ? place.nodeId : name === '' ? `not-started-${at}` : name
      return peerUrls.map((url) => `${called}=${url}`)
    })
    .join(',')
}

function tlsFlags(tls: EtcdTlsFiles | undefined): string[] {
  if (tls === undefined) return []
  const { certFile, keyFile, caFile } = tls
  return [
    ...[`--cert-file=${certFile}`, `--key-file=${keyFile}`, `--trusted-ca-file=${caFile}`, '--client-cert-auth=true'],
    ...[`--peer-cert-file=${certFile}`, `--peer-key-file=${keyFile}`, `--peer-trusted-ca-file=${caFile}`],
    '--peer-client-cert-auth=true',
  ]
}

function urlOf({ tls }: EtcdPlace, host: string, port: number): string {
  return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
