// The checks of one volume, in the order in which they need each other.

import { ROOT_INODE } from '#foundation/ids.ts'
import { decodeCounters, encodeCounters } from './counters.ts'
import type { Steps, VolumeCheck } from './fsck-check.ts'
import { checkStrayRows } from './fsck-contents.ts'
import { checkEntries, checkRoot } from './fsck-entries.ts'
import { checkFileLocks } from './fsck-file-locks.ts'
import { checkInodes } from './fsck-inodes.ts'
import { checkLocks } from './fsck-locks.ts'
import { checkSettings } from './fsck-settings.ts'
import { checkUploads } from './fsck-uploads.ts'
import { checkVersions } from './fsck-versions.ts'
import { countersKey, idOfKey, kindRange, KIND } from './keys.ts'

export function* checkVolume(check: VolumeCheck): Steps {
  // First of all, since what is mended may need new numbers.
  const known = largestIdInKeys(check)
  yield* checkNextId(check, known)
  yield* checkRoot(check)
  yield* checkUploads(check)
  yield* checkEntries(check)
  yield* checkInodes(check)
  yield* checkVersions(check)
  yield* checkStrayRows(check)
  yield* checkLocks(check)
  yield* checkFileLocks(check)
  yield* checkSettings(check)
  if (check.largestId > known) yield* checkNextId(check, check.largestId)
  yield* checkUsage(check)
}

/** The last row of each kind tells. */
function largestIdInKeys(check: VolumeCheck): number {
  let largest: number = ROOT_INODE
  for (const kind of [KIND.entry, KIND.inode, KIND.extent, KIND.inline, KIND.xattr]) {
    const [row] = check.snapshot.range({ ...kindRange(check.prefix, kind), reverse: true, limit: 1 })
    if (row !== undefined && row.key.length >= 17) largest = Math.max(largest, idOfKey(row.key))
  }
  return largest
}

function storedCounters(view: Pick<VolumeCheck, 'snapshot' | 'prefix'>) {
  const row = view.snapshot.get(countersKey(view.prefix))
  return decodeCounters(row?.length === 24 ? row : undefined)
}

function* checkNextId(check: VolumeCheck, largest: number): Steps {
  const { nextId } = storedCounters(check)
  if (nextId > largest) return
  yield {
    problem: 'next-id-low',
    where: `${check.record.name}: counters`,
    detail: `the next inode would get the number ${nextId}, and ${largest} is in use`,
    mend: (repair) => {
      const now = storedCounters({ snapshot: repair.tx, prefix: check.prefix })
      if (now.nextId <= largest) repair.tx.put(countersKey(check.prefix), encodeCounters({ ...now, nextId: largest + 1 }))
    },
  }
}

function* checkUsage(check: VolumeCheck): Steps {
  const stored = storedCounters(check)
  const { files, bytes } = check
  if (stored.files === files && stored.bytes === bytes) return
  yield {
    problem: 'counters-wrong',
    where: `${check.record.name}: counters`,
    detail: `the volume has ${files} files of ${bytes} bytes, and ${stored.files} of ${stored.bytes} are counted`,
    // What happens meanwhile keeps the difference as it is.
    mend: check.mend((t) => {
      t.countFiles(files - stored.files)
      t.countBytes(bytes - stored.bytes)
    }),
  }
}
