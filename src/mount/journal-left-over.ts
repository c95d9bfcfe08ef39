import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { JournalPlace } from './content-layer.ts'
import { type JournalChange, type JournalSettled, withKnown } from './journal-record.ts'

/** A change that the journal of an earlier mount has and the cluster may not have. */
export interface PendingChange {
  readonly number: number
  readonly change: JournalChange
  readonly place: JournalPlace
  /** What was under way together. */
  readonly group: number | undefined
}

/** What one file of the journal says of changes. */
export interface SegmentRecords {
  /** In order. */
  readonly records: (Omit<PendingChange, 'group'> | JournalSettled)[]
  /** By number of a change. */
  readonly groups: Map<number, number>
}

/** What the files of a journal, in order, leave to be done, and the greatest numbers that they name. Those of changes that are gone, with
 *  the files that they were in, count too: what was numbered anew would be settled by what they left. */
export function leftOver(segments: readonly SegmentRecords[]): {
  readonly pending: readonly PendingChange[]
  readonly lastNumber: number
  readonly lastInode: number
} {
  const groups = new Map(segments.flatMap((one) => [...one.groups]))
  const known = new Map<InodeId, Attributes>()
  const left = new Map<number, Omit<PendingChange, 'group'>>()
  let [lastNumber, lastInode] = [[...groups.keys()].reduce((most, number) => Math.max(most, number), 0), 0]
  for (const record of segments.flatMap(({ records }) => records)) {
    const isSettled = 'op' in record
    for (const number of isSettled ? record.numbers : [record.number]) {
      lastNumber = Math.max(lastNumber, number)
      if (isSettled) left.delete(number)
    }
    lastInode = Math.max(lastInode, isSettled ? record.inode : record.change.inode)
    if (!isSettled) left.set(record.number, record)
    for (const { inode, base } of isSettled ? [{ inode: record.inode, base: record.entry }] : basesOf(record.change))
      if (base !== undefined && isNewer(base, known.get(inode))) known.set(inode, base)
  }
  const pending = Array.from(left.values(), ({ number, change, place }) => {
    return { number, place, change: withKnown(change, known), group: groups.get(number) }
  })
  return { pending, lastNumber, lastInode }
}

/** Before which of the files changes are missing, and how many: each has the number behind that of the one before it. */
export function gapIn(segments: readonly SegmentRecords[]): { readonly before: number; readonly changes: number } | undefined {
  let last: number | undefined
  for (const [index, { records }] of segments.entries()) {
    for (const record of records) {
      if ('op' in record) continue
      if (last !== undefined && record.number > last + 1) return { before: index, changes: record.number - last - 1 }
      last = record.number
    }
  }
  return undefined
}

/** What a change says of the inodes that it is about: mostly that is newer than what settled the change before it. */
function basesOf(change: JournalChange): readonly { readonly inode: InodeId; readonly base?: Attributes }[] {
  return change.op === 'rename' && change.replaces !== undefined ? [change, change.replaces] : [change]
}

/** What was settled may have been written down late. */
function isNewer(base: Attributes, before: Attributes | undefined): boolean {
  return before?.inode !== base.inode || base.version >= before.version
}
