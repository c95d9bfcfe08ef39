import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import { checkEntrySize, checkNotTrimmed } from './entry-size.ts'
import { LeaseTerm } from './lease-term.ts'
import type { AppendOutcome, Candidate, Leader, Leadership, LogBounds, LogEntry, SharedLog } from './log.ts'

/** What becomes of one call of one client, if not what should: the request is lost, or the answer to it, or the request
 *  arrives after the client has given up. */
export type Fault = 'request-lost' | 'answer-lost' | 'request-late'

export type MemoryLogCall = 'append' | 'read' | 'bounds' | 'entry' | 'trim' | 'elect' | 'renew' | 'release'

export interface MemoryLogClientOptions {
  /** The client's own, which may go at another pace than the log's. */
  readonly clock: Clock
  /** Asked for every call. It delays the call for as long as its promise takes. */
  readonly fault?: (call: MemoryLogCall) => Promise<Fault | undefined> | Fault | undefined
}

const LEASE_MS = 2_000
/** How much later a late request arrives: longer than any lease. */
const LATE_MS = 3_000
const PAGE_ENTRIES_MAX = 64
const RETRY_MS = 100

/** A log within the process, which several clients share: what etcd is to several nodes. Nothing outlives it. */
export class MemoryLog {
  readonly leaseMs: number
  readonly #clock: Clock
  #entries: LogEntry[] = []
  #first = 1
  #epoch = 0
  #leader: (Leader & { expiresAtMs: number }) | undefined
  #change = Promise.withResolvers<void>()

  constructor({ clock, leaseMs = LEASE_MS }: { clock: Clock; leaseMs?: number }) {
    this.#clock = clock
    this.leaseMs = leaseMs
  }

  client(options: MemoryLogClientOptions): MemoryLogClient {
    return new MemoryLogClient(this, options)
  }

