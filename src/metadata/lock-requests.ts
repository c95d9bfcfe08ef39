// LOCK and UNLOCK (RFC 4918, sections 9.10 and 9.11), each inside one transaction, and what a move does to locks.

import { ShoalError } from '#foundation/errors.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import { putFile } from './files.ts'
import type { Located } from './inodes.ts'
import { checkGuard, coveringLocks, locate, type WriteGuard } from './lock-guard.ts'
import { listLocks, type Lock, locksBelow, locksOf, type PlacedLock, putLock, removeLock, removeLocksOf } from './locks.ts'
import { notFound, resolvePath } from './resolve.ts'
import type { VolumeTransaction } from './transaction.ts'

/** Clients hold one for each file that a person has open. All of a volume's are looked at when a directory is removed. */
export const MAX_LOCKS = 10_000

export interface LockRequest extends Pick<Lock, 'token' | 'scope' | 'isDeep' | 'owner' | 'principal' | 'timeoutMs'> {
  readonly guard: WriteGuard
  /** SHA-256 of no bytes: of the empty file that a lock on a free name makes. */
  readonly emptySha256: Buffer
}

export interface LockTaken extends PlacedLock {
  /** The name was free: an empty file has it now. */
  readonly created: boolean
}

/** @throws LOCKED, with the path of the lock in the way, and `isConflict` if it excludes this one; PRECONDITION_FAILED; NOT_FOUND
 *  without the directory; BUSY with as many locks as there may be */
export function takeLock(t: VolumeTransaction, path: Path, request: LockRequest): LockTaken {
  const { guard, principal, emptySha256, ...asked } = request
  const spot = locate(t, path)
  if (spot.found === undefined && !spot.isReachable) throw notFound(path.slice(0, -1))
  const kind = spot.found === undefined ? 'write' : 'read'
  checkGuard(t, { guard, principal, nowMs: t.nowMs }, [{ kind, path }])
  const others = coveringLocks(t, spot, t.nowMs)
  if (asked.isDeep && spot.found?.record.type === 'directory') others.push(...locksBelow(t, spot.found.record.inode, t.nowMs))
  const inTheWay = others.find(({ lock }) => lock.scope === 'exclusive' || asked.scope === 'exclusive')
  if (inTheWay !== undefined) throw conflicts(inTheWay)
  const count = [...listLocks(t)].length
  if (count >= MAX_LOCKS) throw new ShoalError('BUSY', `The volume has ${count} locks, as many as there may be: try again later`)
  const located = spot.found === undefined ? makeEmpty(t, path, emptySha256) : targetOf(t, path, spot.found)
  const lock: Lock = { ...asked, principal, path, inode: located.record.inode, expiresMs: t.nowMs + asked.timeoutMs }
  putLock(t, lock)
  return { lock, root: path, created: spot.found === undefined }
}

function conflicts({ lock, root }: PlacedLock): ShoalError {
  return new ShoalError('LOCKED', `"/${formatPath(root)}" is locked by "${lock.principal}", and both locks can't be`, {
    details: { path: formatPath(root), isConflict: true },
  })
}

function makeEmpty(t: VolumeTransaction, path: Path, sha256: Buffer): Located {
  return putFile(t, path, { contents: { kind: 'inline', bytes: Buffer.alloc(0) }, sha256 }).located
}

function targetOf(t: VolumeTransaction, path: Path, found: Located): Located {
  return found.record.type === 'symlink' ? (resolvePath(t, path, { follow: true }) ?? found) : found
}

/** Lets the locks that cover `path` and that the guard names last for another `timeoutMs`. @throws PRECONDITION_FAILED for none */
export function refreshLocks(
  t: VolumeTransaction,
  path: Path,
  request: Pick<LockRequest, 'guard' | 'principal' | 'timeoutMs'>,
): PlacedLock[] {
  const { guard, principal, timeoutMs } = request
  checkGuard(t, { guard, principal, nowMs: t.nowMs }, [{ kind: 'read', path }])
  const named = coveringLocks(t, locate(t, path), t.nowMs).filter(
    ({ lock }) => guard.tokens.includes(lock.token) && lock.principal === principal,
  )
  if (named.length === 0) {
    throw new ShoalError('PRECONDITION_FAILED', `No lock that covers "/${formatPath(path)}" is named: it may have expired`)
  }
  return named.map(({ lock, root }) => {
    const refreshed = { ...lock, timeoutMs, expiresMs: t.nowMs + timeoutMs }
    putLock(t, refreshed)
    return { lock: refreshed, root }
  })
}

/** @throws CONFLICT if no lock of that token covers `path`; FORBIDDEN if it is somebody else's */
export function giveUpLock(
  t: VolumeTransaction,
  path: Path,
  { token, principal }: { readonly token: string; readonly principal: string },
): void {
  const named = coveringLocks(t, locate(t, path), t.nowMs).find(({ lock }) => lock.token === token)
  if (named === undefined) throw new ShoalError('CONFLICT', `No lock of this token covers "/${formatPath(path)}"`)
  if (named.lock.principal !== principal)
    throw new ShoalError('FORBIDDEN', `The lock is "${named.lock.principal}"'s, who alone can give it up`)
  removeLock(t, named.lock)
}

/** RFC 4918, section 7.6: a move leaves the locks of what it moves behind, and what is moved comes under the locks of the
 *  resource whose place it takes. Call it before the move. */
export function moveLocks(t: VolumeTransaction, source: Located, replaced: Located | undefined): void {
  const { inode } = source.record
  if (replaced?.record.inode === inode) return
  for (const { lock } of locksBelow(t, inode, t.nowMs)) removeLock(t, lock)
  removeLocksOf(t, inode)
  if (replaced === undefined) return
  for (const lock of locksOf(t, replaced.record.inode, t.nowMs)) {
    removeLock(t, lock)
    putLock(t, { ...lock, inode })
  }
}
