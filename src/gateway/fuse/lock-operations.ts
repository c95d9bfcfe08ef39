import { isShoalError } from '#foundation/errors.ts'
import { LOCK_END } from '#volume/lock-ranges.ts'
import type { FileLockService, LockedFile, MountLock, WantedLock } from './file-lock-service.ts'
import { type HeldLocks, LocksHeld } from './held-locks.ts'
import type { MountedNode } from './inode-table.ts'
import type { MountedVolume } from './mounted-volume.ts'
import { type FuseError, refusal } from './protocol/errno.ts'
import type { Caller, FuseOperations } from './protocol/operations.ts'
import type { FlushRequest, LockRequest, ReleaseRequest } from './protocol/requests.ts'

/** The kernel drops pages that others have changed before a lock is given; a program that holds one up for longer gets none. */
const DROPPING_MS_MAX = 10_000

const NO_LOCKS = ['TOO_LARGE', 'BUSY', 'PRECONDITION_FAILED'] as const

/** What a file system does beside locking, as far as locks have to do with it. */
type Guarded = Pick<
  Required<FuseOperations>,
  'read' | 'write' | 'flush' | 'fsync' | 'release' | 'setattr' | 'fallocate' | 'copyFileRange'
>
type LockOperations = Guarded & Pick<Required<FuseOperations>, 'getlk' | 'setlk' | 'setlkw'>

/** Locks that hold across machines: asked for at the node, and given up with their process. What was written under a lock is stored
 *  before it is given up, and what the kernel has of the file is as new as the lock is. While locks may be lost, and from then on
 *  until those who had locked the file have closed it, what this machine does to it fails with EIO. */
export function lockOperations(mounted: MountedVolume, service: FileLockService, inner: Guarded): LockOperations {
  const { table } = mounted
  const held = new LocksHeld()
  /** Owners whose locks are being given up after their files were closed, which nobody waits for. */
  const leaving = new Map<string, Promise<void>>()
  const unlessLost = <Request, Reply>(handler: (request: Request, caller: Caller) => Reply) => {
    return (request: Request, caller: Caller): Reply | FuseError => {
      if (!held.isEmpty && held.isLost(table.get(caller.nodeId))) return refusal('EIO')
      return handler(request, caller)
    }
  }
  const giveUp = async (node: MountedNode, locks: HeldLocks): Promise<void> => {
    held.dropped(node, locks)
    if (!locks.term.isAlive) return
    const { family, owner } = locks
    const inode = mounted.storedInode(node)
    await service.change({ inode, family, owner, kind: 'unlock', start: 0n, end: LOCK_END, pid: 0 })
  }
  const set = async (request: LockRequest, caller: Caller, take: (lock: WantedLock) => Promise<LockedFile | undefined>) => {
    const node = table.get(caller.nodeId)
    const lock = lockOf(node, request)
    // Its name may have been that of an owner before it.
    await leaving.get(leavingKey(node, lock))
    if (caller.signal.aborted) return refusal('EINTR')
    if (held.isLost(node)) return refusal('EIO')
    if (!isWanted(lock)) return unlock(node, lock)
    // A write lock that becomes a read lock lets others in.
    await (held.has(node, lock) ? mounted.syncAll(node) : mounted.sync(node))
    held.asked(node, lock, { handle: request.handle, term: service.term })
    let file: LockedFile | undefined
    try {
      file = await take({ ...lock, inode: mounted.storedInode(node) })
    } catch (error) {
      // The limits, and a session that ended just now.
      if (!NO_LOCKS.some((code) => isShoalError(error, code))) throw error
      held.refused(node, lock)
      return refusal('ENOLCK')
    }
    if (file !== undefined) {
      held.given(node, lock)
      // Whoever had it before may have changed other files.
      mounted.back?.doubt()
      return renew(mounted, node, file)
    }
    held.refused(node, lock)
    return refusal('EAGAIN')
  }
  const unlock = async (node: MountedNode, lock: MountLock): Promise<undefined> => {
    if (held.has(node, lock)) await mounted.syncAll(node)
    await service.change({ ...lock, inode: mounted.storedInode(node) })
    held.givenUp(node, lock)
    return undefined
  }
  const flush = async (request: FlushRequest, caller: Caller): Promise<void | FuseError> => {
    const node = table.get(caller.nodeId)
    const own = held.ofOwner(node, ownerOf(request.lockOwner))
    if (held.isLost(node)) {
      mounted.contents(node).written.discard()
      if (own !== undefined) held.dropped(node, own)
      return refusal('EIO')
    }
    if (own === undefined) return inner.flush(request, caller)
    try {
      const answer = await inner.flush(request, caller)
      await mounted.syncAll(node)
      return answer
    } finally {
      await giveUp(node, own)
    }
  }
  const release = async (request: ReleaseRequest, caller: Caller): Promise<void | FuseError> => {
    const node = table.get(caller.nodeId)
    const gone = held.leave(node, request.handle)
    const left = Promise.withResolvers<void>()
    for (const locks of gone) leaving.set(leavingKey(node, locks), left.promise)
    const isLost = gone.some(({ term }) => !term.isAlive) || held.isLost(node)
    if (isLost) mounted.contents(node).written.discard()
    try {
      // Who comes next with a lock reads what was written; whether it could be stored nobody hears any more.
      if (gone.length > 0 && !isLost) await mounted.syncAll(node).catch(() => undefined)
      return await inner.release(request, caller)
    } finally {
      await Promise.all(gone.map((locks) => giveUp(node, locks))).finally(() => {
        for (const locks of gone) leaving.delete(leavingKey(node, locks))
        left.resolve()
      })
    }
  }
  return {
    ...guarded(unlessLost, inner),
    flush: (request, caller) => (held.isEmpty ? inner.flush(request, caller) : flush(request, caller)),
    release: (request, caller) => (held.isEmpty ? inner.release(request, caller) : release(request, caller)),
    getlk: async (request, caller) => {
      const node = table.get(caller.nodeId)
      const lock = lockOf(node, request)
      const found = isWanted(lock) ? await service.find({ ...lock, inode: mounted.storedInode(node) }) : undefined
      if (found === undefined) return { kind: 'unlock', start: request.start, end: request.end, pid: 0 }
      return { ...found, pid: found.pid ?? 0 }
    },
    setlk: (request, caller) => set(request, caller, (lock) => service.change(lock)),
    setlkw: (request, caller) => set(request, caller, (lock) => service.wait(lock, caller.signal)),
  }
}

