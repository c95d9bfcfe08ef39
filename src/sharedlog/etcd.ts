import type { Clock } from '#platform/clock.ts'
import { checkEntrySize, checkNotTrimmed } from './entry-size.ts'
import { EtcdClient } from './etcd-client.ts'
import type { EtcdOptions } from './etcd-client.ts'
import { EtcdElection } from './etcd-election.ts'
import type { EtcdKeyValue } from './etcd-messages.ts'
import type { LeaseTerm } from './lease-term.ts'
import type { AppendOutcome, Candidate, Leader, Leadership, LogBounds, LogEntry, SharedLog } from './log.ts'

export interface EtcdLogOptions extends EtcdOptions {
  /** Begins all keys of this log. */
  readonly prefix: string
  readonly clock: Clock
  /** How long a leader that falls silent keeps others waiting, rounded up to seconds. 2 s by default, the least that etcd
   *  grants with its own defaults. */
  readonly leaseMs?: number
}

const LEASE_MS = 2_000
/** Entries in one answer: at most 16 MiB. */
const PAGE_ENTRIES_MAX = 16
/** Before the bytes of an entry, its epoch. */
const HEAD_BYTES = 8
const INDEX_DIGITS = 16

interface Page extends LogBounds {
  readonly entries: readonly LogEntry[]
  readonly revision: number
}

/** A log in etcd (3.4 or later). An entry is a key; an append is a transaction that compares who leads, what comes next, and that
 *  the entry isn't there. docs/formats/log-entry.md lists the keys. */
export class EtcdLog implements SharedLog {
  readonly #client: EtcdClient
  readonly #election: EtcdElection
  readonly #prefix: string
  readonly #keys: { readonly leader: Buffer; readonly first: Buffer; readonly last: Buffer; readonly entriesEnd: Buffer }
  readonly #closed = new AbortController()
  readonly #terms = new Set<LeaseTerm>()

