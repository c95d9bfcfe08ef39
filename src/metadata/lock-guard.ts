// Whether a change may go ahead: the condition of RFC 4918's If header, and the locks on what it would change.

import { ShoalError } from '#foundation/errors.ts'
import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import { entityTag } from './attributes.ts'
import { findEntry, type Located } from './inodes.ts'
import { hasLocks, type Lock, locksBelow, locksOf, type PlacedLock } from './locks.ts'
import { resolvePath } from './resolve.ts'
import type { VolumeView } from './transaction.ts'

/** One term of a list: that the resource has this lock, or this entity tag. */
export interface StateTerm {
  readonly kind: 'token' | 'etag'
  /** A lock's token; an entity tag with its quotes. */
  readonly value: string
  readonly isNegated: boolean
}

/** Terms that have to hold together, of the resource at `path`; `undefined`: of one that is elsewhere, which has neither
 *  locks nor an entity tag. */
export interface StateList {
  readonly path: Path | undefined
  readonly terms: readonly StateTerm[]
}

/** What a WebDAV client says with a change: it may go ahead only if one of the lists holds (or there is none), and a token
 *  is given for every lock on what it changes. */
export interface WriteGuard {
  readonly lists: readonly StateList[]
  readonly tokens: readonly string[]
}

/** The guard of a further step of one change: what was to hold has been seen to, and need not hold any more. */
export function withoutConditions({ tokens }: WriteGuard): WriteGuard {
  return { lists: [], tokens }
}

/** What a change does to a path: gives it new contents or properties, making it if it isn't there; takes it away with all
 *  that is below; puts something else in its place; or only looks at it. */
export interface Effect {
  readonly kind: 'write' | 'remove' | 'replace' | 'read'
  readonly path: Path
}

export interface Guarded {
  readonly guard: WriteGuard
  readonly principal: string
  readonly nowMs: number
}

/** @throws PRECONDITION_FAILED; LOCKED, whose details name the path of a lock in the way */
export function checkGuard(view: VolumeView, guarded: Guarded, effects: readonly Effect[]): void {
  const { lists, tokens } = guarded.guard
  if (lists.length > 0 && !lists.some((list) => holds(view, list, guarded.nowMs))) {
    throw new ShoalError('PRECONDITION_FAILED', 'No list of the If header holds: the locks or entity tags are others by now')
  }
  if (!hasLocks(view)) return
  for (const effect of effects) {
    for (const locks of locksInTheWay(view, effect, guarded.nowMs)) {
      const isFree = locks.some(({ lock }) => tokens.includes(lock.token) && lock.principal === guarded.principal)
      if (!isFree) throw lockedBy(locks[0] as PlacedLock)
    }
  }
}

function lockedBy({ lock, root }: PlacedLock): ShoalError {
  return new ShoalError('LOCKED', `"/${formatPath(root)}" is locked by "${lock.principal}": the change needs the lock's token`, {
    details: { path: formatPath(root) },
  })
}

function holds(view: VolumeView, { path, terms }: StateList, nowMs: number): boolean {
  const spot = path === undefined ? undefined : locate(view, path)
  const tokens = spot === undefined ? [] : coveringLocks(view, spot, nowMs).map(({ lock }) => lock.token)
  const tag = spot?.found === undefined ? undefined : entityTag(spot.found.record)
  return terms.every(({ kind, value, isNegated }) => {
    const matches = kind === 'token' ? tokens.includes(value) : tag === value
    return matches !== isNegated
  })
}

/** A path with the directories that lead to it. */
export interface Spot {
  readonly path: Path
  readonly ancestors: readonly InodeId[]
  readonly found: Located | undefined
  /** All directories on the way exist. */
  readonly isReachable: boolean
}

export function locate(view: VolumeView, path: Path): Spot {
  if (path.length === 0) return { path, ancestors: [], found: resolvePath(view, path), isReachable: true }
  const ancestors: InodeId[] = [ROOT_INODE]
  for (const name of path.slice(0, -1)) {
    const next = findEntry(view, ancestors.at(-1) as InodeId, { name, form: 'directory' })
    if (next === undefined) return { path, ancestors, found: undefined, isReachable: false }
    ancestors.push(next.record.inode)
  }
  const parent = ancestors.at(-1) as InodeId
  const name = path.at(-1) as string
  const found = findEntry(view, parent, { name, form: 'directory' }) ?? findEntry(view, parent, { name, form: 'file' })
  return { path, ancestors, found, isReachable: true }
}

/** The locks in whose scope a path is: its own, and deep ones above. */
export function coveringLocks(view: VolumeView, spot: Spot, nowMs: number): PlacedLock[] {
  const { path, found } = spot
  const own = found === undefined ? [] : inodesOf(view, path, found).flatMap((inode) => locksOf(view, inode, nowMs))
  return [...inheritedLocks(view, spot, nowMs), ...placed(own, path)]
}

/** What is written through a symbolic link changes its target: both can be locked. */
function inodesOf(view: VolumeView, path: Path, { record }: Located): InodeId[] {
  if (record.type !== 'symlink') return [record.inode]
  const target = resolvePath(view, path, { follow: true })
  return target === undefined ? [record.inode] : [record.inode, target.record.inode]
}

function inheritedLocks(view: VolumeView, { path, ancestors }: Spot, nowMs: number): PlacedLock[] {
  return ancestors.flatMap((inode, depth) =>
    placed(
      locksOf(view, inode, nowMs).filter(({ isDeep }) => isDeep),
      path.slice(0, depth),
    ),
  )
}

/** The locks that guard which names a directory has: its own of either depth, and deep ones above. */
function membershipLocks(view: VolumeView, spot: Spot, nowMs: number): PlacedLock[] {
  const parent = spot.ancestors.at(-1)
  if (parent === undefined || !spot.isReachable) return []
  const shallow = locksOf(view, parent, nowMs).filter(({ isDeep }) => !isDeep)
  return [...inheritedLocks(view, spot, nowMs), ...placed(shallow, spot.path.slice(0, -1))]
}

const placed = (locks: readonly Lock[], root: Path): PlacedLock[] => locks.map((lock) => ({ lock, root }))

/** Groups of locks; of each the client has to hold one (RFC 4918, section 7: of shared locks one is enough). */
function* locksInTheWay(view: VolumeView, { kind, path }: Effect, nowMs: number): Generator<readonly PlacedLock[]> {
  if (kind === 'read') return
  const spot = locate(view, path)
  const own = coveringLocks(view, spot, nowMs)
  if (own.length > 0) yield own
  if (spot.found === undefined || kind === 'remove') {
    const membership = membershipLocks(view, spot, nowMs)
    if (membership.length > 0) yield membership
  }
  if (kind === 'write' || spot.found?.record.type !== 'directory') return
  const below = Map.groupBy(locksBelow(view, spot.found.record.inode, nowMs), ({ lock }) => lock.inode)
  yield* below.values()
}
