import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import { checkKey, checkValue, toInterval } from './arguments.ts'
import type { Interval } from './arguments.ts'
import type { CommitBase, FlushedState, KeptState } from './commit-base.ts'
import { nameOfKey } from './key-name.ts'
import { mergedRange } from './merged-range.ts'
import type { Decode, KeyValue, LongSnapshot, RangeOptions, Snapshot, Transaction } from './store.ts'
import { WriteSet } from './write-set.ts'
import type { Write } from './write-set.ts'

/** What one transaction may write: it is held in memory, and one that is larger would keep all others waiting for seconds. */
export const TRANSACTION_BYTES_MAX = 64 * 1024 * 1024

/** A snapshot of `base`, alive until `end`. */
export class BaseView implements Snapshot {
  protected readonly base: FlushedState
  readonly #ranges: IterableIterator<KeyValue>[] = []
  #isOpen = true

  constructor(base: FlushedState) {
    this.base = base
  }

  get(key: Uint8Array): Buffer | undefined {
    this.checkOpen()
    checkKey(key)
    return this.find(key)
  }

  getDecoded<T>(key: Uint8Array, decode: Decode<T>): T | undefined {
    this.checkOpen()
    checkKey(key)
    return this.findDecoded(key, decode)
  }

  range(options: RangeOptions): IterableIterator<KeyValue> {
    this.checkOpen()
    const interval = toInterval(options)
    if (interval === undefined) return [][Symbol.iterator]()
    const range = this.walk(interval)
    this.#ranges.push(range)
    return range
  }

