// Write locks as WebDAV has them (RFC 4918, sections 6 and 7), kept with the inode that they lock: docs/formats/metadata.md.
//
// A lock stays with its inode: another name of the file is locked too, and a rename through another door takes the lock
// along. It ends when it is given up, when it expires, when its inode is removed, and when WebDAV moves its resource.

import { assert } from '#foundation/assert.ts'
import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import type { Snapshot } from '#kv/store.ts'
import { findEntry, parentOf } from './inodes.ts'
import {
  contentBytes,
  idOfKey,
  inodeKey,
  kindRange,
  KIND,
  type KeyPrefix,
  lockKey,
  parentOfEntryKey,
  readEntryKey,
  tokenOfLockKey,
} from './keys.ts'
import { decodePointer } from './record.ts'
import { resolvePath } from './resolve.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'

export type LockScope = 'exclusive' | 'shared'

export interface Lock {
  readonly inode: InodeId
  /** Names the lock: 32 lower-case hexadecimal characters. */
  readonly token: string
  readonly scope: LockScope
  /** Whether everything below a directory is locked with it. */
  readonly isDeep: boolean
  /** What the client says of its user: XML, handed back as it came. */
  readonly owner: string
  /** Who took it: nobody else can use or give up the lock. */
  readonly principal: string
  readonly timeoutMs: number
  readonly expiresMs: number
  /** Where the inode was when it was locked: for files of several names. */
  readonly path: Path
}

/** A lock that is kept longer would outlive the client that forgot it for too long. */
export const MAX_LOCK_MS = 24 * 60 * 60 * 1000

export function encodeLock({ inode: _inode, token: _token, ...value }: Lock): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** @throws SyntaxError for what is no JSON */
function decodeLock(key: Buffer, value: Buffer): Lock {
  const stored = JSON.parse(value.toString('utf8')) as Omit<Lock, 'inode' | 'token'>
  return { ...stored, inode: idOfKey(key) as InodeId, token: tokenOfLockKey(key) }
}

/** `undefined` for a row that holds no lock. */
export function tryDecodeLock(key: Buffer, value: Buffer): Lock | undefined {
  if (key.length !== 33) return undefined
  try {
    const lock = decodeLock(key, value)
    const isRight =
      (lock.scope === 'exclusive' || lock.scope === 'shared') &&
      typeof lock.isDeep === 'boolean' &&
      typeof lock.owner === 'string' &&
      typeof lock.principal === 'string' &&
      Number.isSafeInteger(lock.expiresMs) &&
      Number.isSafeInteger(lock.timeoutMs) &&
      Array.isArray(lock.path)
    return isRight ? lock : undefined
  } catch {
    return undefined
  }
}

/** Rows that can't be read lock nothing: `shoal fsck` removes them. */
export function* listLocks(view: { readonly snapshot: Snapshot; readonly prefix: KeyPrefix }, inode?: InodeId): Generator<Lock> {
  const below = inode === undefined ? undefined : contentBytes(inode)
  for (const { key, value } of view.snapshot.range(kindRange(view.prefix, KIND.lock, below))) {
    const lock = tryDecodeLock(key, value)
    if (lock !== undefined) yield lock
  }
}

/** The locks on an inode itself that haven't expired. */
export function locksOf(view: VolumeView, inode: InodeId, nowMs: number): Lock[] {
  return [...listLocks(view, inode)].filter(({ expiresMs }) => expiresMs > nowMs)
}

export function hasLocks(view: VolumeView): boolean {
  for (const _ of view.snapshot.range({ ...kindRange(view.prefix, KIND.lock), limit: 1 })) return true
  return false
}

export function putLock(t: VolumeTransaction, lock: Lock): void {
  assert(lock.expiresMs <= t.nowMs + MAX_LOCK_MS, 'A lock expires within a day')
  t.tx.put(lockKey(t.prefix, lock.inode, lock.token), encodeLock(lock))
  lockless.delete(t)
}

export function removeLock(t: VolumeTransaction, { inode, token }: Pick<Lock, 'inode' | 'token'>): void {
  t.tx.delete(lockKey(t.prefix, inode, token))
}

/** Transactions that have seen a volume without locks: a tree is removed by many removals in one. */
const lockless = new WeakSet<VolumeTransaction>()

/** The inode goes, and its locks with it. */
export function removeLocksOf(t: VolumeTransaction, inode: InodeId): void {
  if (lockless.has(t)) return
  if (!hasLocks(t)) {
    lockless.add(t)
    return
  }
  for (const { key } of t.snapshot.range(kindRange(t.prefix, KIND.lock, contentBytes(inode)))) t.tx.delete(key)
}

export interface PlacedLock {
  readonly lock: Lock
  /** Where the locked resource is. */
  readonly root: Path
}

/** The locks of what is below a directory, itself left out, that haven't expired. Each lock of the volume is looked at. */
export function* locksBelow(view: VolumeView, directory: InodeId, nowMs: number): Generator<PlacedLock> {
  for (const lock of listLocks(view)) {
    if (lock.expiresMs <= nowMs || lock.inode === directory) continue
    const place = placeOf(view, lock)
    if (place?.ancestors.includes(directory) === true) yield { lock, root: place.path }
  }
}

/** Where a locked inode is; `undefined` if it is gone. */
function placeOf(view: VolumeView, lock: Lock): { path: Path; ancestors: readonly InodeId[] } | undefined {
  const row = view.snapshot.get(inodeKey(view.prefix, lock.inode))
  if (row === undefined) return undefined
  if (lock.inode === ROOT_INODE) return { path: [], ancestors: [] }
  const pointer = decodePointer(row)
  if (pointer === undefined) return placeByPath(view, lock)
  const names = [readEntryKey(pointer).name]
  const ancestors: InodeId[] = [parentOfEntryKey(pointer)]
  for (let above = parentOf(view, ancestors[0] as InodeId); above !== undefined; above = parentOf(view, above.parent)) {
    names.push(above.name)
    ancestors.push(above.parent)
  }
  return { path: names.toReversed(), ancestors }
}

/** A file of several names is where it was locked, as long as it is there. */
function placeByPath(view: VolumeView, lock: Lock): { path: Path; ancestors: readonly InodeId[] } | undefined {
  if (resolveQuietly(view, lock.path) !== lock.inode) return undefined
  const ancestors: InodeId[] = [ROOT_INODE]
  for (const name of lock.path.slice(0, -1)) {
    const next = findEntry(view, ancestors.at(-1) as InodeId, { name, form: 'directory' })
    if (next === undefined) return undefined
    ancestors.push(next.record.inode)
  }
  return { path: lock.path, ancestors }
}

function resolveQuietly(view: VolumeView, path: Path): InodeId | undefined {
  try {
    return resolvePath(view, path)?.record.inode
  } catch {
    // A file stands in the way by now.
    return undefined
  }
}

/** Removes locks that have expired, at most `limit` of them; the number removed. */
export function reapLocks(t: VolumeTransaction, limit: number): number {
  let reaped = 0
  for (const lock of listLocks(t)) {
    if (lock.expiresMs > t.nowMs) continue
    removeLock(t, lock)
    reaped += 1
    if (reaped === limit) break
  }
  return reaped
}
