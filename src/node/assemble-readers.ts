import { join } from 'node:path'
import type { Credentials } from '#access/principal.ts'
import type { Config } from '#config/settings.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { NodeUnixSockets } from '#platform/node-unix-sockets.ts'
import type { SharedStamp } from '#platform/shared-stamp.ts'
import type { Threads } from '#platform/threads.ts'
import type { SharedPins } from '#volume/shared-pins.ts'
import { READ_BUFFERS_KEPT } from '#volume/strong-volumes.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import type { Servers } from './assemble-servers.ts'
import type { Leadership } from './leadership.ts'
import type { NodeTls } from './node-tls.ts'
import type { Storage } from './open-storage.ts'
import { ReaderThreads } from './reader-threads.ts'

/** What the system takes as the path of a socket. */
const SOCKET_PATH_BYTES_MAX = 107
/** Of one reader; together threads keep as many as the one that writes does. */
const READ_BUFFERS_KEPT_MIN = 3

export interface ReaderParts {
  readonly config: Config
  readonly storage: Storage
  readonly cluster: { readonly leadership: Pick<Leadership, 'isLeading'> }
  /** The metadata of a cluster, if it is on several nodes. */
  readonly metadata: object | undefined
  readonly credentials: Credentials
  readonly access: { readonly stamp: SharedStamp }
  readonly volumesStamp: SharedStamp
  readonly pins: SharedPins
  readonly volumes: Pick<StrongVolumes, 'settle'>
  readonly tls: NodeTls | undefined
  readonly servers: Servers
  readonly ports: {
    readonly log: Log
    readonly version: string
    readonly clock: Clock
    readonly metrics: Metrics
    readonly threads: Threads | undefined
  }
}

/** The node's reader threads, none of them started; `undefined` where there can't be any. */
export function assembleReaders(parts: ReaderParts): ReaderThreads | undefined {
  const { config, storage, cluster, metadata, credentials, access, volumesStamp, pins, volumes, tls, servers, ports } = parts
  const { threads, clock, log, metrics } = ports
  if (threads === undefined || !threads.canSharePorts || storage.signals.durable < 0) return undefined
  // Metadata that is on one node stays there; on several, another node may have changed it, which the memory here doesn't tell.
  if (metadata !== undefined || !cluster.leadership.isLeading) return undefined
  const max = Math.min(config.readers.max, threads.cores - 1)
  if (max < 1) return undefined
  const { path: dataPath, nodeId, clusterId } = storage.folder
  const socketPath = join(dataPath, 'threads.sock')
  if (Buffer.byteLength(socketPath) > SOCKET_PATH_BYTES_MAX) {
    log.warn('no reader threads: the path of the data folder is too long for a socket', { path: socketPath })
    return undefined
  }
  return new ReaderThreads({
    threads,
    clock,
    log,
    metrics,
    files: nodeFiles,
    sockets: new NodeUnixSockets(),
    max,
    start: {
      config,
      dataPath,
      credentials: { accessKey: credentials.accessKey, secretKey: credentials.secretKey },
      identity: { clusterId, nodeId, software: ports.version },
      socketPath,
      readBuffersKept: Math.max(READ_BUFFERS_KEPT_MIN, Math.floor(READ_BUFFERS_KEPT / max)),
      memory: {
        signals: storage.signals.memory,
        volumesStamp: volumesStamp.memory,
        keysStamp: access.stamp.memory,
        pins: pins.memory,
      },
    },
    tls: tls?.material,
    servers,
    placeOf: (id) => storage.disk.placeOf(id),
    settle: (volume) => volumes.settle(volume),
  })
}
