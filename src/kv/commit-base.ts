import type { Interval } from './arguments.ts'
import type { Decode, KeyValue } from './store.ts'
import type { WriteSet } from './write-set.ts'

export interface CommitOptions {
  /** Write it where it is to stay at once, rather than note it down first. */
  readonly direct?: boolean
}

/** Something flushed that can be read. */
export interface FlushedState {
  /** The caller owns what comes out. `name` is the key's, if it is known already. */
  get(key: Uint8Array, name?: string): Buffer | undefined
  /** As `getDecoded` of a snapshot. */
  getDecoded?<T>(key: Uint8Array, decode: Decode<T>, name?: string): T | undefined
  /** A lazy walk. `return()` is called on each that may be unfinished when the state is no longer read. */
  range(interval: Interval): IterableIterator<KeyValue>
}

/** One moment of the flushed state, whatever is committed meanwhile. */
export interface KeptState extends FlushedState {
  /** Called once, after the last walk has ended. */
  release(): void
}

/** The flushed state under a `GroupCommitStore`: what an adapter has to bring. Arguments have been checked. Between two
 *  turns of the event loop `get` and all walks show one state; a walk is never kept longer. */
export interface CommitBase extends FlushedState {
  /** The flushed state of this moment, to be kept. */
  keep(): KeptState
  /** Writes all of `writes` or nothing, in one step. When it resolves, the writes are durable, and `get` and `range` show
   *  them. It is called again only when the promise has settled. It may keep the buffers.
   *  @throws NO_SPACE when nothing was written and later commits may succeed; any other error is the end of all writing here:
   *  UNAVAILABLE if it goes on elsewhere, where the writes may have arrived if its details say `ambiguous`. */
  commit(writes: WriteSet, options?: CommitOptions): Promise<void>
  /** As `promiseQuiet` of a store. */
  promiseQuiet?(): number
  /** Called once, with no commit under way; nothing is called after it. */
  close(): Promise<void>
}