  get bounds(): LogBounds {
    return { first: this.#first, last: this.#first + this.#entries.length - 1 }
  }

  get leader(): Leader | undefined {
    if (this.#leader !== undefined && this.#leader.expiresAtMs <= this.#clock.monotonicMs()) this.#leader = undefined
    return this.#leader
  }

  /** Resolves with the next change of entries or leader. */
  get changed(): Promise<void> {
    return this.#change.promise
  }

  append({ epoch, index, bytes }: { epoch: number; index: number; bytes: Uint8Array }): AppendOutcome {
    if (this.leader?.epoch !== epoch) return 'deposed'
    if (index !== this.bounds.last + 1) return 'taken'
    this.#entries.push({ index, epoch, bytes: Buffer.from(bytes) })
    this.#announce()
    return 'appended'
  }

  entries(from: number, limit: number): LogEntry[] {
    checkNotTrimmed(from, this.#first)
    const at = from - this.#first
    return this.#entries.slice(at, at + limit).map((entry) => ({ ...entry, bytes: Buffer.from(entry.bytes) }))
  }

  trim(upTo: number): void {
    const count = Math.min(upTo - this.#first + 1, this.#entries.length)
    if (count <= 0) return
    this.#entries = this.#entries.slice(count)
    this.#first += count
  }

  /** The epoch of the candidate's new term, unless another one's lasts. */
  elect(candidate: Candidate): number | undefined {
    if (this.leader !== undefined) return undefined
    this.#epoch += 1
    const { id, address } = candidate
    this.#leader = { id, address, epoch: this.#epoch, expiresAtMs: this.#clock.monotonicMs() + this.leaseMs }
    this.#announce()
    void this.#announceExpiry(this.#leader)
    return this.#epoch
  }

  renew(epoch: number): boolean {
    if (this.leader?.epoch !== epoch || this.#leader === undefined) return false
    this.#leader.expiresAtMs = this.#clock.monotonicMs() + this.leaseMs
    return true
  }

  release(epoch: number): void {
    if (this.#leader?.epoch !== epoch) return
    this.#leader = undefined
    this.#announce()
  }

  #announce(): void {
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }

  async #announceExpiry(term: Leader & { expiresAtMs: number }): Promise<void> {
    while (this.#leader === term) {
      await this.#clock.sleep(Math.max(term.expiresAtMs - this.#clock.monotonicMs(), 1))
      if (this.#leader === term && this.leader === undefined) this.#announce()
    }
  }
}

/** One process's way to a `MemoryLog`. */
export class MemoryLogClient implements SharedLog {
  readonly #log: MemoryLog
  readonly #clock: Clock
  readonly #fault: MemoryLogClientOptions['fault']
  readonly #closed = new AbortController()
  readonly #terms = new Set<LeaseTerm>()
  #isPartitioned = false

  constructor(log: MemoryLog, { clock, fault }: MemoryLogClientOptions) {
    this.#log = log
    this.#clock = clock
    this.#fault = fault
  }

  /** Cuts the client off from the log, or lets it through again. */
  partition(isPartitioned: boolean): void {
    this.#isPartitioned = isPartitioned
  }

  async append(entry: { epoch: number; index: number; bytes: Uint8Array }): Promise<AppendOutcome> {
    checkEntrySize(entry.bytes)
    const copy = { ...entry, bytes: Buffer.from(entry.bytes) }
    return this.#call('append', () => this.#log.append(copy))
  }

  async *read(from: number, signal: AbortSignal): AsyncGenerator<readonly LogEntry[], void, undefined> {
    const ended = AbortSignal.any([signal, this.#closed.signal])
    for (let next = from; !ended.aborted;) {
      const { changed } = this.#log
      const entries = await this.#call('read', () => this.#log.entries(next, PAGE_ENTRIES_MAX))
      if (entries.length === 0) await waitFor(changed, ended)
      else if (!ended.aborted) yield entries
      next += entries.length
    }
  }

  bounds(): Promise<LogBounds> {
    return this.#call('bounds', () => this.#log.bounds)
  }

  entry(index: number): Promise<LogEntry | undefined> {
    return this.#call('entry', () => this.#log.entries(index, 1)[0])
  }

  trim(upTo: number): Promise<void> {
    return this.#call('trim', () => this.#log.trim(upTo))
  }

  async lead(candidate: Candidate, signal: AbortSignal): Promise<Leadership> {
    const ended = AbortSignal.any([signal, this.#closed.signal])
    for (;;) {
      if (ended.aborted) throw new ShoalError('CANCELLED', 'The campaign was ended')
      const sentAtMs = this.#clock.monotonicMs()
      const { changed } = this.#log
      let hasAnswer = true
      const epoch = await this.#call('elect', () => this.#log.elect(candidate)).catch(() => {
        hasAnswer = false
      })
      if (epoch !== undefined) return this.#term(epoch, sentAtMs)
      // Without an answer the next try comes later. A term that began without this client's knowledge passes with its lease.
      await waitFor(hasAnswer ? changed : this.#clock.sleep(RETRY_MS, ended), ended)
    }
  }

  async *leaders(signal: AbortSignal): AsyncGenerator<Leader | undefined, void, undefined> {
    const ended = AbortSignal.any([signal, this.#closed.signal])
    let last: number | undefined = -1
    while (!ended.aborted) {
      const { changed } = this.#log
      const leader = await this.#call('read', () => this.#log.leader)
      if (leader?.epoch !== last)
        yield leader === undefined ? undefined : { id: leader.id, address: leader.address, epoch: leader.epoch }
      last = leader?.epoch
      await waitFor(changed, ended)
    }
  }

  async close(): Promise<void> {
    this.#closed.abort()
    for (const term of this.#terms) term.end()
  }

  #term(epoch: number, sentAtMs: number): LeaseTerm {
    const term = new LeaseTerm({
      epoch,
      leaseMs: this.#log.leaseMs,
      sentAtMs,
      clock: this.#clock,
      renew: () => this.#call('renew', () => this.#log.renew(epoch)),
      release: () => this.#call('release', () => this.#log.release(epoch)),
    })
    this.#terms.add(term)
    term.lost.addEventListener('abort', () => this.#terms.delete(term))
    return term
  }

  async #call<T>(call: MemoryLogCall, run: () => T): Promise<T> {
    const fault = await this.#fault?.(call)
    if (this.#closed.signal.aborted) throw unreachable()
    // Nobody waits for what it says then.
    if (fault === 'request-late')
      void this.#clock
        .sleep(LATE_MS)
        .then(run)
        .catch(() => {})
    if (fault === 'request-late' || fault === 'request-lost' || this.#isPartitioned) throw unreachable()
    const answer = run()
    if (fault === 'answer-lost') throw unreachable()
    return answer
  }
}

function unreachable(): ShoalError {
  return new ShoalError('UNAVAILABLE', 'The shared log cannot be reached')
}

/** Waits for `event`, or until `signal` is aborted. */
async function waitFor(event: Promise<void>, signal: AbortSignal): Promise<void> {
  const over = event.catch(() => {})
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = (): void => resolve()
  signal.addEventListener('abort', done)
  try {
    await Promise.race([promise, over])
  } finally {
    signal.removeEventListener('abort', done)
  }
}
