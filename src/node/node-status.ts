import type { StatusDocument } from '#gateway/rest/schemas.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import type { NodeState } from '#gateway/rest/route.ts'
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
  },
  volumes: StrongVolumes,
): Promise<StatusDocument> {
  const status = await volumes.status()
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
    metadata: now.metadata,
    eventual: now.eventual,
  }
}

export async function describeMetadata(
  metadata: Pick<ClusterMetadata, 'status'> | undefined,
  leadership: Leadership,
): Promise<MetadataStatus> {
  const leader = leadership.leader()?.nodeId
  const known = leader === undefined ? {} : { leader }
  if (metadata === undefined) return { mode: 'home', ...known }
  const { mode, position, members } = await metadata.status()
  if (mode === 'external') return { mode, position, ...known }
  const described = members.map(({ name, role, isHealthy, isLeader }) => ({ name, role, healthy: isHealthy, leader: isLeader }))
  return { mode, position, members: described, ...known }
}
