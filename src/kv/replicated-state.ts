import { assert } from '#foundation/assert.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { Interval } from './arguments.ts'
import type { CommitBase, KeptState } from './commit-base.ts'
import { DecodedRows } from './decoded-rows.ts'
import { nameOfKey } from './key-name.ts'
import { getThrough, keepThrough } from './layered-state.ts'
import { mergedRange } from './merged-range.ts'
import { callersPart, decodeReplicaRow, encodeReplicaRow, REPLICA_ROW_KEY } from './replica-row.ts'
import { pagesOf } from './snapshot-transfer.ts'
import type { StateSnapshot } from './snapshot-transfer.ts'
import type { Decode, KeyValue } from './store.ts'
import { WriteSet } from './write-set.ts'

/** What the log says goes into the base after this time, or when it is as much: many changes in one commit, as the journal of
 *  a single node has it. */
const APPLY_AFTER_MS = 250
const APPLY_WRITES = 8_192
const APPLY_BYTES = 8 * 1024 * 1024
/** Beyond it the log has to wait for the base. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024
const CLEARED_AT_ONCE = 8_192
const EVERYTHING: Interval = { start: Buffer.alloc(0), end: undefined, reverse: false, limit: Infinity }

/** One replica's state: a base, and over it in memory what the log says and the base doesn't have yet. Nothing of that needs to be
 *  flushed before it is shown or acknowledged, since the log has it: the base notes with each commit how far in the log it is, and
 *  after a crash the rest is read again. */
export class ReplicatedState implements CommitBase {
  readonly #base: CommitBase
  readonly #clock: Clock
  readonly #onFailure: ((error: ShoalError) => void) | undefined
  readonly #closed = new AbortController()
  #stateId: Buffer | undefined
  #isInstalling: boolean
  /** The last entry of the log that has been seen since the state was opened, and the last one that is in the state. They differ
   *  while a step of several entries isn't complete, and until the log was seen to have what is here. */
  #position: number
  #applied: number
  #durable: number
  #pending = new WriteSet()
  #applying: { readonly writes: WriteSet; readonly applied: number } | undefined
  #work: Promise<void> | undefined
  #isWaiting = false
  /** Why the base took nothing the last time. */
  #refusal: ShoalError | undefined
  #progress = Promise.withResolvers<void>()
  /** Of what is seen, wherever that is: it changes nowhere but in `take` and `install`. */
  #decoded = new DecodedRows()
  readonly #watches: { readonly prefix: string; readonly tell: () => void }[] = []

  /** @param onFailure told when the base has failed, for good */
  constructor(base: CommitBase, clock: Clock, onFailure?: (error: ShoalError) => void) {
    this.#base = base
    this.#clock = clock
    this.#onFailure = onFailure
    const found = base.get(REPLICA_ROW_KEY)
    const row = found === undefined ? undefined : decodeReplicaRow(found)
    this.#stateId = row?.stateId
    this.#isInstalling = row?.isInstalling === true
    this.#applied = this.#durable = row?.applied ?? 0
    this.#position = Math.max(this.#applied - 1, 0)
  }

  /** Of the log that it rests on; none before it has seen any. */
  get stateId(): Buffer | undefined {
    return this.#stateId
  }

  /** False in the middle of a snapshot, also of one that a crash has cut off: there is nothing to read. */
  get isWhole(): boolean {
    return !this.#isInstalling
  }

  get position(): number {
    return this.#position
  }

  /** The last entry that is in the state. */
  get applied(): number {
    return this.#applied
  }

  /** What the base has for good. */
  get durable(): number {
    return this.#durable
  }

