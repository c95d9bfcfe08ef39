// Checks the locks of mounts and their sessions. A session that nobody has heard of for long is no damage: the node that leads ends it.

import { lookAtInode, type Steps, type VolumeCheck } from './fsck-check.ts'
import {
  fileLockKey,
  kindRange,
  KIND,
  readFileLockKey,
  readSessionLockKey,
  sessionKey,
  sessionLockKey,
  sessionOfKey,
} from './keys.ts'
import { tryDecodeRanges } from './lock-ranges.ts'
import { tryDecodeSession } from './mount-sessions.ts'
import type { VolumeView } from './transaction.ts'

export function* checkFileLocks(check: VolumeCheck): Steps {
  yield* checkRows(check, KIND.session, {
    problem: 'session-unreadable',
    detail: 'the session of a mount can not be read; it is removed, and the mount begins another one',
    isWrong: (_, key, value) =>
      tryDecodeSession(value) === undefined || key.length !== sessionKey(check.prefix, sessionOfKey(key)).length,
  })
  yield* checkRows(check, KIND.fileLock, {
    problem: 'file-lock-stray',
    detail: "a lock of a mount that can't be read, or whose file, session or other row doesn't exist; it is removed",
    isWrong: isStrayLock,
  })
  yield* checkRows(check, KIND.sessionLock, {
    problem: 'file-lock-stray',
    detail: 'a row that leads from a session to a lock that does not exist; it is removed',
    isWrong: (view, key) => {
      const lock = readSessionLockKey(key)
      return lock === undefined || view.snapshot.get(fileLockKey(view.prefix, lock.inode, lock)) === undefined
    },
  })
}

interface Rows {
  readonly problem: 'session-unreadable' | 'file-lock-stray'
  readonly detail: string
  readonly isWrong: (view: VolumeView, key: Buffer, value: Buffer) => boolean
}

function* checkRows(check: VolumeCheck, kind: number, { problem, detail, isWrong }: Rows): Steps {
  for (const { key, value } of check.snapshot.range(kindRange(check.prefix, kind))) {
    yield undefined
    if (!isWrong(check, key, value)) continue
    yield {
      problem,
      where: `${check.record.name}: key ${key.toString('hex')}`,
      detail,
      mend: check.mend((t) => {
        const now = t.tx.get(key)
        if (now !== undefined && isWrong(t, key, now)) t.tx.delete(key)
      }),
    }
  }
}

function isStrayLock(view: VolumeView, key: Buffer, value: Buffer): boolean {
  const lock = readFileLockKey(key)
  if (lock === undefined || tryDecodeRanges(value) === undefined) return true
  return (
    lookAtInode(view, lock.inode).kind === 'absent' ||
    view.snapshot.get(sessionKey(view.prefix, lock.session)) === undefined ||
    view.snapshot.get(sessionLockKey(view.prefix, lock.inode, lock)) === undefined
  )
}
