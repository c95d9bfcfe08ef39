import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { Interval } from './arguments.ts'
import type { CommitBase, CommitOptions, KeptState } from './commit-base.ts'
import type { Journal } from './journal.ts'
import { DecodedRows } from './decoded-rows.ts'
import { nameOfKey } from './key-name.ts'
import { keepThrough } from './layered-state.ts'
import { mergedRange } from './merged-range.ts'
import { QuietTime } from './quiet-time.ts'
import type { Decode, KeyValue } from './store.ts'
import { WriteSet } from './write-set.ts'
import type { Write } from './write-set.ts'

/** What waits in the journal goes into the base after this time, or when it is as many writes: they are put in one step,
 *  which holds up the event loop for some milliseconds. */
const APPLY_AFTER_MS = 250
const APPLY_WRITES = 8_192
/** With less room than this the base gets few writes at a time, so that it can use again the pages of those before; a full
 *  disk in the middle of a commit is nothing that LMDB is good at. */
const AMPLE_BYTES = 256 * 1024 * 1024
const SHORT_OF_ROOM_WRITES = 256
const SHORT_OF_ROOM_BYTES = 4 * 1024 * 1024

export interface JournaledBaseOptions {
  readonly journal: Journal
  /** What opening the journal gave. */
  readonly unapplied: WriteSet
  readonly clock: Clock
  /** How much room the base has. */
  readonly freeBytes: () => Promise<number>
}

/** A base whose commits are durable in a journal first, by one sequential write, and reach the base many at a time: a B-tree
 *  writes a page for nearly every row of a small commit, and flushes twice. What the base doesn't have yet is in memory,
 *  and covers it for all who read. */
