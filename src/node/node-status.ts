import type { StatusDocument } from '#gateway/rest/schemas.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import type { NodeState } from '#gateway/rest/route.ts'
import type { KeyValueReader } from '#kv/store.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import type { Leadership } from './leadership.ts'

/** What it tells of where the metadata is agreed on. */
type MetadataStatus = StatusDocument['metadata']

export interface NodeIdentity {
  readonly version: string
  readonly nodeId: string
  readonly clusterId: string
  readonly startedNs: bigint
}

/** What `GET /status` answers. */
export async function describeNode(
  node: NodeIdentity,
  now: {
    readonly state: NodeState
    readonly uptimeMs: number
    readonly metadata: MetadataStatus
    readonly eventual: StatusDocument['eventual']
    readonly clocks: StatusDocument['clocks']
  },
  volumes: Pick<StrongVolumes, 'status'>,
  copy: Pick<KeyValueReader, 'read'> | undefined,
): Promise<StatusDocument> {
  const { isStale, ...status } = await statusOf(volumes, copy)
  const { chunks } = status
  return {
    version: node.version,
    nodeId: node.nodeId,
    clusterId: node.clusterId,
    startedAt: formatTimestamp(node.startedNs),
    uptimeSeconds: Math.floor(now.uptimeMs / 1000),
    state: now.state,
    volumes: status.volumes,
    usage: { bytes: status.usage.bytes, files: status.usage.files },
    chunks: {
      chunks: chunks.chunks,
      liveBytes: chunks.liveBytes,
      storedBytes: chunks.storedBytes,
      capacityBytes: chunks.capacityBytes ?? 0,
      freeBytes: chunks.freeBytes ?? 0,
    },
    garbage: status.garbage,
    uploads: status.uploads,
    changes: { cursor: status.cursor },
    clocks: now.clocks,
    metadata: isStale ? { ...now.metadata, stale: true } : now.metadata,
    eventual: now.eventual,
  }
}

/** What may keep a node from saying what is the newest: nobody can be asked, the disk keeps nothing more, the log is another one. */
const NOT_KNOWN: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'STORAGE_FAILED', 'DATA_IN_USE'])

/** Nobody needs to know how a node is doing more than when the metadata can't be agreed on, or can't be kept here: then it tells what it has
 *  seen of it. */
async function statusOf(volumes: Pick<StrongVolumes, 'status'>, copy: Pick<KeyValueReader, 'read'> | undefined) {
  try {
    return { ...(await volumes.status()), isStale: false }
  } catch (error) {
    if (copy === undefined || !isShoalError(error) || !NOT_KNOWN.has(error.code)) throw error
    return { ...(await volumes.status(copy)), isStale: true }
  }
}

export async function describeMetadata(
  metadata: Pick<ClusterMetadata, 'status'> | undefined,
  leadership: Leadership,
): Promise<MetadataStatus> {
  const leader = leadership.isGone === true ? undefined : leadership.leader()?.nodeId
  const known = leader === undefined ? {} : { leader }
  if (metadata === undefined) return { mode: 'home', ...known }
  const { mode, position, members, problem } = await metadata.status()
  const wrong = problem === undefined ? {} : { problem }
  if (mode === 'external') return { mode, position, ...wrong, ...known }
  const described = members.map(({ name, role, isHealthy, isLeader }) => ({ name, role, healthy: isHealthy, leader: isLeader }))
  return { mode, position, members: described, ...wrong, ...known }
}
