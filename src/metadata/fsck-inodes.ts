// Checks the rows of all inodes: each leads to its entry, or holds a record that as many entries name as it says; and the
// root can be reached from every directory.

import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import {
  findInodeState,
  lookAtInode,
  lookAtRow,
  placeOfInode,
  type Steps,
  tryDecodeRecord,
  type VolumeCheck,
} from './fsck-check.ts'
import { checkContents } from './fsck-contents.ts'
import { linkCountWrong } from './fsck-entries.ts'
import { idOfKey, inodeKey, kindRange, KIND, parentOfEntryKey } from './keys.ts'
import { attachShared, moveRow } from './lost-and-found.ts'
import { encodeRecord, type InodeRecord } from './record.ts'
import type { VolumeTransaction } from './transaction.ts'

export function* checkInodes(check: VolumeCheck): Steps {
  for (const { key, value } of check.snapshot.range(kindRange(check.prefix, KIND.inode))) {
    yield undefined
    const inode = idOfKey(key) as InodeId
    check.seeId(inode)
    if (inode === ROOT_INODE) continue
    const state = lookAtRow(check, inode, value)
    if (state.kind === 'shared') yield* checkShared(check, inode, state.record)
    else if (state.kind === 'embedded') {
      if (state.record.type === 'directory') yield* checkReach(check, inode)
    } else if (state.kind !== 'absent' && !check.adopted.has(inode) && !check.lostParents.has(inode)) {
      yield* reportRow(check, inode, state.kind)
    } else if (check.adopted.has(inode)) yield* checkReach(check, inode)
  }
}

function* reportRow(check: VolumeCheck, inode: InodeId, kind: 'dangling' | 'unreadable'): Steps {
  yield {
    problem: kind === 'dangling' ? 'inode-dangling' : 'inode-unreadable',
    where: `${check.record.name}:(inode ${inode})`,
    detail:
      kind === 'dangling'
        ? "its row leads to an entry that isn't there; the row is removed"
        : "its row can't be read and is removed",
    mend: check.mend((t) => {
      if (lookAtInode(t, inode).kind === kind) t.tx.delete(inodeKey(t.prefix, inode))
    }),
  }
}

function* checkShared(check: VolumeCheck, inode: InodeId, record: InodeRecord): Steps {
  const where = placeOfInode(check, inode)
  const key = inodeKey(check.prefix, inode)
  check.count(record)
  if (record.inode !== inode) {
    yield {
      problem: 'inode-number-wrong',
      where,
      detail: `the record of inode ${inode} says that it is ${record.inode}`,
      mend: check.mend((t) => {
        const state = lookAtInode(t, inode)
        if (state.kind === 'shared') t.tx.put(key, encodeRecord({ ...state.record, inode }))
      }),
    }
  }
  const counted = check.names.get(inode)?.count ?? 0
  if (counted === 0 && !check.twins.has(inode)) {
    yield {
      problem: 'inode-orphan',
      where,
      detail: `a ${record.type} of ${record.sizeBytes} bytes has no name; it moves to lost+found/${inode}`,
      mend: check.mend((t) => adopt(t, inode)),
    }
  } else if (counted !== 0 && record.links !== counted) {
    yield linkCountWrong(check, { ...record, inode }, { counted, where })
  }
  yield* checkContents(check, record, key)
}

function adopt(t: VolumeTransaction, inode: InodeId): void {
  const row = t.tx.get(inodeKey(t.prefix, inode))
  const record = row === undefined ? undefined : tryDecodeRecord(row)
  if (record === undefined) return
  attachShared(t, { ...record, inode })
}

/** Walks up until the root, or a directory from which the root is known to be reached. */
function* checkReach(check: VolumeCheck, start: InodeId): Steps {
  const way: InodeId[] = []
  const onWay = new Set<InodeId>()
  let at = start
  while (at !== ROOT_INODE && !check.settled.has(at)) {
    if (onWay.has(at)) {
      yield* reportCycle(check, way.slice(way.indexOf(at)))
      break
    }
    const state = findInodeState(check, at)
    // A directory that is missing is reported with the entries that are in it.
    if (state.kind !== 'embedded') break
    way.push(at)
    onWay.add(at)
    at = parentOfEntryKey(state.entry)
  }
  for (const inode of way) check.settled.add(inode)
}

function* reportCycle(check: VolumeCheck, cycle: readonly InodeId[]): Steps {
  const inode = cycle.reduce((least, other) => (other < least ? other : least))
  yield {
    problem: 'directory-unreachable',
    where: placeOfInode(check, inode),
    detail: `${cycle.length} directories contain each other (${cycle.slice(0, 8).join(', ')}), so the root can't be reached from them`,
    mend: check.mend((t) => {
      const seen = new Set<InodeId>()
      let at = inode
      for (;;) {
        const state = lookAtInode(t, at)
        if (state.kind !== 'embedded') return
        if (seen.has(at)) break
        seen.add(at)
        at = parentOfEntryKey(state.entry)
      }
      const state = lookAtInode(t, inode)
      if (state.kind === 'embedded') moveRow(t, state.entry)
    }),
  }
}
