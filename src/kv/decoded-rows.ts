import type { Decode } from './store.ts'

/** Rows kept at most. A directory's takes some 500 bytes of memory as an object: 8 MiB for all of them. */
const ROWS_MAX = 16_384

interface Decoded {
  readonly decode: Decode<unknown>
  readonly value: unknown
}

/** The rows that were asked for lately, as their readers understand them. Whoever keeps it says which rows have changed.
 *  In two generations: when the younger one is full, the older one goes. A row that is found is not moved: to look for it
 *  must cost less than the database does, and one that was dropped is soon there again. */
export class DecodedRows {
  readonly #halfMax: number
  #young = new Map<string, Decoded>()
  #old = new Map<string, Decoded>()

  constructor(rowsMax = ROWS_MAX) {
    this.#halfMax = rowsMax >>> 1
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** The row as `decode` gave it, or `undefined`. */
  find<T>(name: string, decode: Decode<T>): T | undefined {
    const found = this.#young.get(name) ?? this.#old.get(name)
    return found?.decode === decode ? (found.value as T) : undefined
  }

  keep<T>(name: string, decode: Decode<T>, value: T): void {
    this.#old.delete(name)
    if (this.#young.size >= this.#halfMax && !this.#young.has(name)) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(name, { decode, value })
  }

  forget(name: string): void {
    this.#young.delete(name)
    this.#old.delete(name)
  }
}
