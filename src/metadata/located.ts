import type { InodeRecord } from './record.ts'

/** An inode and where it was found. */
export interface Located {
  readonly record: InodeRecord
  /** The key of the entry that led here; `undefined` for the root, and for an inode of several names found by number. */
  readonly entry: Buffer | undefined
  /** The key under which the record itself is stored. */
  readonly slot: Buffer
}