  /** Why there will be no more changes; NO_SPACE is no such reason. */
  get failure(): ShoalError | undefined {
    return isShoalError(this.#refusal, 'NO_SPACE') ? undefined : this.#refusal
  }

  get isEmpty(): boolean {
    return this.range({ ...EVERYTHING, limit: 1 }).next().done === true
  }

  get(key: Uint8Array): Buffer | undefined {
    this.#checkWhole()
    if (this.#pending.size === 0 && this.#applying === undefined) return this.#base.get(key)
    return getThrough(this.#layers(), this.#base, key)
  }

  getDecoded<T>(key: Uint8Array, decode: Decode<T>, name = nameOfKey(key)): T | undefined {
    this.#checkWhole()
    const known = this.#decoded.find(name, decode)
    if (known !== undefined) return known
    const value = getThrough(this.#layers(), this.#base, key, name)
    if (value === undefined) return undefined
    const decoded = decode(value)
    this.#decoded.keep(name, decode, decoded)
    return decoded
  }

  range(interval: Interval): IterableIterator<KeyValue> {
    this.#checkWhole()
    return mergedRange(this.#base, this.#layers(), callersPart(interval))
  }

  keep(): KeptState {
    this.#checkWhole()
    const layers = this.#layers().map((layer) => (layer === this.#pending ? layer.copy() : layer))
    const kept = keepThrough(layers, this.#base.keep())
    return { ...kept, range: (interval) => kept.range(callersPart(interval)) }
  }

  async commit(): Promise<void> {
    assert(false, 'A replica changes only on the word of the log')
  }

  /** Calls `tell` whenever keys that begin with `prefix` have changed, before it counts as seen. */
  onWrites(prefix: Uint8Array, tell: () => void): void {
    this.#watches.push({ prefix: nameOfKey(prefix), tell })
  }

  /** Takes what the log says: everything up to entry `index` is in the state now, and is seen by all who read. */
  take(writes: WriteSet, index: number, stateId?: Buffer): void {
    this.#stateId = stateId ?? this.#stateId
    this.#applied = index
    for (const name of writes.names()) this.#decoded.forget(name)
    if (this.#watches.length > 0) this.#tellOf(writes)
    if (this.#pending.size === 0) this.#pending = writes
    else this.#pending.merge(writes)
    if (this.#pending.size >= APPLY_WRITES || this.#pending.bytes >= APPLY_BYTES) this.#applyPending()
    else if (!this.#isWaiting && this.#pending.size > 0) void this.#applySoon()
    this.pass(index)
  }

  /** Entry `index` has been seen, and is a part of something to come, or is here already. */
  pass(index: number): void {
    this.#position = Math.max(this.#position, index)
    this.#progress.resolve()
    this.#progress = Promise.withResolvers()
  }

  /** Resolves when entry `index` has been seen. */
  async reached(index: number): Promise<void> {
    while (this.#position < index && !this.#closed.signal.aborted) await this.#progress.promise
  }

  /** Resolves when there is room for more: what the log has is kept in memory for a while once the base has failed, until another node leads.
   *  @throws NO_SPACE: it can be tried again; STORAGE_FAILED: no more */
  async room(): Promise<void> {
    if (!isShoalError(this.#refusal, 'NO_SPACE') && this.#pending.bytes < PENDING_BYTES_MAX) return
    if (isShoalError(this.#refusal, 'NO_SPACE')) this.#apply()
    await this.#work
    if (this.#refusal !== undefined) throw this.#refusal
    this.#applyPending()
  }

  /** Makes the state that is here the one that a new log rests on, before that has an entry: after a crash it is known again. */
  async found(stateId: Buffer): Promise<void> {
    await this.#base.commit(withRow(new WriteSet(), { stateId, applied: 0, isInstalling: false }))
    this.#stateId = stateId
  }

  /** The state of this moment, for another replica. */
  snapshot(): StateSnapshot {
    if (this.#stateId === undefined) throw new ShoalError('UNAVAILABLE', 'This node has no state of the log yet')
    return { stateId: this.#stateId, index: this.#applied, pages: pagesOf(this.keep()) }
  }

  /** Puts `snapshot` in the place of whatever is here. A crash on the way leaves a state that is not whole, and needs it anew. */
  async install({ stateId, index, pages }: StateSnapshot): Promise<void> {
    await this.#work
    this.#isInstalling = true
    this.#decoded = new DecodedRows()
    this.#pending = new WriteSet()
    this.#applying = undefined
    await this.#base.commit(withRow(new WriteSet(), { stateId, applied: 0, isInstalling: true }))
    for (let names = this.#someKeys(); names.size > 0; names = this.#someKeys()) await this.#base.commit(names)
    for await (const page of pages) {
      const writes = new WriteSet()
      for (const entry of page) writes.set(nameOfKey(entry.key), entry)
      await this.#base.commit(writes)
    }
    await this.#base.commit(withRow(new WriteSet(), { stateId, applied: index, isInstalling: false }))
    this.#stateId = stateId
    this.#applied = this.#durable = index
    this.#isInstalling = false
    this.#refusal = undefined
    for (const { tell } of this.#watches) tell()
    this.pass(index)
  }

  async close(): Promise<void> {
    this.#closed.abort()
    this.#progress.resolve()
    await this.#work
    this.#applyPending()
    // What didn't go in is in the log.
    await this.#work
    await this.#base.close()
  }

  #tellOf(writes: WriteSet): void {
    const untold = new Set(this.#watches)
    for (const name of writes.names())
      for (const watch of untold) {
        if (!name.startsWith(watch.prefix)) continue
        untold.delete(watch)
        watch.tell()
      }
  }

  /** The newest first. */
  #layers(): WriteSet[] {
    const layers: WriteSet[] = []
    if (this.#pending.size > 0) layers.push(this.#pending)
    if (this.#applying !== undefined) layers.push(this.#applying.writes)
    return layers
  }

  #checkWhole(): void {
    if (this.#isInstalling) throw new ShoalError('UNAVAILABLE', 'This node is fetching a snapshot of the metadata')
  }

  #applyPending(): void {
    if (this.#applying !== undefined || this.#pending.size === 0) return
    this.#applying = { writes: this.#pending, applied: this.#applied }
    this.#pending = new WriteSet()
    this.#apply()
  }

  #apply(): void {
    this.#work ??= this.#applyNow().finally(() => {
      this.#work = undefined
    })
  }

  async #applyNow(): Promise<void> {
    if (this.#applying === undefined || this.#stateId === undefined) return
    const { writes, applied } = this.#applying
    try {
      await this.#base.commit(withRow(writes.copy(), { stateId: this.#stateId, applied, isInstalling: false }))
      this.#durable = applied
      this.#applying = undefined
      this.#refusal = undefined
    } catch (cause) {
      this.#refusal = isShoalError(cause, 'NO_SPACE')
        ? cause
        : new ShoalError(
            'STORAGE_FAILED',
            'The metadata could not be written, so this node takes no more of it: check the disk, then restart it',
            { cause },
          )
      if (this.failure !== undefined) this.#onFailure?.(this.failure)
    }
  }

  async #applySoon(): Promise<void> {
    this.#isWaiting = true
    try {
      do await this.#clock.sleep(APPLY_AFTER_MS, this.#closed.signal)
      while (this.#applying !== undefined && this.#refusal === undefined)
      this.#isWaiting = false
      this.#applyPending()
    } catch {
      // Closing applies it itself.
      this.#isWaiting = false
    }
  }

  /** Removals of some of what is there. */
  #someKeys(): WriteSet {
    const removals = new WriteSet()
    const walk = this.#base.range({ ...callersPart(EVERYTHING), limit: CLEARED_AT_ONCE })
    for (const { key } of walk) removals.set(nameOfKey(key), { key, value: undefined })
    return removals
  }
}

function withRow(writes: WriteSet, row: Parameters<typeof encodeReplicaRow>[0]): WriteSet {
  writes.set(nameOfKey(REPLICA_ROW_KEY), { key: REPLICA_ROW_KEY, value: encodeReplicaRow(row) })
  return writes
}
