/** One key with its value. Keys order as unsigned bytes, a shorter key before its extensions. */
export interface KeyValue {
  readonly key: Buffer
  readonly value: Buffer
}

/** The half-open interval `[start, end)`; both ends default to the ends of the key space. `reverse` walks the same
 *  interval from its last key to its first. */
export interface RangeOptions {
  readonly start?: Uint8Array
  readonly end?: Uint8Array
  readonly reverse?: boolean
  readonly limit?: number
}

/** What bytes mean: it gives the same for the same bytes, whoever asks, and what it gives is never changed. */
export type Decode<T> = (value: Buffer) => T

/** A consistent view of the store, valid only inside the callback that received it: it must not be kept, and the
 *  callback must not be asynchronous. Absence is `undefined`. Buffers that come out belong to the caller. */
export interface Snapshot {
  get(key: Uint8Array): Buffer | undefined
  /** What `decode` makes of the value. For small rows that are read again and again: the store may keep the result for the
   *  next one who asks with the same function, as long as the row is what it was. */
  getDecoded<T>(key: Uint8Array, decode: Decode<T>): T | undefined
  /** Lazy: entries are fetched as the caller pulls them. It shows the moment of the call: what the same transaction writes
   *  later is not in it. The iteration ends with the callback. */
  range(options: RangeOptions): IterableIterator<KeyValue>
}

/** A snapshot that may be kept across awaits, until `close`. It is for long walks that must see one moment, a check of the
 *  whole store above all: while it is open, LMDB can't use the pages again that others free, so its file grows with all
 *  that is written meanwhile, and a store in memory holds a second copy of its index. Keep few, and close each. */
export interface LongSnapshot extends Snapshot {
  /** Ends the snapshot and all its walks. Repeating it is harmless; closing the store does it too, after which reading
   *  fails with UNAVAILABLE. */
  close(): void
}

/** A snapshot that also writes, and reads its own writes. The store may keep the buffers: don't reuse them. */
export interface Transaction extends Snapshot {
  put(key: Uint8Array, value: Uint8Array): void
  /** Removing an absent key is harmless. */
  delete(key: Uint8Array): void
  /** Runs `fn` as a part that takes effect as a whole: if it throws, what it wrote is undone, its error comes out, and the
   *  transaction can go on. So several changes that know nothing of each other share a transaction. Parts may be nested. */
  attempt<T>(fn: () => T): T
  /** Bytes of memory that what was written so far takes, about. */
  readonly writtenBytes: number
}

export interface TransactOptions {
  /** It makes room rather than taking some: on a full disk it may use what is kept back for that. */
  readonly frees?: boolean
  /** How many changes it carries at most, where it is more than one: for whoever estimates how much room it takes. */
  readonly changes?: number
  /** Room is short: nothing is to wait for its place in the store, where it might not fit. */
  readonly direct?: boolean
}

/** What a key or value may be at most. LMDB's page size gives the first; the second keeps commits short. */
export const MAX_KEY_BYTES = 1_900
export const MAX_VALUE_BYTES = 16 * 1024 * 1024

/** An ordered, transactional key-value store: the ground under all metadata. `store.suite.ts` holds each promise below,
 *  and every adapter runs it.
 *
 *  - **Serializable:** transactions take effect one after another, in the order in which `transact` was called.
 *  - **Durable:** when `transact` resolves, the writes are on disk and every later `read` sees them. Transactions that
 *    are under way together share one commit and one flush (group commit).
 *  - **Atomic:** all writes of one transaction survive a crash, or none. If the callback throws, nothing is written and
 *    `transact` rejects with that error.
 *  - **Never ahead of the disk:** a `read` sees only what is durable. A transaction may see the writes of transactions
 *    before it that are still being flushed; it is then acknowledged only after them, and fails if they fail.
 *  - **Fail-stop:** NO_SPACE fails the transactions concerned and leaves the store usable. After any other failed
 *    commit every further `transact` is refused with STORAGE_FAILED, since nobody can say what the disk holds; reads go on.
 *
 *  @throws INVALID_ARGUMENT for an empty or over-long key, or an over-long value (an empty one is fine); TOO_LARGE for a
 *  transaction, or a part of one, that writes over 64 MiB; BUSY when too much waits for the disk; NO_SPACE; STORAGE_FAILED; UNAVAILABLE after `close`. */
export interface KeyValueStore {
  get(key: Uint8Array): Promise<Buffer | undefined>
  /** Reads consistently: `fn` sees one snapshot. `fn` runs synchronously and holds the snapshot no longer than it runs. */
  read<T>(fn: (snapshot: Snapshot) => T): Promise<T>
  /** What is durable now, to be read for as long as it takes. */
  openSnapshot(): Promise<LongSnapshot>
  /** Walks a range in pages, each from a fresh snapshot, so that no transaction is open while the caller awaits. Entries
   *  that others write meanwhile may or may not appear; none appears twice, and order holds. */
  range(options: RangeOptions): AsyncIterableIterator<KeyValue>
  /** Runs `fn` synchronously, and commits what it wrote. Once, but for a transaction that `frees`: it may be run anew when
   *  there was no room for it. */
  transact<T>(fn: (transaction: Transaction) => T, options?: TransactOptions): Promise<T>
  /** For how long, in ms, nothing will change that could be read by now, for somebody who is told so: changes wait until then. 20 at most, and
   *  no more than a tenth of the time in which nothing has changed; 0 where that can't be said. A store without it promises nothing. */
  promiseQuiet?(): number
  /** Waits for what is under way, then releases everything. Repeating it is harmless. */
  close(): Promise<void>
}

/** What can be asked of a store. */
export type KeyValueReader = Pick<KeyValueStore, 'get' | 'read' | 'openSnapshot' | 'range'>
