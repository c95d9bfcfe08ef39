/** What one entry may hold. etcd takes requests of up to 1.5 MiB; the rest is for keys and comparisons. Whoever has more to
 *  say says it in several entries. */
export const ENTRY_BYTES_MAX = 1024 * 1024

export interface LogEntry {
  /** The first entry ever has 1, and none is left out. */
  readonly index: number
  /** Of the leader that appended it; never less than that of the entry before. */
  readonly epoch: number
  /** The reader's own. */
  readonly bytes: Buffer
}

/** Who would lead, and where others reach it. */
export interface Candidate {
  readonly id: string
  readonly address: string
}

export interface Leader extends Candidate {
  readonly epoch: number
}

/** Where the log begins and ends. An empty log has `last` = `first` - 1. */
export interface LogBounds {
  /** The oldest entry that is kept, or will be. */
  readonly first: number
  readonly last: number
}

/** What became of an append. */
export type AppendOutcome =
  /** It is the entry `index` of the log, on the disks of a majority. */
  | 'appended'
  /** The epoch is over: nothing was written, and nothing of this epoch ever will be. */
  | 'deposed'
  /** `index` isn't the next one: nothing was written by this call. */
  | 'taken'

/** A term of one leader. */
export interface Leadership {
  /** The fencing token: greater than that of every leader before. */
  readonly epoch: number
  /** Aborted when the term is over: another one may lead, the lease wasn't renewed in time, or `resign` was called. */
  readonly lost: AbortSignal
  /** Whether nobody else can lead at this moment. **To be asked after reading:** if it is true then, what was read was the
   *  newest state when it was read.
   *
   *  It holds while less of the lease has passed, by this machine's monotonic clock and since *before* the last renewal was
   *  sent, than the lease is long, less a tenth. The log counts from when it got the renewal, which is later. So two clocks may
   *  differ in pace by a tenth, and in the time of day by anything (Gray and Cheriton, "Leases", SOSP 1989, section 2). A machine
   *  that was put to sleep knows it by its time of day, if at all. */
  isLeased(): boolean
  /** For how long that will be so at least, by this machine's monotonic clock, even if no renewal succeeds any more; 0 if it isn't. */
  leasedMs(): number
  /** Ends the term at once, so that the next leader needn't wait for the lease to pass. Never fails: a log that
   *  can't be reached is told later, or the lease passes. */
  resign(): Promise<void>
}

/** A totally ordered log that several processes share, with the election of the one that may append. `log.suite.ts` holds each
 *  promise, and every adapter runs it.
 *
 *  - **One order:** entries are numbered without gaps, and all readers get the same ones in that order.
 *  - **Durable:** an append that resolves with `appended` has reached a majority's disks, and every later call sees it.
 *  - **Fenced:** the log compares the epoch in the same step that writes. Once somebody else has been elected, no append of an
 *    earlier epoch takes effect, however long it was under way.
 *  - **At most once per index:** an entry is written only as the one after the last. Sending the same append again is harmless.
 *  - **Ambiguity is named:** an append that fails with UNAVAILABLE may have been written, or may yet be. `appendSurely` finds out.
 *
 *  Every call but `lead`, `leaders` and `read` is answered within a few seconds, with UNAVAILABLE if the log can't be reached. */
export interface SharedLog {
  /** Appends `bytes` as entry `index`, on behalf of the leader of `epoch`. The buffer may be reused when it has settled.
   *  @throws UNAVAILABLE: nobody knows whether it was written; NO_SPACE: it was not; TOO_LARGE for more than ENTRY_BYTES_MAX */
  append(entry: { readonly epoch: number; readonly index: number; readonly bytes: Uint8Array }): Promise<AppendOutcome>
  /** The entries from `from` on, as many at a time as are there, and then those to come, until `signal` is aborted, which ends
   *  the walk. @throws CURSOR_TOO_OLD when the entry that would be next has been trimmed; UNAVAILABLE when the log can't be
   *  reached: the reader may begin anew from where it was */
  read(from: number, signal: AbortSignal): AsyncIterable<readonly LogEntry[]>
  /** Agreed on by a majority at a moment after the call. @throws UNAVAILABLE */
  bounds(): Promise<LogBounds>
  /** The entry `index`, by a majority's word; `undefined` when it isn't there yet. @throws CURSOR_TOO_OLD, UNAVAILABLE */
  entry(index: number): Promise<LogEntry | undefined>
  /** Removes the entries up to `upTo`, which may be removed already; numbers go on. What isn't there yet is not removed.
   *  @throws UNAVAILABLE: it may have been done, or be done yet; repeating it is harmless */
  trim(upTo: number): Promise<void>
  /** Campaigns until elected, however long that takes. @throws CANCELLED once `signal` is aborted */
  lead(candidate: Candidate, signal: AbortSignal): Promise<Leadership>
  /** Who leads, now and whenever that changes; `undefined` while nobody does. Changes that follow each other quickly may be
   *  left out. Ends when `signal` is aborted. @throws UNAVAILABLE */
  leaders(signal: AbortSignal): AsyncIterable<Leader | undefined>
  /** Ends all walks, campaigns and terms, as their signals would, without telling the log. Repeating it is harmless. */
  close(): Promise<void>
}
