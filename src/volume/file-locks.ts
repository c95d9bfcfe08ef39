import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { type FileLock, type FileLockChange, findFileLock } from '#metadata/file-locks.ts'
import type { FileLockKind, LockRange } from '#metadata/lock-ranges.ts'
import type { LockHolder } from '#metadata/keys.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { beginSession, requireSession } from '#metadata/mount-sessions.ts'
import type { Random } from '#platform/random.ts'
import type { LockKeeper } from './lock-keeper.ts'
import type { Caller } from './volume.ts'

export type { FileLock, FileLockChange, FileLockKind, LockHolder, LockRange }
export { LOCK_END } from '#metadata/lock-ranges.ts'

/** A mount that stops for a moment must not lose its locks; one that is dead must not keep others for long. */
export const LEASE_MS_MIN = 1_000
export const LEASE_MS_MAX = 5 * 60_000
const ABOUT_BYTES_MAX = 512

export interface SessionSettings {
  readonly caller: Caller
  /** Names the mount, over all its sessions: 32 lower-case hexadecimal characters. */
  readonly mount: string
  /** What is to be shown of it. */
  readonly about: string
  /** Kept between one second and five minutes. */
  readonly leaseMs: number
}

export type FileLockAnswer =
  /** With the file as it is now: whoever has read it before may have to read it anew. */
  | { readonly state: 'done'; readonly attributes: Attributes }
  | { readonly state: 'held'; readonly by: FileLock }
  /** It was waited for as long as was asked for. */
  | { readonly state: 'waiting' }

export interface FileLockWait {
  /** Names the wait within its session: asked again with it, one is still in one's place in the line. */
  readonly ticket: string
  readonly waitMs: number
  readonly signal?: AbortSignal
}

/** The locks of flock(2) and fcntl(2) of one volume, across all mounts. They bind those who ask for them.
 *
 *  Each is held by a session, which ends when it isn't heard of for as long as its lease: `renew`, or any other call, is a sign of
 *  life. Locks are durable when their promise resolves. After a restart, or when another node leads, each session has its whole
 *  lease again. Doing a thing twice is harmless: a session's own locks are never in its way.
 *
 *  Those who wait are served in the order in which they came, as long as the same node leads. Circles of those who wait for each
 *  other are not looked for: EDEADLK is never said.
 *
 *  @throws PRECONDITION_FAILED once the session has ended; FORBIDDEN for another's; NOT_FOUND for a file that is gone; TOO_LARGE at
 *  the limits of docs/guarantees.md */
export interface FileLocks {
  /** @returns the session's id. @throws BUSY, INVALID_ARGUMENT */
  begin(settings: SessionSettings): Promise<{ readonly session: string; readonly leaseMs: number }>
  renew(session: string, caller: Caller): Promise<void>
  /** Lets go of all that it holds. One that has ended is no error. */
  end(session: string, caller: Caller): Promise<void>
  /** A lock that is in the way of `asked`, as F_GETLK says it. */
  find(
    asked: LockHolder & LockRange & { readonly inode: InodeId; readonly kind: FileLockKind },
    caller: Caller,
  ): Promise<FileLock | undefined>
  /** Locks and unlocks. Without a `wait` the answer is given at once. */
  change(change: FileLockChange, caller: Caller, wait?: FileLockWait): Promise<FileLockAnswer>
  /** Waits no longer. True if the lock was there before. */
  cancel(change: FileLockChange & { readonly kind: FileLockKind }, ticket: string, caller: Caller): Promise<boolean>
}

export interface FileLockStores {
  readonly metadata: Metadata
  readonly random: Random
  readonly lockKeeper: LockKeeper
}

export class StrongFileLocks implements FileLocks {
  readonly #stores: FileLockStores
  readonly #volume: VolumeHandle

  constructor(stores: FileLockStores, volume: VolumeHandle) {
    this.#stores = stores
    this.#volume = volume
  }

  async begin({ caller, mount, about, leaseMs }: SessionSettings): Promise<{ session: string; leaseMs: number }> {
    const { metadata, random, lockKeeper } = this.#stores
    if (!/^[0-9a-f]{32}$/.test(mount) || Buffer.byteLength(about) > ABOUT_BYTES_MAX)
      throw new ShoalError(
        'INVALID_ARGUMENT',
        `A mount has a name of 32 hexadecimal characters, and says ${ABOUT_BYTES_MAX} bytes of itself at most`,
      )
    const kept = Math.min(Math.max(leaseMs, LEASE_MS_MIN), LEASE_MS_MAX)
    const id = random.bytes(16).toString('hex')
    const session = { id, principal: caller.principal, mount, about, leaseMs: kept }
    await metadata.transact(this.#volume, caller.principal, (t) => beginSession(t, session))
    lockKeeper.heardOf(this.#volume, session)
    return { session: id, leaseMs: kept }
  }

  async renew(id: string, { principal }: Caller): Promise<void> {
    const { metadata, lockKeeper } = this.#stores
    lockKeeper.heardOf(this.#volume, await metadata.read(this.#volume, (view) => requireSession(view, id, principal)))
  }

  end(id: string, { principal }: Caller): Promise<void> {
    return this.#stores.lockKeeper.end(this.#volume, id, principal)
  }

  find(asked: Parameters<FileLocks['find']>[0], { principal }: Caller): Promise<FileLock | undefined> {
    return this.#stores.metadata.read(this.#volume, (view) => {
      requireSession(view, asked.session, principal)
      return findFileLock(view, asked)
    })
  }

  change(change: FileLockChange, { principal }: Caller, wait?: FileLockWait): Promise<FileLockAnswer> {
    return this.#stores.lockKeeper.change(this.#volume, { change, principal, wait })
  }

  cancel(change: Parameters<FileLocks['cancel']>[0], ticket: string, { principal }: Caller): Promise<boolean> {
    return this.#stores.lockKeeper.cancel(this.#volume, { change, ticket, principal })
  }
}