  constructor(options: EtcdLogOptions) {
    const { prefix, clock, leaseMs = LEASE_MS } = options
    this.#client = new EtcdClient(options)
    this.#election = new EtcdElection({
      client: this.#client,
      key: `${prefix}leader`,
      clock,
      leaseMs,
      closed: this.#closed.signal,
    })
    this.#prefix = prefix
    this.#keys = {
      leader: Buffer.from(`${prefix}leader`),
      first: Buffer.from(`${prefix}first`),
      last: Buffer.from(`${prefix}last`),
      // The next character after the slash.
      entriesEnd: Buffer.from(`${prefix}entry0`),
    }
  }

  /** The members may have become others: these are asked from now on. */
  useEndpoints(endpoints: readonly string[]): void {
    this.#client.useEndpoints(endpoints)
  }

  /** The member that leads etcd, as far as is known: appends go to it. */
  useLeading(endpoint: string | undefined): void {
    this.#client.useLeading(endpoint)
  }

  async append({ epoch, index, bytes }: { epoch: number; index: number; bytes: Uint8Array }): Promise<AppendOutcome> {
    checkEntrySize(bytes)
    const { leader, last } = this.#keys
    const key = this.#keyOf(index)
    const value = Buffer.allocUnsafe(HEAD_BYTES + bytes.length)
    value.writeBigUInt64BE(BigInt(epoch), 0)
    value.set(bytes, HEAD_BYTES)
    const { succeeded, found } = await this.#client.transact({
      compare: [
        { key: leader, createRevision: epoch },
        index === 1 ? { key: last, createRevision: 0 } : { key: last, value: numeral(index - 1) },
        { key, createRevision: 0 },
      ],
      success: [{ put: { key, value } }, { put: { key: last, value: numeral(index) } }],
      failure: [{ range: { key: leader } }],
    })
    if (succeeded) return 'appended'
    return found[0]?.[0]?.createRevision === epoch ? 'taken' : 'deposed'
  }

  async *read(from: number, signal: AbortSignal): AsyncGenerator<readonly LogEntry[], void, undefined> {
    const ended = AbortSignal.any([signal, this.#closed.signal])
    for (let next = from; !ended.aborted;) {
      const page = await this.#page(next, PAGE_ENTRIES_MAX).catch((error: unknown) => {
        if (!ended.aborted) throw error
      })
      if (page === undefined || ended.aborted) return
      const { entries, last, revision } = page
      if (entries.length > 0) yield entries
      next += entries.length
      if (next <= last) continue
      for await (const arrived of this.#arrivals(next, revision + 1, ended)) {
        yield arrived
        next += arrived.length
      }
    }
  }

  async bounds(): Promise<LogBounds> {
    const { first, last } = await this.#page(0, 0)
    return { first, last }
  }

  async entry(index: number): Promise<LogEntry | undefined> {
    const { entries } = await this.#page(index, 1)
    return entries[0]
  }

  async trim(upTo: number): Promise<void> {
    for (;;) {
      const { first, last } = await this.bounds()
      const end = Math.min(upTo, last) + 1
      if (end <= first) return
      const { first: key } = this.#keys
      const { succeeded } = await this.#client.transact({
        compare: [first === 1 ? { key, createRevision: 0 } : { key, value: numeral(first) }],
        success: [{ put: { key, value: numeral(end) } }, { remove: { key: this.#keyOf(first), end: this.#keyOf(end) } }],
      })
      // Otherwise somebody else has trimmed meanwhile.
      if (succeeded) return
    }
  }

  async lead(candidate: Candidate, signal: AbortSignal): Promise<Leadership> {
    const term = await this.#election.lead(candidate, signal)
    this.#terms.add(term)
    term.lost.addEventListener('abort', () => this.#terms.delete(term))
    if (this.#closed.signal.aborted) term.end()
    return term
  }

  leaders(signal: AbortSignal): AsyncIterable<Leader | undefined> {
    return this.#election.leaders(signal)
  }

  async close(): Promise<void> {
    this.#closed.abort()
    for (const term of this.#terms) term.end()
    this.#client.close()
  }

  /** Up to `limit` entries from `from` on, with the bounds of that moment. */
  async #page(from: number, limit: number): Promise<Page> {
    const { first: firstKey, last: lastKey, entriesEnd } = this.#keys
    const ranges = [{ range: { key: firstKey } }, { range: { key: lastKey } }]
    const wanted = { range: { key: this.#keyOf(from), end: entriesEnd, limit } }
    const { found, revision } = await this.#client.ask({ success: limit === 0 ? ranges : [...ranges, wanted] })
    const first = numberIn(found[0]?.[0]) ?? 1
    const last = numberIn(found[1]?.[0]) ?? 0
    if (limit > 0) checkNotTrimmed(from, first)
    return { first, last, entries: (found[2] ?? []).map((entry) => this.#toEntry(entry)), revision }
  }

  /** The entries from `next` on that are written from `revision` on. Ends when the stream does, and when it doesn't go on with
   *  the next entry: the reader then looks anew. */
  async *#arrivals(next: number, revision: number, signal: AbortSignal): AsyncGenerator<LogEntry[], void, undefined> {
    // Removals are told by the next reading.
    const wanted = { key: this.#keyOf(0), end: this.#keys.entriesEnd, fromRevision: revision, withoutRemovals: true }
    let expected = next
    for await (const { events, isCanceled } of this.#client.watch(wanted, signal)) {
      // Compacted, or without the other members.
      if (isCanceled) return
      const entries = events.map(({ entry }) => this.#toEntry(entry))
      if (entries.some(({ index }, at) => index !== expected + at)) return
      expected += entries.length
      if (entries.length > 0) yield entries
    }
  }

  #keyOf(index: number): Buffer {
    return Buffer.from(`${this.#prefix}entry/${String(index).padStart(INDEX_DIGITS, '0')}`)
  }

  #toEntry({ key, value }: EtcdKeyValue): LogEntry {
    const index = Number(key.toString().slice(-INDEX_DIGITS))
    return { index, epoch: Number(value.readBigUInt64BE(0)), bytes: value.subarray(HEAD_BYTES) }
  }
}

function numeral(value: number): Buffer {
  return Buffer.from(String(value))
}

function numberIn(found: EtcdKeyValue | undefined): number | undefined {
  return found === undefined ? undefined : Number(found.value.toString())
}