export class JournaledBase implements CommitBase {
  readonly #base: CommitBase
  readonly #journal: Journal
  readonly #clock: Clock
  readonly #quiet: QuietTime
  #isCommitting = false
  readonly #freeBytes: () => Promise<number>
  readonly #closed = new AbortController()
  /** In the active file of the journal. */
  #pending = new WriteSet()
  /** On its way into the base, with the number of its last record. */
  #applying: { readonly writes: WriteSet; readonly sequence: number } | undefined
  /** Rows of the base. While something covers a row, it isn't looked for here. */
  readonly #decoded = new DecodedRows()
  /** Not while the base changes rows that nothing covers. */
  #keepsDecoded = true
  #work: Promise<void> | undefined
  #isWaiting = false
  /** Why the base took nothing the last time: without room it can be tried again, after anything else it is over. */
  #refusal: unknown
  /** What uses the journal, in turns. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(base: CommitBase, { journal, unapplied, clock, freeBytes }: JournaledBaseOptions) {
    this.#base = base
    this.#journal = journal
    this.#clock = clock
    this.#quiet = new QuietTime(clock)
    this.#freeBytes = freeBytes
    if (unapplied.size === 0) {
      journal.setApplied(journal.sequence)
      return
    }
    this.#applying = { writes: unapplied, sequence: journal.sequence }
    this.#apply()
  }

  get(key: Uint8Array, name?: string): Buffer | undefined {
    if (!this.#covers) return this.#base.get(key)
    const write = this.#findWrite(name ?? nameOfKey(key))
    return write === undefined ? this.#base.get(key) : ownValue(write)
  }

  getDecoded<T>(key: Uint8Array, decode: Decode<T>, name = nameOfKey(key)): T | undefined {
    const write = this.#covers ? this.#findWrite(name) : undefined
    if (write !== undefined) return write.value === undefined ? undefined : decode(Buffer.from(write.value))
    const known = this.#decoded.find(name, decode)
    if (known !== undefined) return known
    const value = this.#base.get(key)
    if (value === undefined) return undefined
    const decoded = decode(value)
    if (this.#keepsDecoded) this.#decoded.keep(name, decode, decoded)
    return decoded
  }

  range(interval: Interval): IterableIterator<KeyValue> {
    return mergedRange(this.#base, this.#layers(), interval)
  }

  keep(): KeptState {
    const layers = this.#layers().map((layer) => (layer === this.#pending ? layer.copy() : layer))
    return keepThrough(layers, this.#base.keep())
  }

  promiseQuiet(): number {
    return this.#isCommitting ? 0 : this.#quiet.promise()
  }

  async commit(writes: WriteSet, options: CommitOptions = {}): Promise<void> {
    this.#isCommitting = true
    try {
      await this.#quiet.over()
      await this.#commit(writes, options)
    } finally {
      this.#quiet.changed()
      this.#isCommitting = false
    }
  }

  async #commit(writes: WriteSet, { direct = false }: CommitOptions): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#refusal !== undefined) await this.#applied()
      if (direct || this.#journal.isTooLarge(writes)) return this.#commitDirectly(writes)
      if (!this.#journal.fits(writes)) await this.#seal()
      await this.#journal.append(writes)
      if (!this.#isWaiting) void this.#applySoon()
      this.#pending = merged(this.#pending, writes)
      if (this.#pending.size >= APPLY_WRITES && this.#applying === undefined) await this.#seal()
    })
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#quiet.close()
    try {
      await this.#inTurn(() => this.#drain())
    } catch {
      // It is in the journal, and the next one to open it goes on with it.
    }
    await this.#journal.close()
    await this.#base.close()
  }

  /** Whether it has anything that the base doesn't have yet. */
  get #covers(): boolean {
    return this.#pending.size > 0 || this.#applying !== undefined
  }

  #findWrite(name: string): Write | undefined {
    return this.#pending.get(name) ?? this.#applying?.writes.get(name)
  }

  /** The newest first. */
  #layers(): WriteSet[] {
    const layers: WriteSet[] = []
    if (this.#pending.size > 0) layers.push(this.#pending)
    if (this.#applying !== undefined) layers.push(this.#applying.writes)
    return layers
  }

  async #commitDirectly(writes: WriteSet): Promise<void> {
    await this.#drain()
    // Nothing covers what the base is about to change, and nobody can say when it shows the change.
    this.#forget(writes)
    this.#keepsDecoded = false
    this.#journal.signals.beginDirect()
    try {
      await this.#base.commit(writes)
    } finally {
      this.#keepsDecoded = true
      this.#journal.signals.endDirect()
    }
  }

  /** Brings everything into the base, and says so in the journal. */
  async #drain(): Promise<void> {
    if (this.#pending.size > 0) await this.#seal()
    await this.#applied()
    await this.#journal.recordApplied()
  }

  /** Hands what is pending to the base, once it has all that came before; the journal goes on in its other file. */
  async #seal(): Promise<void> {
    await this.#applied()
    await this.#journal.switchFiles()
    if (this.#pending.size === 0) return
    this.#applying = { writes: this.#pending, sequence: this.#journal.sequence }
    this.#pending = new WriteSet()
    this.#apply()
  }

  /** Waits until nothing is on its way into the base. @throws NO_SPACE, and whatever ended all writing */
  async #applied(): Promise<void> {
    await this.#work
    if (this.#applying === undefined) return
    if (!isShoalError(this.#refusal, 'NO_SPACE')) throw this.#refusal
    // There may be room by now.
    this.#apply()
    await this.#work
    if (this.#applying !== undefined) throw this.#refusal
  }

  #forget(writes: WriteSet): void {
    for (const name of writes.names()) this.#decoded.forget(name)
  }

  #apply(): void {
    this.#work = this.#applyNow().finally(() => {
      this.#work = undefined
    })
  }

  async #applyNow(): Promise<void> {
    if (this.#applying === undefined) return
    const { writes, sequence } = this.#applying
    try {
      if ((await this.#freeBytes()) >= AMPLE_BYTES) await this.#base.commit(writes)
      else for (const few of inPieces(writes, SHORT_OF_ROOM_WRITES)) await this.#applyFew(few)
      this.#journal.setApplied(sequence)
      this.#forget(writes)
      this.#applying = undefined
      this.#refusal = undefined
    } catch (error) {
      this.#refusal = error
    }
  }

  async #applyFew(few: WriteSet): Promise<void> {
    if ((await this.#freeBytes()) < few.dataBytes + SHORT_OF_ROOM_BYTES)
      throw new ShoalError('NO_SPACE', 'The disk that holds the metadata is full')
    await this.#base.commit(few)
  }

  async #applySoon(): Promise<void> {
    this.#isWaiting = true
    try {
      do await this.#clock.sleep(APPLY_AFTER_MS, this.#closed.signal)
      while (this.#applying !== undefined && this.#refusal === undefined)
      this.#isWaiting = false
      await this.#inTurn(async () => {
        if (this.#pending.size > 0) await this.#seal()
      })
    } catch {
      // Closing applies it itself; what went wrong is told to the next commit.
      this.#isWaiting = false
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}

function ownValue({ value }: Write): Buffer | undefined {
  return value === undefined ? undefined : Buffer.from(value)
}

function* inPieces(writes: WriteSet, count: number): Generator<WriteSet> {
  let piece = new WriteSet()
  for (const write of writes.writes()) {
    piece.set(nameOfKey(write.key), write)
    if (piece.size < count) continue
    yield piece
    piece = new WriteSet()
  }
  if (piece.size > 0) yield piece
}

function merged(pending: WriteSet, writes: WriteSet): WriteSet {
  if (pending.size === 0) return writes
  pending.merge(writes)
  return pending
}