function guarded(
  unlessLost: <Request, Reply>(
    handler: (request: Request, caller: Caller) => Reply,
  ) => (request: Request, caller: Caller) => Reply | FuseError,
  inner: Guarded,
): Omit<Guarded, 'flush' | 'release'> {
  const { read, write, fsync, setattr, fallocate, copyFileRange } = inner
  return {
    read: unlessLost(read),
    write: unlessLost(write),
    fsync: unlessLost(fsync),
    setattr: unlessLost(setattr),
    fallocate: unlessLost(fallocate),
    copyFileRange: unlessLost(copyFileRange),
  }
}

function ownerOf(owner: bigint): string {
  return owner.toString(16).padStart(16, '0')
}

function lockOf(node: MountedNode, { owner, start, end, kind, pid, isFlock }: LockRequest): MountLock {
  return { inode: node.inode, family: isFlock ? 'flock' : 'posix', owner: ownerOf(owner), kind, start, end, pid }
}

function leavingKey({ nodeId }: MountedNode, { family, owner }: Pick<MountLock, 'family' | 'owner'>): string {
  return `${nodeId} ${family} ${owner}`
}

function isWanted(lock: MountLock): lock is WantedLock {
  return lock.kind !== 'unlock'
}

/** Lets the kernel drop what it has of another version of the file. ENOLCK if it doesn't in time: whoever closes the file gives up the
 *  lock that was given. */
async function renew(
  mounted: MountedVolume,
  node: MountedNode,
  { version, ctimeNs }: LockedFile,
): Promise<FuseError | undefined> {
  if (node.keptVersion === version && node.toldNs === ctimeNs) return undefined
  const { notify, clock } = mounted
  const isOther = node.keptVersion !== version
  const path = mounted.table.pathIfAny(node)
  // What is remembered of it is older than the lock, whether or not its change has been told.
  if (path !== undefined) mounted.back?.doubt(path)
  if (isOther) {
    mounted.changed(node)
    await mounted.renewPassed(node)
  }
  if (notify === undefined) return undefined
  const enough = new AbortController()
  const late = clock.sleep(DROPPING_MS_MAX, enough.signal).then(
    () => 'late' as const,
    () => 'late' as const,
  )
  const dropped = notify({ kind: 'inode', nodeId: node.nodeId, ...(isOther ? { data: { offset: 0, length: 0 } } : {}) })
  const end = await Promise.race([dropped.catch(() => 'late' as const), late])
  enough.abort()
  if (end === 'late') return refusal('ENOLCK')
  if (isOther) node.keptVersion = version
  return undefined
}
