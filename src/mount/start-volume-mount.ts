import type { ShoalClient } from '#client/shoal-client.ts'
import { ShoalError } from '#foundation/errors.ts'
import { FuseMount } from '#gateway/fuse/fuse-mount.ts'
import { MountedVolume } from '#gateway/fuse/mounted-volume.ts'
import { type Notify, RemoteChanges } from '#gateway/fuse/remote-changes.ts'
import { volumeOperations } from '#gateway/fuse/volume-operations.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { FuseMounts } from '#platform/fuse-device.ts'
import type { Random } from '#platform/random.ts'
import { ChangeFollower } from './change-follower.ts'
import { LockSession } from './lock-session.ts'
import { RemoteVolume } from './remote-volume.ts'

const LOCK_FEATURES = ['POSIX_LOCKS', 'FLOCK_LOCKS'] as const
/** The kernel checks the lists; the umask is left to whoever knows whether there is a default list. */
const ACL_FEATURES = ['POSIX_ACL', 'DONT_MASK', 'SETXATTR_EXT'] as const

export interface VolumeMountOptions {
  readonly client: ShoalClient
  readonly volume: string
  /** Absolute. */
  readonly directory: string
  readonly allowOther: boolean
  readonly readOnly: boolean
  /** Without them the kernel asks for none: the first answer to such a question holds for all. */
  readonly keepsXattrs: boolean
  readonly mounts: FuseMounts
  /** By which other mounts know this one: a host and a directory. */
  readonly about: string
  /** Of its locks; 30 s unless given. */
  readonly leaseMs?: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** A volume that is mounted. */
export type VolumeMount = Pick<FuseMount, 'ended' | 'unmount'>

/** Mounts a volume of a node. What a program that was killed has left of a mount at that directory is cleared away.
 *  @throws VOLUME_NOT_FOUND, ALREADY_EXISTS if a volume is mounted there; what `FuseMounts.mount` throws */
export async function startVolumeMount(options: VolumeMountOptions): Promise<VolumeMount> {
  const { client, volume, directory, mounts, clock, random } = options
  const there = await mounts.inspect(directory)
  if (there.state === 'dead') await mounts.unmount(directory, { lazy: true })
  if (there.state === 'mounted' && there.type === 'fuse.shoal')
    throw new ShoalError('ALREADY_EXISTS', `"${there.source}" is mounted at "${directory}" already`)
  const remote = await RemoteVolume.open(client, volume, clock)
  const mountId = random.bytes(16).toString('hex')
  const locks = await LockSession.begin({ ...options, sessions: client.sessions, mountId })
  try {
    return await serve(options, { remote, mountId, locks })
  } catch (error) {
    await locks?.end()
    throw error
  }
}

async function serve(
  options: VolumeMountOptions,
  {
    remote,
    mountId,
    locks,
  }: { readonly remote: RemoteVolume; readonly mountId: string; readonly locks: LockSession | undefined },
): Promise<VolumeMount> {
  const { client, volume, keepsXattrs, clock, random, log } = options
  // A node that knows of sessions keeps lists in step with modes, on a volume that can have sessions.
  const keepsAcls = keepsXattrs && locks !== undefined
  const mounted = await MountedVolume.open({
    volume: remote,
    mountId,
    caller: { principal: 'mount' },
    clock,
    random,
    log,
  })
  const mount = await FuseMount.start({
    ...options,
    source: `shoal:${volume}`,
    subtype: 'shoal',
    defaultPermissions: true,
    operations: volumeOperations(mounted, { keepsXattrs, keepsAcls, locks }),
    // Without them the kernel keeps locks among the programs of this machine.
    features: ['CACHE_SYMLINKS', ...(locks === undefined ? [] : LOCK_FEATURES), ...(keepsAcls ? ACL_FEATURES : [])],
  })
  const notify: Notify = (notification) => mount.notify(notification)
  mounted.notify = notify
  mounted.coherence.dropsNames = await knowsEpochs(notify)
  const changes = new RemoteChanges(mounted, notify)
  const follower = new ChangeFollower({ client, volume, coherence: mounted.coherence, changes, clock, log })
  follower.start()
  const ended = mount.ended.finally(() => {
    follower.stop()
    return locks?.end()
  })
  // Who mounted it hears of it.
  ended.catch(() => undefined)
  return { ended, unmount: (how) => mount.unmount(how) }
}

/** Linux from 6.16 on drops all names at once. */
async function knowsEpochs(notify: Notify): Promise<boolean> {
  return notify({ kind: 'epoch' }).then(
    () => true,
    () => false,
  )
}
