import { createHash } from 'node:crypto'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { checkGuard, coveringLocks, type Effect, locate, type WriteGuard } from '#metadata/lock-guard.ts'
import { giveUpLock, type LockTaken, refreshLocks, takeLock } from '#metadata/lock-requests.ts'
import { hasLocks, type Lock, locksBelow, MAX_LOCK_MS, type PlacedLock, reapLocks } from '#metadata/locks.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { listVolumes } from '#metadata/volumes.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { AttributeChanges, Caller, Volume, Volumes } from './volume.ts'

export type { Effect, LockTaken, PlacedLock, WriteGuard }
export type { StateTerm } from '#metadata/lock-guard.ts'

/** What a client says of a lock's owner, in bytes: a name and an address, usually. */
const MAX_OWNER_BYTES = 4096
const MIN_LOCK_MS = 1_000
const LOCKS_PER_STEP = 1_000

export interface LockOptions {
  readonly caller: Caller
  readonly guard: WriteGuard
  /** Kept between one second and one day. */
  readonly timeoutMs: number
}

/** The locks of one volume: RFC 4918's write locks, exclusive or shared, on one resource or on everything below it. They
 *  are durable when their promise resolves, and end by themselves when their time is over. `caller` is their owner. */
export interface Locks {
  /** Looks whether a change would be let through now. @throws LOCKED, PRECONDITION_FAILED */
  check(effects: readonly Effect[], options: Pick<LockOptions, 'caller' | 'guard'>): Promise<void>
  /** The locks in whose scope the path is, and those of what is below it. */
  find(path: Path): Promise<{ readonly covering: readonly PlacedLock[]; readonly below: readonly PlacedLock[] }>
  /** Takes a lock; a name that is free gets an empty file. @throws LOCKED (with `isConflict` in its details if another lock
   *  excludes this one), PRECONDITION_FAILED, NOT_FOUND for a missing directory, BUSY, TOO_LARGE for an over-long owner */
  take(path: Path, lock: Pick<Lock, 'scope' | 'isDeep' | 'owner'>, options: LockOptions): Promise<LockTaken>
  /** Begins the time of the locks anew that cover the path and that the guard has the tokens of. @throws PRECONDITION_FAILED */
  refresh(path: Path, options: LockOptions): Promise<readonly PlacedLock[]>
  /** @throws CONFLICT if no such lock covers the path, FORBIDDEN if it is another's */
  giveUp(path: Path, token: string, caller: Caller): Promise<void>
}

/** A volume whose changes can be guarded by locks. */
export interface GuardedVolume extends Volume {
  readonly locks: Locks
  /** Changes one extended attribute, and other attributes with it, by what they are now, in one step. `update` is called
   *  inside the transaction; without a `value` the extended attribute goes. @throws NOT_FOUND, LOCKED, PRECONDITION_FAILED, TOO_LARGE */
  updateXattr(
    path: Path,
    name: string,
    options: {
      readonly caller: Caller
      readonly guard?: WriteGuard
      readonly update: (
        before: Buffer | undefined,
        attributes: Attributes,
      ) => { readonly value: Buffer | undefined; readonly attributes?: AttributeChanges }
    },
  ): Promise<Attributes>
}

export interface GuardedVolumes extends Volumes {
  open(name: string): Promise<GuardedVolume>
  /** What is left on the medium; `undefined` where that has no meaning. */
  freeBytes(): Promise<number | undefined>
}

export interface LockStores {
  readonly metadata: Metadata
  readonly clock: Clock
  readonly random: Random
}

export class StrongLocks implements Locks {
  readonly #stores: LockStores
  readonly #volume: VolumeHandle

  constructor(stores: LockStores, volume: VolumeHandle) {
    this.#stores = stores
    this.#volume = volume
  }

  check(effects: readonly Effect[], { caller, guard }: Pick<LockOptions, 'caller' | 'guard'>): Promise<void> {
    const { metadata, clock } = this.#stores
    const guarded = { guard, principal: caller.principal, nowMs: clock.nowMs() }
    return metadata.read(this.#volume, (view) => checkGuard(view, guarded, effects))
  }

  find(path: Path): Promise<{ covering: PlacedLock[]; below: PlacedLock[] }> {
    const { metadata, clock } = this.#stores
    return metadata.read(this.#volume, (view) => {
      if (!hasLocks(view)) return { covering: [], below: [] }
      const spot = locate(view, path)
      const nowMs = clock.nowMs()
      const below = spot.found?.record.type === 'directory' ? [...locksBelow(view, spot.found.record.inode, nowMs)] : []
      return { covering: coveringLocks(view, spot, nowMs), below }
    })
  }

  async take(path: Path, lock: Pick<Lock, 'scope' | 'isDeep' | 'owner'>, options: LockOptions): Promise<LockTaken> {
    if (Buffer.byteLength(lock.owner) > MAX_OWNER_BYTES)
      throw new ShoalError('TOO_LARGE', `What a lock says of its owner has ${MAX_OWNER_BYTES} bytes at most`)
    const token = newToken(this.#stores.random)
    const { caller, guard } = options
    const timeoutMs = withinLimits(options.timeoutMs)
    const emptySha256 = createHash('sha256').digest()
    const request = { ...lock, token, principal: caller.principal, guard, timeoutMs, emptySha256 }
    return this.#stores.metadata.transact(this.#volume, caller.principal, (t) => takeLock(t, path, request))
  }

  refresh(path: Path, { caller, guard, timeoutMs }: LockOptions): Promise<readonly PlacedLock[]> {
    const request = { principal: caller.principal, guard, timeoutMs: withinLimits(timeoutMs) }
    return this.#stores.metadata.transact(this.#volume, caller.principal, (t) => refreshLocks(t, path, request))
  }

  giveUp(path: Path, token: string, { principal }: Caller): Promise<void> {
    return this.#stores.metadata.transact(this.#volume, principal, (t) => giveUpLock(t, path, { token, principal }), {
      frees: true,
    })
  }
}

const withinLimits = (timeoutMs: number): number => Math.min(Math.max(timeoutMs, MIN_LOCK_MS), MAX_LOCK_MS)

/** The digits of a UUID of version 4 (RFC 9562). */
function newToken(random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return bytes.toString('hex')
}

/** Removes the locks of all volumes that have expired; the number removed. */
export async function reapExpiredLocks(metadata: Metadata): Promise<number> {
  let reaped = 0
  for (const volume of await metadata.readSystem((snapshot) => [...listVolumes(snapshot)])) {
    try {
      while (await metadata.read(volume, hasLocks)) {
        const step = await metadata.transact(volume, '', (t) => reapLocks(t, LOCKS_PER_STEP), { frees: true })
        reaped += step
        if (step < LOCKS_PER_STEP) break
      }
    } catch (error) {
      // The volume has been removed meanwhile, and its locks with it.
      if (!isShoalError(error, 'VOLUME_NOT_FOUND')) throw error
    }
  }
  return reaped
}
