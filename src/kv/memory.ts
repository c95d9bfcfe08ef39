import { ShoalError } from '#foundation/errors.ts'
import type { Interval } from './arguments.ts'
import type { CommitBase, KeptState } from './commit-base.ts'
import { GroupCommitStore } from './group-commit-store.ts'
import type { GroupCommitOptions } from './group-commit.ts'
import { nameOfKey } from './key-name.ts'
import { OrderedMap } from './ordered-map.ts'
import type { OrderedWalk } from './ordered-map.ts'
import type { KeyValue, KeyValueStore } from './store.ts'
import type { Write, WriteSet } from './write-set.ts'

/** What outlives a store in memory, as a disk outlives a process. Opening a store on a disk cuts off the store that had it
 *  before, whose unfinished commits never happen: that is how a crash is played. */
export class MemoryDisk {
  readonly entries = new OrderedMap<KeyValue>()
  #holder: object | undefined

  attach(holder: object): void {
    this.#holder = holder
  }

  isHeldBy(holder: object): boolean {
    return this.#holder === holder
  }
}

export interface MemoryStoreOptions extends GroupCommitOptions {
  /** Opens what an earlier store left behind. */
  readonly disk?: MemoryDisk
  /** Called before each commit takes effect: it delays the commit for as long as its promise takes, and fails it by an
   *  error, as a disk would. */
  readonly beforeCommit?: (writes: WriteSet) => Promise<void> | void
}

/** A store that is as durable as `disk`, by default for as long as the store lives. */
export function openMemoryStore({ disk = new MemoryDisk(), beforeCommit, onCommit }: MemoryStoreOptions = {}): KeyValueStore {
  return new GroupCommitStore(new MemoryBase(disk, beforeCommit), { onCommit })
}

/** What is on a `MemoryDisk`, as a base of other stores too. */
export class MemoryBase implements CommitBase {
  readonly #disk: MemoryDisk
  readonly #beforeCommit: ((writes: WriteSet) => Promise<void> | void) | undefined

  constructor(disk: MemoryDisk, beforeCommit?: (writes: WriteSet) => Promise<void> | void) {
    this.#disk = disk
    this.#beforeCommit = beforeCommit
    disk.attach(this)
  }

  get(key: Uint8Array): Buffer | undefined {
    return getFrom(this.#disk.entries, key)
  }

  range(interval: Interval): IterableIterator<KeyValue> {
    return walkOver(this.#disk.entries, interval)
  }

  keep(): KeptState {
    // Entries are replaced, never changed: the copy needs to be no deeper.
    const entries = new OrderedMap<KeyValue>()
    for (const [name, entry] of this.#disk.entries.entries()) entries.set(name, entry)
    return { get: (key) => getFrom(entries, key), range: (interval) => walkOver(entries, interval), release() {} }
  }

  async commit(writes: WriteSet): Promise<void> {
    await this.#beforeCommit?.(writes)
    if (!this.#disk.isHeldBy(this)) throw new ShoalError('STORAGE_FAILED', 'Another store has been opened on this memory disk')
    for (const write of writes.writes()) this.#apply(write)
  }

  async close(): Promise<void> {}

  #apply({ key, value }: Write): void {
    const name = nameOfKey(key)
    if (value === undefined) this.#disk.entries.delete(name)
    else this.#disk.entries.set(name, { key: Buffer.from(key), value: Buffer.from(value) })
  }
}

function getFrom(entries: OrderedMap<KeyValue>, key: Uint8Array): Buffer | undefined {
  const entry = entries.get(nameOfKey(key))
  return entry === undefined ? undefined : Buffer.from(entry.value)
}

function walkOver(entries: OrderedMap<KeyValue>, { start, end, reverse, limit }: Interval): IterableIterator<KeyValue> {
  const bounds = { start: nameOfKey(start), end: end === undefined ? undefined : nameOfKey(end), reverse }
  return new MemoryRange(entries.walk(bounds), limit)
}

class MemoryRange implements IterableIterator<KeyValue> {
  readonly #walk: OrderedWalk<KeyValue>
  #left: number

  constructor(walk: OrderedWalk<KeyValue>, limit: number) {
    this.#walk = walk
    this.#left = limit
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<KeyValue, undefined> {
    if (this.#left <= 0 || this.#walk.name === undefined) return this.return()
    const { key, value } = this.#walk.value
    this.#left -= 1
    this.#walk.advance()
    return { done: false, value: { key: Buffer.from(key), value: Buffer.from(value) } }
  }

  return(): IteratorReturnResult<undefined> {
    this.#left = 0
    return { done: true, value: undefined }
  }
}
