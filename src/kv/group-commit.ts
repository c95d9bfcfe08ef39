import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { CommitBase, CommitOptions } from './commit-base.ts'
import type { Gathering } from './gathering.ts'
import { WriteSet } from './write-set.ts'

/** A batch beyond either figure is full, and the next one begins: a commit stays well under a second on a slow disk. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024
const BATCH_WRITES_MAX = 16_384
/** Beyond either figure new transactions are answered BUSY: about ten seconds' work for a slow disk, and what waits fits
 *  into memory. A transaction that is under way is always let in, so the bytes may pass the figure by one transaction. */
const WAITING_BYTES_MAX = 256 * 1024 * 1024
const WAITING_TRANSACTIONS_MAX = 100_000

const NOT_TAKEN = 'The node no longer takes changes, and this one was not made: do it again, where it is taken'

/** What one commit carried. */
export interface CommitFacts {
  readonly transactions: number
  readonly writes: number
  readonly bytes: number
}

export interface GroupCommitOptions {
  /** Told of every commit that succeeded, before its transactions are. */
  readonly onCommit?: ((facts: CommitFacts) => void) | undefined
  /** Where a commit is dear: says how long one waits for others to share it. */
  readonly gathering?: Gathering | undefined
}

interface Batch {
  writes: WriteSet
  /** Whether one of them asked for it. */
  direct: boolean
  /** One for each transaction that waits. */
  readonly settle: ((failure: ShoalError | undefined) => void)[]
}

/** Commits write sets in the order in which they come, many at a time: while one batch is being flushed, the next one
 *  collects. It holds what isn't flushed yet as layers over the base. */
export class GroupCommit {
  readonly #base: CommitBase
  readonly #onCommit: ((facts: CommitFacts) => void) | undefined
  readonly #gathering: Gathering | undefined
  /** The oldest first; the first one is in flight if `#isInFlight`, and only the last one still collects. */
  #batches: Batch[] = []
  #running: Promise<void> | undefined
  #isInFlight = false
  #waitingBytes = 0
  #waitingTransactions = 0
  #failure: ShoalError | undefined

  constructor(base: CommitBase, { onCommit, gathering }: GroupCommitOptions = {}) {
    this.#base = base
    this.#onCommit = onCommit
    this.#gathering = gathering
  }

  /** Why no transaction may begin now, if so: STORAGE_FAILED or UNAVAILABLE for ever, BUSY for the moment. */
  refusal(): ShoalError | undefined {
    if (this.#failure !== undefined) return this.#failure
    if (this.#waitingBytes < WAITING_BYTES_MAX && this.#waitingTransactions < WAITING_TRANSACTIONS_MAX) return undefined
    return new ShoalError('BUSY', 'Too many changes are waiting for the disk: try again in a moment', {
      details: { waitingBytes: this.#waitingBytes, waitingTransactions: this.#waitingTransactions },
    })
  }

  /** What isn't flushed yet, the newest first. */
  layers(): WriteSet[] {
    const layers: WriteSet[] = []
    for (let at = this.#batches.length - 1; at >= 0; at -= 1) layers.push((this.#batches[at] as Batch).writes)
    return layers
  }

  /** Adds the writes of one transaction. Resolves when they and everything before them are durable.
   *  @throws NO_SPACE, STORAGE_FAILED */
  add(writes: WriteSet, { direct = false }: CommitOptions = {}): Promise<void> {
    const batch = this.#collecting(writes)
    batch.direct ||= direct
    this.#waitingBytes -= batch.writes.bytes
    // A whole group of changes is often all that a batch gets: then it is taken as it is.
    if (batch.writes.size === 0) batch.writes = writes
    else batch.writes.merge(writes)
    this.#waitingBytes += batch.writes.bytes
    this.#running ??= this.#run()
    const settled = this.#settled(batch)
    this.#gathering?.arrived()
    return settled
  }

  /** Resolves when everything that has been added so far is durable. @throws NO_SPACE, STORAGE_FAILED */
  async flushed(): Promise<void> {
    const newest = this.#batches.at(-1)
    if (newest !== undefined) await this.#settled(newest)
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** The batch that takes `writes`: the last one, unless it is in flight or full. */
  #collecting(writes: WriteSet): Batch {
    const last = this.#batches.at(-1)
    if (last !== undefined && (this.#batches.length > 1 || !this.#isInFlight)) {
      const fits = last.writes.bytes + writes.bytes <= BATCH_BYTES_MAX && last.writes.size + writes.size <= BATCH_WRITES_MAX
      if (fits) return last
    }
    const batch: Batch = { writes: new WriteSet(), direct: false, settle: [] }
    this.#batches.push(batch)
    return batch
  }

  #settled(batch: Batch): Promise<void> {
    this.#waitingTransactions += 1
    return new Promise((resolve, reject) => {
      batch.settle.push((failure) => (failure === undefined ? resolve() : reject(failure)))
    })
  }

  async #run(): Promise<void> {
    // The transactions of one turn share the first commit: it begins when those that are about to come have come.
    await Promise.resolve()
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      if (this.#gathering !== undefined) await this.#gathering.enough(this.#waitingWrites)
      this.#isInFlight = true
      this.#gathering?.began()
      const failure = await this.#commit(batch)
      this.#gathering?.ended(this.#waitingTransactions, this.#waitingWrites())
      this.#isInFlight = false
      if (failure === undefined) this.#settleFirst(batch)
      else this.#settleAll(failure)
    }
    this.#running = undefined
  }

  readonly #waitingWrites = (): number => this.#batches.reduce((sum, { writes }) => sum + writes.size, 0)

  async #commit(batch: Batch): Promise<ShoalError | undefined> {
    try {
      await this.#base.commit(batch.writes, { direct: batch.direct })
    } catch (cause) {
      if (isShoalError(cause, 'NO_SPACE')) return cause
      if (isShoalError(cause, 'UNAVAILABLE')) {
        this.#failure = new ShoalError('UNAVAILABLE', NOT_TAKEN, { details: { ambiguous: false }, cause })
        return cause
      }
      this.#failure = new ShoalError(
        'STORAGE_FAILED',
        'The metadata could not be written, so nothing more is accepted: check the disk, then restart the node',
        {
          cause,
        },
      )
      return this.#failure
    }
    this.#onCommit?.({ transactions: batch.settle.length, writes: batch.writes.size, bytes: batch.writes.bytes })
    return undefined
  }

  #settleFirst(batch: Batch): void {
    this.#batches.shift()
    this.#waitingBytes -= batch.writes.bytes
    this.#waitingTransactions -= batch.settle.length
    for (const settle of batch.settle) settle(undefined)
  }

  /** Whatever waits may have read the writes that are lost now: all of it fails with them. What becomes of those may be unknown;
   *  what came after them certainly wasn't written. */
  #settleAll(failure: ShoalError): void {
    const [first, ...others] = this.#batches
    this.#batches = []
    this.#waitingBytes = 0
    this.#waitingTransactions = 0
    for (const settle of first?.settle ?? []) settle(failure)
    for (const batch of others) for (const settle of batch.settle) settle(this.#failure ?? failure)
  }
}
