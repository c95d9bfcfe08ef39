import type { ShoalClient } from '#client/shoal-client.ts'
import { ShoalError } from '#foundation/errors.ts'
import { FuseMount } from '#gateway/fuse/fuse-mount.ts'
import { MountedVolume } from '#gateway/fuse/mounted-volume.ts'
import { volumeOperations } from '#gateway/fuse/volume-operations.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { FuseMounts } from '#platform/fuse-device.ts'
import type { Random } from '#platform/random.ts'
import { RemoteVolume } from './remote-volume.ts'

/** How long the kernel goes on with what it knows, unless somebody opens a file: changes of other machines show after it. */
const VALID_MS = 1_000

export interface VolumeMountOptions {
  readonly client: ShoalClient
  readonly volume: string
  /** Absolute. */
  readonly directory: string
  readonly allowOther: boolean
  readonly readOnly: boolean
  readonly mounts: FuseMounts
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** A volume that is mounted. */
export type VolumeMount = Pick<FuseMount, 'ended' | 'unmount'>

/** Mounts a volume of a node. What a program that was killed has left of a mount at that directory is cleared away.
 *  @throws VOLUME_NOT_FOUND, ALREADY_EXISTS if a volume is mounted there; what `FuseMounts.mount` throws */
export async function startVolumeMount(options: VolumeMountOptions): Promise<VolumeMount> {
  const { client, volume, directory, mounts, clock, random, log } = options
  const there = await mounts.inspect(directory)
  if (there.state === 'dead') await mounts.unmount(directory, { lazy: true })
  if (there.state === 'mounted' && there.type === 'fuse.shoal')
    throw new ShoalError('ALREADY_EXISTS', `"${there.source}" is mounted at "${directory}" already`)
  const mounted = await MountedVolume.open({
    volume: await RemoteVolume.open(client, volume, clock),
    caller: { principal: 'mount' },
    clock,
    random,
    log,
    validMs: VALID_MS,
  })
  return FuseMount.start({
    ...options,
    source: `shoal:${volume}`,
    subtype: 'shoal',
    defaultPermissions: true,
    operations: volumeOperations(mounted),
  })
}
