import type { Config } from '#config/settings.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import type { Random } from '#platform/random.ts'
import { StrongVolumes } from '#volume/strong-volumes.ts'
import type { Storage } from './open-storage.ts'

/** Twelve chunks of the default length: two uploads at full speed or four with three chunks each under way, within the
 *  400 MB that the node may take. */
const WRITE_BUFFER_BYTES = 96 * 1024 * 1024
/** Looking at every chunk costs a pass over the index; what it finds is left over from crashes only. */
const SWEEP_INTERVAL_MS = 24 * 60 * 60 * 1000

/** The part of the configuration that volumes need. */
export type VolumeSettings = Pick<Config, 'changes' | 'uploads' | 'gc'>

/** The volumes over a node's storage; background work isn't started. */
export function assembleVolumes(
  storage: Storage,
  settings: VolumeSettings,
  ports: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): StrongVolumes {
  return new StrongVolumes({
    ...ports,
    digests: nodeDigests,
    kv: storage.kv,
    chunks: storage.chunks,
    nodeId: storage.folder.nodeId,
    changeRingEntries: settings.changes.ringEntries,
    uploadExpiryMs: settings.uploads.expiryMs,
    gcGraceMs: settings.gc.graceMs,
    gcIntervalMs: settings.gc.intervalMs,
    sweepIntervalMs: SWEEP_INTERVAL_MS,
    writeBufferBytes: WRITE_BUFFER_BYTES,
  })
}
