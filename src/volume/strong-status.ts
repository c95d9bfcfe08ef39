import type { ChunkUsage } from '#chunk/store.ts'
import type { Snapshot } from '#kv/store.ts'
import { nextChange } from '#metadata/change-feed.ts'
import { countGarbageChunks } from '#metadata/collector.ts'
import { volumePrefix } from '#metadata/keys.ts'
import type { VolumeUsage } from '#metadata/policy.ts'
import { VolumeView } from '#metadata/transaction.ts'
import { listUploads } from '#metadata/uploads.ts'
import { describeVolume, listVolumes } from '#metadata/volumes.ts'

export interface StrongVolumesStatus {
  readonly volumes: number
  readonly usage: VolumeUsage
  readonly chunks: ChunkUsage
  /** Chunks that nothing uses, as far as they were counted. */
  readonly garbage: { readonly chunks: number; readonly hasMore: boolean }
  readonly uploads: number
  readonly cursor: string
}

/** What there is, as of one moment. */
export function describeVolumes(snapshot: Snapshot): Omit<StrongVolumesStatus, 'chunks'> {
  let usage = { files: 0, bytes: 0 }
  let uploads = 0
  const volumes = [...listVolumes(snapshot)]
  for (const record of volumes) {
    const { files, bytes } = describeVolume(snapshot, record).usage
    usage = { files: usage.files + files, bytes: usage.bytes + bytes }
    for (const { session } of listUploads(new VolumeView(snapshot, volumePrefix(record.tenant, record.id))))
      if (!session.hidden) uploads += 1
  }
  return {
    volumes: volumes.length,
    usage,
    garbage: countGarbageChunks(snapshot),
    uploads,
    cursor: String(nextChange(snapshot)),
  }
}
