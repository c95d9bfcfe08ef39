import type { Peers } from '#eventual/message.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Datagrams } from '#platform/datagrams.ts'
import type { Files } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'
import type { Threads } from '#platform/threads.ts'
import type { EventualFigures } from './eventual-cluster.ts'

/** What a node needs from outside; the machine's own clock, random and files unless given. */
export interface NodePorts {
  readonly log: Log
  /** Of Shoal: shown by the status, written into a new data folder. */
  readonly version: string
  readonly clock?: Clock
  readonly random?: Random
  readonly files?: Files
  readonly metrics?: Metrics
  readonly threads?: Threads
  readonly datagrams?: Datagrams
  /** What messages about eventual volumes pass through on their way to other nodes. */
  readonly eventualPeers?: (peers: Peers) => Peers
  /** Other figures of eventual volumes than their own: for tests in which things happen often. */
  readonly eventualFigures?: EventualFigures
}
