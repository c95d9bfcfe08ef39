import type { Interval } from './arguments.ts'
import type { KeyValue } from './store.ts'
import type { WriteSet } from './write-set.ts'

/** The flushed state under a `GroupCommitStore`: what an adapter has to bring. Arguments have been checked. */
export interface CommitBase {
  /** The caller owns what comes out. */
  get(key: Uint8Array): Buffer | undefined
  /** A lazy walk over the flushed state. Between two turns of the event loop it shows one state, the same as `get`; it is
   *  never kept longer, and `return()` is called on each walk that may be unfinished by then. */
  range(interval: Interval): IterableIterator<KeyValue>
  /** Writes all of `writes` or nothing, in one step. When it resolves, the writes are durable, and `get` and `range` show
   *  them. It is called again only when the promise has settled. It may keep the buffers.
   *  @throws NO_SPACE when nothing was written and later commits may succeed; any other error is the end of all writing. */
  commit(writes: WriteSet): Promise<void>
  /** Called once, with no commit under way; nothing is called after it. */
  close(): Promise<void>
}
