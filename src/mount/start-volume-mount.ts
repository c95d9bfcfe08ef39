import type { ShoalClient } from '#client/shoal-client.ts'
import { ShoalError } from '#foundation/errors.ts'
import { FuseMount } from '#gateway/fuse/fuse-mount.ts'
import { tellLost, tellShared } from '#gateway/fuse/lost-change.ts'
import { MountedVolume } from '#gateway/fuse/mounted-volume.ts'
import { type Notify, RemoteChanges } from '#gateway/fuse/remote-changes.ts'
import { volumeOperations } from '#gateway/fuse/volume-operations.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { FuseMounts } from '#platform/fuse-device.ts'
import type { Handing } from '#platform/handing.ts'
import type { KeepAwake } from '#platform/keep-awake.ts'
import type { Random } from '#platform/random.ts'
import { ChangeFollower } from './change-follower.ts'
import { ClassRoom } from './class-room.ts'
import type { DataCache, DataCacheOptions } from './data-cache.ts'
import { GivenBack } from './given-back.ts'
import { HandedParts } from './handed-parts.ts'
import { HeardChanges } from './heard-changes.ts'
import { leftBehind, type LeftBehindOptions } from './left-behind.ts'
import { LockSession } from './lock-session.ts'
import { openCache, type OpenCache } from './open-cache.ts'
import { type DraftSettings, type EventualMount, openEventual } from './open-eventual.ts'
import { openWriteBack, type WriteBack, type WriteBackSettings } from './open-write-back.ts'
import { RemoteUploads } from './remote-uploads.ts'
import { RemoteVolume } from './remote-volume.ts'
import { SessionNote, type SessionNoteOptions } from './session-note.ts'

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
  readonly noExec?: boolean
  /** Without them the kernel asks for none: the first answer to such a question holds for all. */
  readonly keepsXattrs: boolean
  /** Changes are made when they are in a journal on this machine; without it, when the cluster has them. */
  readonly writeBack: WriteBackSettings | undefined
  /** Where the journal is of mounts of the directory that write back. */
  readonly journal: Pick<LeftBehindOptions, 'files' | 'folder'>
  /** Of an eventual volume: where what is written is until a file is closed. */
  readonly drafts: DraftSettings
  /** Contents that were read are kept on this machine. */
  readonly cache: Omit<DataCacheOptions, 'identity' | 'keepsWholes' | 'clock' | 'log'> | undefined
  readonly mounts: FuseMounts
  /** Files can be handed over to a node of this machine. */
  readonly handing?: Handing
  /** By which other mounts know this one: a host and a directory. */
  readonly about: string
  /** Of its locks; 30 s unless given. */
  readonly leaseMs?: number
  /** Where its session is written down, for the next mount of the directory. */
  readonly sessionNote: Pick<SessionNoteOptions, 'files' | 'path'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** While programs ask for one thing after another. */
  readonly keepAwake?: KeepAwake | undefined
  /** Gives the system back what memory isn't used any more. */
  readonly collectHeap?: () => void
}

const CALLER = { principal: 'mount' }

/** A volume that is mounted. `ended` waits until what was written has been sent. */
export type VolumeMount = Pick<FuseMount, 'ended' | 'unmount'>

/** Mounts a volume of a node. What a program that was killed has left of a mount at that directory is cleared away.
 *  @throws VOLUME_NOT_FOUND, ALREADY_EXISTS if a volume is mounted there; CONFLICT and what opening the journal throws where an earlier mount has
 *  left changes and this one would make others without them; what `FuseMounts.mount` throws */
export async function startVolumeMount(options: VolumeMountOptions): Promise<VolumeMount> {
  const { client, volume, directory, mounts, clock, random } = options
  const there = await mounts.inspect(directory)
  if (there.state === 'dead') await mounts.unmount(directory, { lazy: true })
  if (there.state !== 'free' && there.state !== 'dead' && there.type === 'fuse.shoal')
    throw new ShoalError('ALREADY_EXISTS', `"${there.source}" is mounted at "${directory}" already`)
  const remote = await RemoteVolume.open(client, volume, clock)
  // Of an eventual volume, two of one name become one.
  if (!isEventual(remote)) client.mean({ name: volume, id: remote.info.id })
  const { clusterId } = await client.status()
  const identity = `volume ${remote.info.id} (${volume}) of ${clusterId}`
  if (options.writeBack === undefined || isEventual(remote)) checkNothingLeft(options, identity)
  const heard = new HeardChanges(clock)
  const mountId = random.bytes(16).toString('hex')
  const locks = await LockSession.begin({ ...options, sessions: client.sessions, mountId })
  let mounted: MountedVolume | undefined
  let back: WriteBack | undefined
  let kept: OpenCache | undefined
  try {
    const { cache: wanted, log } = options
    kept = wanted && (await openCache({ ...wanted, identity, keepsWholes: mounts.handsOver, clock, log }))
    const cache = kept?.cache
    if (cache !== undefined) remote.keepIn(cache)
    back = await openBack(options, { remote, clusterId, identity, cache, heard }, () => mounted)
    const eventual = isEventual(remote) ? openEventual({ ...options, remote, mounted: () => mounted }) : undefined
    const opened = eventual ?? back
    const parts = opened === undefined ? { volume: remote } : { volume: opened.volume, back: opened.volume, own: opened.own }
    const givenBack = new GivenBack({ clock, collect: () => options.collectHeap?.() })
    const onForgotten = (): void => givenBack.forgotten()
    // By now an earlier mount has sent what it had, or was killed.
    locks?.takeOver({
      takeNote: () => SessionNote.take({ ...options.sessionNote, identity, log: options.log }),
      sent: async () => back?.volume.drain(),
    })
    mounted = await MountedVolume.open({ ...parts, mountId, caller: CALLER, clock, random, log: options.log, onForgotten })
    return await serve(options, { mounted, back, eventual, locks, heard, kept })
  } catch (error) {
    await back?.close()
    await locks?.end()
    kept?.close()
    throw error
  }
}

