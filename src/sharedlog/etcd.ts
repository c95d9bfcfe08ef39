import type { Clock } from '#platform/clock.ts'
import { checkEntrySize, checkNotTrimmed } from './entry-size.ts'
import { EtcdClient } from './etcd-client.ts'
import type { EtcdOptions } from './etcd-client.ts'
import { EtcdElection } from './etcd-election.ts'
import { encodeBytes } from './etcd-messages.ts'
import type { EtcdKeyValue, TxnAnswer, WatchAnswer } from './etcd-messages.ts'
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
/** Entries in one answer: at most 22 MiB, in base64. */
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
  readonly #keys: { readonly leader: string; readonly first: string; readonly last: string; readonly entriesEnd: string }
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
      leader: encodeBytes(`${prefix}leader`),
      first: encodeBytes(`${prefix}first`),
      last: encodeBytes(`${prefix}last`),
      // The next character after the slash.
      entriesEnd: encodeBytes(`${prefix}entry0`),
    }
  }

  async append({ epoch, index, bytes }: { epoch: number; index: number; bytes: Uint8Array }): Promise<AppendOutcome> {
    checkEntrySize(bytes)
    const { leader, last } = this.#keys
    const key = this.#keyOf(index)
    const value = Buffer.allocUnsafe(HEAD_BYTES + bytes.length)
    value.writeBigUInt64BE(BigInt(epoch), 0)
    value.set(bytes, HEAD_BYTES)
    const answer: TxnAnswer = await this.#client.call('kv/txn', {
      compare: [
        { target: 'CREATE', key: leader, create_revision: String(epoch) },
        index === 1
          ? { target: 'CREATE', key: last, create_revision: '0' }
          : { target: 'VALUE', key: last, value: encodeBytes(String(index - 1)) },
        { target: 'CREATE', key, create_revision: '0' },
      ],
      success: [
        { request_put: { key, value: value.toString('base64') } },
        { request_put: { key: last, value: encodeBytes(String(index)) } },
      ],
      failure: [{ request_range: { key: leader, keys_only: true } }],
    })
    if (answer.succeeded === true) return 'appended'
    return Number(rangeOf(answer, 0)[0]?.create_revision) === epoch ? 'taken' : 'deposed'
  }

  async *read(from: number, signal: AbortSignal): AsyncGenerator<readonly LogEntry[], void, undefined> {
    const ended = AbortSignal.any([signal, this.#closed.signal])
    for (let next = from; !ended.aborted;) {
      const { entries, last, revision } = await this.#page(next, PAGE_ENTRIES_MAX)
      if (ended.aborted) return
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
      const answer: TxnAnswer = await this.#client.call('kv/txn', {
        compare: [
          first === 1
            ? { target: 'CREATE', key, create_revision: '0' }
            : { target: 'VALUE', key, value: encodeBytes(String(first)) },
        ],
        success: [
          { request_put: { key, value: encodeBytes(String(end)) } },
          { request_delete_range: { key: this.#keyOf(first), range_end: this.#keyOf(end) } },
        ],
      })
      // Otherwise somebody else has trimmed meanwhile.
      if (answer.succeeded === true) return
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
    await this.#client.close()
  }

  /** Up to `limit` entries from `from` on, with the bounds of that moment. */
  async #page(from: number, limit: number): Promise<Page> {
    const { first: firstKey, last: lastKey, entriesEnd } = this.#keys
    const ranges = [{ request_range: { key: firstKey } }, { request_range: { key: lastKey } }]
    const wanted = { request_range: { key: this.#keyOf(from), range_end: entriesEnd, limit: String(limit) } }
    const answer: TxnAnswer = await this.#client.ask('kv/txn', { success: limit === 0 ? ranges : [...ranges, wanted] })
    const first = numberIn(rangeOf(answer, 0)[0]) ?? 1
    const last = numberIn(rangeOf(answer, 1)[0]) ?? 0
    if (limit > 0) checkNotTrimmed(from, first)
    const entries = rangeOf(answer, 2).map((found) => this.#toEntry(found))
    return { first, last, entries, revision: Number(answer.header.revision) }
  }

  /** The entries from `next` on that are written from `revision` on. Ends when the stream does, and when it doesn't go on with
   *  the next entry: the reader then looks anew. */
  async *#arrivals(next: number, revision: number, signal: AbortSignal): AsyncGenerator<LogEntry[], void, undefined> {
    const create_request = {
      key: this.#keyOf(0),
      range_end: this.#keys.entriesEnd,
      start_revision: String(revision),
      // Removals are told by the next reading.
      filters: ['NODELETE'],
      fragment: true,
    }
    let expected = next
    for await (const { events = [], canceled } of this.#client.stream<WatchAnswer>('watch', { create_request }, signal)) {
      // Compacted, or without the other members.
      if (canceled === true) return
      const entries = events.map(({ kv }) => this.#toEntry(kv))
      if (entries.some(({ index }, at) => index !== expected + at)) return
      expected += entries.length
      if (entries.length > 0) yield entries
    }
  }

  #keyOf(index: number): string {
    return encodeBytes(`${this.#prefix}entry/${String(index).padStart(INDEX_DIGITS, '0')}`)
  }

  #toEntry({ key, value = '' }: EtcdKeyValue): LogEntry {
    const bytes = Buffer.from(value, 'base64')
    const index = Number(Buffer.from(key, 'base64').toString().slice(-INDEX_DIGITS))
    return { index, epoch: Number(bytes.readBigUInt64BE(0)), bytes: bytes.subarray(HEAD_BYTES) }
  }
}

function rangeOf({ responses = [] }: TxnAnswer, at: number): readonly EtcdKeyValue[] {
  return responses[at]?.response_range?.kvs ?? []
}

function numberIn(found: EtcdKeyValue | undefined): number | undefined {
  return found === undefined ? undefined : Number(Buffer.from(found.value ?? '', 'base64').toString())
}
