// The sessions of mounts: what a mount holds, locks above all, is held by its session, and goes with it.

import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Decode } from '#kv/store.ts'
import { fileLockKey, kindRange, KIND, readSessionLockKey, sessionKey, sessionOfKey } from './keys.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'

/** Mounts of one volume: each asks for its lease to be renewed every ten seconds or so. */
export const MAX_SESSIONS = 1_000

export interface MountSession {
  /** 32 lower-case hexadecimal characters. */
  readonly id: string
  /** Who began it: nobody else can use or end it. */
  readonly principal: string
  /** Names the mount, over all its sessions: 32 lower-case hexadecimal characters. */
  readonly mount: string
  /** What the mount says of itself, to be shown. */
  readonly about: string
  /** How long it lasts after it was last heard of. When that was, the node that leads knows by heart. */
  readonly leaseMs: number
}

/** `undefined` for a row that holds none. */
export const tryDecodeSession: Decode<Omit<MountSession, 'id'> | undefined> = (value) => {
  try {
    const stored = JSON.parse(value.toString('utf8')) as Omit<MountSession, 'id'>
    const isRight =
      typeof stored.principal === 'string' &&
      /^[0-9a-f]{32}$/.test(stored.mount) &&
      typeof stored.about === 'string' &&
      Number.isSafeInteger(stored.leaseMs)
    return isRight ? stored : undefined
  } catch {
    return undefined
  }
}

/** @throws BUSY with as many sessions as there may be */
export function beginSession(t: VolumeTransaction, { id, ...stored }: MountSession): void {
  const count = [...t.snapshot.range({ ...kindRange(t.prefix, KIND.session), limit: MAX_SESSIONS })].length
  if (count >= MAX_SESSIONS)
    throw new ShoalError('BUSY', `The volume has ${count} sessions of mounts, as many as there may be: try again later`)
  t.tx.put(sessionKey(t.prefix, id), Buffer.from(JSON.stringify(stored)))
}

/** Sessions whose rows can't be read hold nothing: `shoal fsck` removes them. */
export function listSessions(view: VolumeView): MountSession[] {
  return [...view.snapshot.range(kindRange(view.prefix, KIND.session))].flatMap(({ key, value }) => {
    const stored = tryDecodeSession(value)
    return stored === undefined ? [] : [{ id: sessionOfKey(key), ...stored }]
  })
}

/** @throws PRECONDITION_FAILED if it has ended; FORBIDDEN if it is somebody else's */
export function requireSession(view: VolumeView, id: string, principal: string): MountSession {
  const stored = view.snapshot.getDecoded(sessionKey(view.prefix, id), tryDecodeSession)
  if (stored === undefined)
    throw new ShoalError('PRECONDITION_FAILED', 'The session has ended, and its locks with it', { details: { session: id } })
  if (stored.principal !== principal)
    throw new ShoalError('FORBIDDEN', `The session is "${stored.principal}"'s, who alone can use it`)
  return { id, ...stored }
}

/** Lets go of all that a session holds. Repeating it is harmless.
 *  @returns the inodes that it had locks on */
export function endSession(t: VolumeTransaction, id: string): ReadonlySet<InodeId> {
  const inodes = new Set<InodeId>()
  for (const { key } of t.snapshot.range(kindRange(t.prefix, KIND.sessionLock, Buffer.from(id, 'hex')))) {
    const lock = readSessionLockKey(key)
    t.tx.delete(key)
    if (lock === undefined) continue
    t.tx.delete(fileLockKey(t.prefix, lock.inode, lock))
    inodes.add(lock.inode)
  }
  t.tx.delete(sessionKey(t.prefix, id))
  return inodes
}
