// Checks the locks of WebDAV clients. One that has expired is no damage: the next round of maintenance removes it.

import type { InodeId } from '#foundation/ids.ts'
import { lookAtInode, placeOfInode, type Steps, type VolumeCheck } from './fsck-check.ts'
import { idOfKey, kindRange, KIND } from './keys.ts'
import { tryDecodeLock } from './locks.ts'

export function* checkLocks(check: VolumeCheck): Steps {
  for (const { key, value } of check.snapshot.range(kindRange(check.prefix, KIND.lock))) {
    yield undefined
    if (tryDecodeLock(key, value) === undefined) {
      yield {
        problem: 'lock-unreadable',
        where: `${check.record.name}: key ${key.toString('hex')}`,
        detail: "the row of a lock can't be read; it is removed",
        mend: check.mend((t) => {
          const now = t.tx.get(key)
          if (now !== undefined && tryDecodeLock(key, now) === undefined) t.tx.delete(key)
        }),
      }
      continue
    }
    const inode = idOfKey(key) as InodeId
    if (lookAtInode(check, inode).kind !== 'absent' || check.adopted.has(inode)) continue
    yield {
      problem: 'lock-stray',
      where: placeOfInode(check, inode),
      detail: "a lock on an inode that doesn't exist; it is removed",
      mend: check.mend((t) => {
        if (lookAtInode(t, inode).kind === 'absent') t.tx.delete(key)
      }),
    }
  }
}
