import { OrderedMap } from './ordered-map.ts'

/** What becomes of one key: a new value, or none. */
export interface Write {
  readonly key: Uint8Array
  /** `undefined` removes the key. */
  readonly value: Uint8Array | undefined
}

/** What a write costs beside its bytes: the record, the name and their places in map and order; a round upper figure. */
const WRITE_OVERHEAD_BYTES = 200

/** What `set` replaced, to be put back. */
interface Undo {
  readonly name: string
  readonly previous: Write | undefined
}

/** The last write to each key, by its name (see `nameOfKey`). */
export class WriteSet {
  readonly #writes = new OrderedMap<Write>()
  #bytes = 0
  /** What was written since the outermost mark, the oldest first; absent without one. */
  #undo: Undo[] | undefined

  /** How many keys are written. */
  get size(): number {
    return this.#writes.size
  }

  /** Memory held by keys and values, with an allowance for upkeep. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes of all keys and values together. */
  get dataBytes(): number {
    return this.#bytes - this.size * WRITE_OVERHEAD_BYTES
  }

  get(name: string): Write | undefined {
    return this.#writes.get(name)
  }

  set(name: string, write: Write): void {
    const previous = this.#writes.get(name)
    if (previous !== undefined) this.#bytes -= sizeOf(previous)
    this.#bytes += sizeOf(write)
    this.#writes.set(name, write)
    this.#undo?.push({ name, previous })
  }

  /** Runs `fn`; if it throws, what was set meanwhile is undone, and the error goes on. */
  attempt<T>(fn: () => T): T {
    const outermost = this.#undo === undefined
    const undo = (this.#undo ??= [])
    const mark = undo.length
    try {
      return fn()
    } catch (error) {
      while (undo.length > mark) this.#revert(undo.pop() as Undo)
      throw error
    } finally {
      if (outermost) this.#undo = undefined
    }
  }

  #revert({ name, previous }: Undo): void {
    this.#bytes -= sizeOf(this.#writes.get(name) as Write)
    if (previous === undefined) {
      this.#writes.delete(name)
      return
    }
    this.#bytes += sizeOf(previous)
    this.#writes.set(name, previous)
  }

  /** Takes over all writes of `later`, which win over those that are here. */
  merge(later: WriteSet): void {
    for (const [name, write] of later.#writes.entries()) this.set(name, write)
  }

  /** Another set with the same writes. */
  copy(): WriteSet {
    const copy = new WriteSet()
    copy.merge(this)
    return copy
  }

  /** The writes in no particular order. */
  writes(): IterableIterator<Write> {
    return this.#writes.values()
  }

  /** The names of all keys that are written. */
  names(): IterableIterator<string> {
    return this.#writes.names()
  }

  walk(options: Parameters<OrderedMap<Write>['walk']>[0]): ReturnType<OrderedMap<Write>['walk']> {
    return this.#writes.walk(options)
  }
}

function sizeOf({ key, value }: Write): number {
  return key.length + (value?.length ?? 0) + WRITE_OVERHEAD_BYTES
}
