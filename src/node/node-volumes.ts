import type { Config } from '#config/settings.ts'
import type { ChunkStore } from '#chunk/store.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import type { Random } from '#platform/random.ts'
import type { SharedStamp } from '#platform/shared-stamp.ts'
import type { ContentKeys } from '#volume/content-cipher.ts'
import type { Pins } from '#volume/pins.ts'
import type { ReadBuffers } from '#volume/read-buffers.ts'
import { StrongVolumes } from '#volume/strong-volumes.ts'
import type { StrongVolumesOptions } from '#volume/strong-volumes-options.ts'
import type { ChunkCluster } from './chunk-cluster.ts'

/** The part of the configuration that volumes need. */
export type VolumeSettings = Pick<Config, 'changes' | 'uploads' | 'gc'> & {
  readonly lifecycle?: Config['lifecycle']
  readonly limits: Pick<Config['limits'], 'writeBufferBytes'>
}

/** The volumes over a node's storage; background work isn't started. */
export function assembleVolumes(
  storage: { readonly kv: KeyValueStore; readonly chunks: ChunkStore; readonly folder: { readonly nodeId: string } },
  settings: VolumeSettings,
  ports: {
    readonly clock: Clock
    readonly random: Random
    readonly log: Log
    /** In threads of their own unless given. */
    readonly digests?: Digests
    readonly contentKeys?: ContentKeys
    /** The chunks of the cluster; this node's own unless given. */
    readonly cluster?: {
      readonly chunks: Pick<ChunkCluster['chunks'], 'all' | 'isSpread'>
      readonly classes: ChunkCluster['classes']
    }
    readonly volumesStamp?: SharedStamp
    readonly pins?: Pins
    readonly readBuffers?: ReadBuffers
    readonly settle?: StrongVolumes['settle']
    readonly copiesTables?: StrongVolumesOptions['copiesTables']
    readonly isUsedElsewhere?: StrongVolumesOptions['isUsedElsewhere']
    readonly isTaken?: StrongVolumesOptions['isTaken']
    readonly isCurrent?: StrongVolumesOptions['isCurrent']
    readonly onClassChange?: StrongVolumesOptions['onClassChange']
  },
): StrongVolumes {
  const { cluster, ...rest } = ports
  return new StrongVolumes({
    digests: nodeDigests,
    ...rest,
    kv: storage.kv,
    chunks: cluster?.chunks.all ?? storage.chunks,
    classes: cluster?.classes,
    nodeId: storage.folder.nodeId,
    changeRingEntries: settings.changes.ringEntries,
    uploadExpiryMs: settings.uploads.expiryMs,
    gcGraceMs: settings.gc.graceMs,
    gcIntervalMs: settings.gc.intervalMs,
    sweepIntervalMs: settings.gc.sweepIntervalMs,
    ...(cluster === undefined ? {} : { isSweptByOthers: () => cluster.chunks.isSpread }),
    writeBufferBytes: settings.limits.writeBufferBytes,
    ...(settings.lifecycle === undefined ? {} : { lifecycle: settings.lifecycle }),
  })
}
