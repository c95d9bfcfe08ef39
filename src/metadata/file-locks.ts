// Locks of flock(2) and fcntl(2) that hold across machines, kept with the inode that they lock: docs/formats/metadata.md.
//
// They bind those who ask for locks and nobody else. A lock stays with its inode, whatever its names are, and goes when it
// is given up, when its session ends, and when its inode is removed.

import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from './attributes.ts'
import { findInode } from './inodes.ts'
import { contentBytes, fileLockKey, kindRange, KIND, type LockHolder, readFileLockKey, sessionLockKey } from './keys.ts'
import {
  changeRanges,
  encodeRanges,
  excludes,
  type FileLockKind,
  type HeldRange,
  type LockRange,
  type RangeChange,
  tryDecodeRanges,
} from './lock-ranges.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'

/** Of one owner in one file. A database locks a handful; a row of so many has 21 KiB. */
export const MAX_RANGES = 1_024
/** Of one file: each is looked at when another one locks it. */
export const MAX_HOLDERS = 1_024
/** Files that a session has locked, each by each of its owners. All go in one transaction when it ends. */
export const MAX_SESSION_LOCKS = 10_000

export interface FileLock extends LockHolder, HeldRange {
  readonly inode: InodeId
}

export interface FileLockChange extends LockHolder, RangeChange {
  readonly inode: InodeId
}

/** A lock that somebody waits for. */
export type Awaited = LockHolder & LockRange & { readonly kind: FileLockKind }

export type FileLockOutcome =
  /** The file as it is now, and whether others may have what they could not have before. */
  | { readonly state: 'done'; readonly attributes: Attributes; readonly frees: boolean }
  /** Somebody's lock is in the way; `frees` as above: flock(2) gives up the old lock before it asks for another kind. */
  | { readonly state: 'held'; readonly by: FileLock; readonly frees: boolean }
  /** Nothing is, but others wait for their turn. */
  | { readonly state: 'in-line'; readonly frees: boolean }

/** Whether the holder of `one` is another than that of `other`. */
export function isOther(one: LockHolder, other: LockHolder): boolean {
  return one.owner !== other.owner || one.session !== other.session
}

/** Changes what one holder has locked of a file. Those of `ahead` who wait for what excludes it come first, unless the holder has
 *  locked some of the file already: they may be waiting for just that.
 *  @throws NOT_FOUND if the file is gone; TOO_LARGE at the limits */
export function changeFileLock(t: VolumeTransaction, change: FileLockChange, ahead: readonly Awaited[] = []): FileLockOutcome {
  const located = findInode(t, change.inode)
  if (located === undefined)
    throw new ShoalError('NOT_FOUND', `There is no file with the inode ${change.inode} any more`, {
      details: { inode: change.inode },
    })
  const { kind } = change
  const key = fileLockKey(t.prefix, change.inode, change)
  const row = t.snapshot.get(key)
  const held = (row === undefined ? undefined : tryDecodeRanges(row)) ?? []
  const frees = held.length > 0
  const base = change.family === 'flock' && held[0]?.kind !== kind ? [] : held
  if (kind !== 'unlock') {
    const by = findFileLock(t, { ...change, kind })
    const isBehind =
      held.length === 0 &&
      ahead.some((other) => other.family === change.family && isOther(other, change) && excludes(other, { ...change, kind }))
    if (by !== undefined || isBehind) {
      if (base !== held) store(t, { key, change, held, after: base })
      return by === undefined ? { state: 'in-line', frees } : { state: 'held', by, frees: frees && base !== held }
    }
  }
  store(t, { key, change, held, after: changeRanges(base, change) })
  return { state: 'done', attributes: located.record, frees }
}

interface Storing {
  readonly key: Buffer
  readonly change: FileLockChange
  readonly held: readonly HeldRange[]
  readonly after: readonly HeldRange[]
}

function store(t: VolumeTransaction, { key, change, held, after }: Storing): void {
  const index = sessionLockKey(t.prefix, change.inode, change)
  if (after.length === 0) {
    if (held.length === 0) return
    t.tx.delete(key)
    t.tx.delete(index)
    return
  }
  if (after.length > MAX_RANGES && after.length > held.length)
    throw new ShoalError('TOO_LARGE', `One owner locks ${MAX_RANGES} ranges of a file at most`)
  const bytes = encodeRanges(after)
  if (held.length > 0 && bytes.equals(encodeRanges(held))) return
  if (held.length === 0) {
    checkRoom(t, change)
    lockless.delete(t)
    t.tx.put(index, Buffer.alloc(0))
  }
  t.tx.put(key, bytes)
}

function checkRoom(view: VolumeView, { inode, session }: FileLockChange): void {
  const holders = kindRange(view.prefix, KIND.fileLock, contentBytes(inode))
  if (count(view, { ...holders, limit: MAX_HOLDERS }) >= MAX_HOLDERS)
    throw new ShoalError('TOO_LARGE', `A file is locked by ${MAX_HOLDERS} owners at most`)
  const files = kindRange(view.prefix, KIND.sessionLock, Buffer.from(session, 'hex'))
  if (count(view, { ...files, limit: MAX_SESSION_LOCKS }) >= MAX_SESSION_LOCKS)
    throw new ShoalError('TOO_LARGE', `A mount locks ${MAX_SESSION_LOCKS} files at most`)
}

function count(view: VolumeView, range: { start: Buffer; end: Buffer; limit: number }): number {
  let rows = 0
  for (const _ of view.snapshot.range(range)) rows += 1
  return rows
}

/** The first lock of somebody else that `asked` can't be beside; of its own kind of locks. */
export function findFileLock(view: VolumeView, asked: Awaited & { readonly inode: InodeId }): FileLock | undefined {
  for (const lock of listFileLocks(view, asked.inode)) {
    if (lock.family === asked.family && isOther(lock, asked) && excludes(lock, asked)) return lock
  }
  return undefined
}

/** The locks on a file. Rows that can't be read lock nothing: `shoal fsck` removes them. */
export function* listFileLocks(view: VolumeView, inode: InodeId): Generator<FileLock> {
  for (const { key, value } of view.snapshot.range(kindRange(view.prefix, KIND.fileLock, contentBytes(inode)))) {
    const holder = readFileLockKey(key)
    const ranges = tryDecodeRanges(value)
    if (holder === undefined || ranges === undefined) continue
    for (const range of ranges) yield { ...holder, ...range }
  }
}

/** Transactions that have seen a volume without such locks: a tree is removed by many removals in one. */
const lockless = new WeakSet<VolumeTransaction>()

/** The inode goes, and its locks with it. */
export function removeFileLocksOf(t: VolumeTransaction, inode: InodeId): void {
  if (lockless.has(t)) return
  if (count(t, { ...kindRange(t.prefix, KIND.fileLock), limit: 1 }) === 0) {
    lockless.add(t)
    return
  }
  for (const { key } of t.snapshot.range(kindRange(t.prefix, KIND.fileLock, contentBytes(inode)))) {
    const holder = readFileLockKey(key)
    t.tx.delete(key)
    if (holder !== undefined) t.tx.delete(sessionLockKey(t.prefix, inode, holder))
  }
}