/** Who only reads may want to see what there is. */
function checkNothingLeft({ journal, readOnly, log }: VolumeMountOptions, identity: string): void {
  const left = leftBehind({ ...journal, identity })
  if (left !== undefined && !readOnly) throw left
  if (left !== undefined) log.warn('Changes of an earlier mount are not shown', { error: left })
}

interface Served {
  readonly mounted: MountedVolume
  readonly back: WriteBack | undefined
  readonly eventual: EventualMount | undefined
  readonly locks: LockSession | undefined
  readonly heard: HeardChanges
  readonly kept: OpenCache | undefined
}

async function serve(options: VolumeMountOptions, { mounted, back, eventual, locks, heard, kept }: Served): Promise<VolumeMount> {
  const { client, volume, keepsXattrs, clock, log } = options
  // A node that knows of sessions keeps lists in step with modes, on a volume that can have sessions.
  const keepsAcls = keepsXattrs && locks !== undefined
  const classRoom = new ClassRoom(client.classes, clock)
  const room = (): number | undefined => classRoom.bytes(mounted.volume.info.policy.class)
  // So that whoever looks first is told.
  room()
  const mount = await FuseMount.start({
    ...options,
    source: `shoal:${volume}`,
    subtype: 'shoal',
    defaultPermissions: true,
    operations: volumeOperations(mounted, { keepsXattrs, keepsAcls, locks, room }),
    // Without them the kernel keeps locks among the programs of this machine.
    features: [
      'CACHE_SYMLINKS',
      ...(options.mounts.handsOver ? (['PASSTHROUGH'] as const) : []),
      ...(locks === undefined ? [] : LOCK_FEATURES),
      ...(keepsAcls ? ACL_FEATURES : []),
    ],
  })
  const notify: Notify = (notification) => mount.notify(notification)
  mounted.notify = notify
  mounted.complete = (nodeId, piece) => mount.complete(nodeId, piece)
  mounted.passed.openBacking = (path) => mount.openBacking(path)
  mounted.coherence.dropsNames = await knowsEpochs(notify)
  const { coherence } = mounted
  const changes = eventual?.changes(notify, mounted) ?? new RemoteChanges(mounted, notify)
  const follower = new ChangeFollower({
    ...{ client, volume, coherence, changes, clock, log },
    ...(eventual === undefined ? { heard } : { isEventual: true }),
  })
  follower.start()
  const ended = mount.ended.finally(async () => {
    follower.stop()
    await back?.close()
    await locks?.end()
    await kept?.cache.written()
    kept?.close()
  })
  // Who mounted it hears of it.
  ended.catch(() => undefined)
  return { ended, unmount: (how) => mount.unmount(how) }
}

function isEventual({ info }: RemoteVolume): boolean {
  return info.policy.consistency === 'eventual'
}

/** Eventual volumes have no versions to compare with: what is written to them is stored when a file is closed. */
async function openBack(
  { client, volume, writeBack, handing, clock, random, log }: VolumeMountOptions,
  {
    remote,
    clusterId,
    identity,
    cache,
    heard,
  }: {
    readonly remote: RemoteVolume
    readonly clusterId: string
    readonly identity: string
    readonly cache: DataCache | undefined
    readonly heard: HeardChanges
  },
  mounted: () => MountedVolume | undefined,
): Promise<WriteBack | undefined> {
  if (writeBack === undefined || isEventual(remote)) return undefined
  return openWriteBack({
    ...writeBack,
    remote,
    uploads: new RemoteUploads(client, volume),
    ...(handing === undefined ? {} : { handed: new HandedParts({ handing, clusterId, random }) }),
    identity,
    caller: CALLER,
    clock,
    log,
    hears: () => heard.ask(),
    isSure: () => heard.isSure,
    isTold: () => mounted()?.coherence.isTold === true,
    isShown: (inode) => mounted()?.table.find(inode) !== undefined,
    onLost: (inode, paths) => {
      const there = mounted()
      if (there !== undefined) tellLost(there, inode, paths)
    },
    onShared: (inode) => {
      const there = mounted()
      if (there !== undefined) tellShared(there, inode)
    },
    onSettled: (inode, attributes) => mounted()?.settled(inode, attributes),
    onStored: (files) => cache?.keep(files),
    makeRoom: () => cache?.giveWay() === true,
  })
}

/** Linux from 6.16 on drops all names at once. */
async function knowsEpochs(notify: Notify): Promise<boolean> {
  return notify({ kind: 'epoch' }).then(
    () => true,
    () => false,
  )
}