  /** Ends the view and every walk that it gave out. */
  end(): void {
    this.#isOpen = false
    for (const range of this.#ranges) range.return?.()
  }

  protected checkOpen(): void {
    assert(this.#isOpen, 'A snapshot or transaction of the key-value store was used after its callback had returned')
  }

  protected find(key: Uint8Array): Buffer | undefined {
    return this.base.get(key)
  }

  protected findDecoded<T>(key: Uint8Array, decode: Decode<T>): T | undefined {
    return decodedFrom(this.base, { key, name: undefined }, decode)
  }

  protected walk(interval: Interval): IterableIterator<KeyValue> {
    return this.base.range(interval)
  }
}

/** A kept state as a snapshot. `onEnd` is called when it is over, whoever ended it. */
export class LongView implements LongSnapshot {
  readonly #state: KeptState
  readonly #onEnd: (view: LongView) => void
  /** The walks that haven't ended: a long reader begins millions. */
  readonly #walks = new Set<IterableIterator<KeyValue>>()
  #end: 'closed' | 'store closed' | undefined

  constructor(state: KeptState, onEnd: (view: LongView) => void) {
    this.#state = state
    this.#onEnd = onEnd
  }

  get(key: Uint8Array): Buffer | undefined {
    this.#checkOpen()
    checkKey(key)
    return this.#state.get(key)
  }

  getDecoded<T>(key: Uint8Array, decode: Decode<T>): T | undefined {
    this.#checkOpen()
    checkKey(key)
    return decodedFrom(this.#state, { key, name: undefined }, decode)
  }

  range(options: RangeOptions): IterableIterator<KeyValue> {
    this.#checkOpen()
    const interval = toInterval(options)
    return interval === undefined ? [][Symbol.iterator]() : this.#walk(this.#state.range(interval))
  }

  close(): void {
    this.end('closed')
  }

  end(reason: 'closed' | 'store closed'): void {
    if (this.#end !== undefined) return
    this.#end = reason
    for (const walk of this.#walks) walk.return?.()
    this.#walks.clear()
    this.#state.release()
    this.#onEnd(this)
  }

  *#walk(walk: IterableIterator<KeyValue>): Generator<KeyValue, undefined, undefined> {
    this.#walks.add(walk)
    try {
      for (let step = walk.next(); step.done !== true; step = walk.next()) {
        yield step.value
        this.#checkOpen()
      }
      return undefined
    } finally {
      if (this.#walks.delete(walk)) walk.return?.()
    }
  }

  #checkOpen(): void {
    if (this.#end === 'store closed') throw new ShoalError('UNAVAILABLE', 'The key-value store is closed')
    assert(this.#end === undefined, 'A snapshot of the key-value store was used after it had been closed')
  }
}

/** A transaction over `base` as it looks under `layers`, the newest first. */
export class TransactionView extends BaseView implements Transaction {
  readonly writes = new WriteSet()
  readonly #layers: readonly WriteSet[]
  /** What had been written when the part under way began: the limit counts from there. */
  #bytesBefore = 0

  constructor(base: CommitBase, layers: readonly WriteSet[]) {
    super(base)
    this.#layers = layers
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.checkOpen()
    checkKey(key)
    checkValue(value)
    this.#write(key, value)
  }

  delete(key: Uint8Array): void {
    this.checkOpen()
    checkKey(key)
    this.#write(key, undefined)
  }

  attempt<T>(fn: () => T): T {
    this.checkOpen()
    const outerBytes = this.#bytesBefore
    this.#bytesBefore = this.writes.bytes
    try {
      return this.writes.attempt(() => refusePromise(fn()))
    } finally {
      this.#bytesBefore = outerBytes
    }
  }

  get writtenBytes(): number {
    return this.writes.bytes
  }

  protected override find(key: Uint8Array): Buffer | undefined {
    const name = nameOfKey(key)
    const write = this.#findWrite(name)
    if (write === undefined) return this.base.get(key, name)
    return write.value === undefined ? undefined : Buffer.from(write.value)
  }

  protected override findDecoded<T>(key: Uint8Array, decode: Decode<T>): T | undefined {
    const name = nameOfKey(key)
    const write = this.#findWrite(name)
    if (write === undefined) return decodedFrom(this.base, { key, name }, decode)
    return write.value === undefined ? undefined : decode(Buffer.from(write.value))
  }

  protected override walk(interval: Interval): IterableIterator<KeyValue> {
    return mergedRange(this.base, [this.#ownWrites(interval), ...this.#layers], interval)
  }

  /** The newest write to a key that isn't flushed yet. */
  #findWrite(name: string): Write | undefined {
    let write = this.writes.get(name)
    for (let at = 0; write === undefined && at < this.#layers.length; at += 1) write = this.#layers[at]?.get(name)
    return write
  }

  /** The transaction may go on writing during the walk, which shows the moment it began: so it gets a copy. */
  #ownWrites({ start, end, reverse }: Interval): WriteSet {
    const copy = new WriteSet()
    if (this.writes.size === 0) return copy
    const walk = this.writes.walk({ start: nameOfKey(start), end: end === undefined ? undefined : nameOfKey(end), reverse })
    for (; walk.name !== undefined; walk.advance()) copy.set(walk.name, walk.value)
    return copy
  }

  #write(key: Uint8Array, value: Uint8Array | undefined): void {
    this.writes.set(nameOfKey(key), { key, value })
    if (this.writes.bytes - this.#bytesBefore > TRANSACTION_BYTES_MAX) {
      throw new ShoalError('TOO_LARGE', `A transaction may write at most ${TRANSACTION_BYTES_MAX} bytes: split it into several`)
    }
  }
}

function decodedFrom<T>(
  state: FlushedState,
  { key, name }: { key: Uint8Array; name: string | undefined },
  decode: Decode<T>,
): T | undefined {
  if (state.getDecoded !== undefined) return state.getDecoded(key, decode, name)
  const value = state.get(key, name)
  return value === undefined ? undefined : decode(value)
}

/** Passes a callback's result on, unless it is a promise. */
export function refusePromise<T>(result: T): T {
  if (typeof result !== 'object' || result === null || !('then' in result) || typeof result.then !== 'function') return result
  // The callback goes on without a snapshot and will fail; the assertion below is what tells its author.
  Promise.resolve(result).catch(() => {})
  assert(false, 'A callback of the key-value store must not be asynchronous: its snapshot ends when it returns')
}
