/** Above it one event loop is soon the bound. */
const BUSY_SHARE = 0.7
/** Without that much to spare a thread would only take from the others: from clients on the same machine, for one. */
const IDLE_CORES = 0.5
/** Of requests that only read: others come back to the thread that writes anyway. */
const READ_SHARE = 0.6
/** Of reads that threads send on to the one that writes, since chunks are on other nodes for one: that costs more than it saves. */
const RETURNED_SHARE = 0.1
/** A burst is no reason for a thread: so many looks in a row, two seconds' worth. */
const LOOKS = 8

/** What was seen since the look before. */
export interface Load {
  /** What share of the time the thread that writes was busy. */
  readonly busy: number
  /** Cores that had nothing to do; asked for only when it matters. */
  readonly idleCores: () => number
  readonly requests: number
  readonly reads: number
  /** Reads that a thread has sent on. */
  readonly returned: number
  readonly connections: number
}

/** Decides when another reader is worth its memory. */
export class ReaderDemand {
  #looks = 0

  /** True if another one should be started now; then it begins to count anew. */
  look({ busy, idleCores, requests, reads, returned, connections }: Load): boolean {
    const isReading = reads > requests * READ_SHARE && returned <= reads * RETURNED_SHARE
    // With one connection there is nothing to share.
    const isBound = busy > BUSY_SHARE && isReading && connections > 1 && idleCores() >= IDLE_CORES
    this.#looks = isBound ? this.#looks + 1 : 0
    if (this.#looks < LOOKS) return false
    this.#looks = 0
    return true
  }
}
