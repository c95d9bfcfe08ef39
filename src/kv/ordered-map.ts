/** Names a block holds before it is split in two: large enough that a block's upkeep vanishes in the block count, small
 *  enough that inserting into it is one short memory move. */
const BLOCK_NAMES_MAX = 512

/** A walk over an `OrderedMap`: `name` and `value` are those of the current entry, and `name` is undefined past the last.
 *  The map must not change during the walk. */
export interface OrderedWalk<V> {
  readonly name: string | undefined
  readonly value: V
  advance(): void
}

export interface WalkOptions {
  /** The first name, included. */
  readonly start: string
  /** The end, excluded; absent means that there is none. */
  readonly end: string | undefined
  readonly reverse: boolean
}

/** A map that can also be walked in the order of its names. The order is made up when a walk asks for it, so a map that
 *  nobody walks costs no more than a `Map`; keeping a large one ordered costs a logarithm for each new name. */
export class OrderedMap<V> {
  readonly #values = new Map<string, V>()
  /** The names in order, in blocks none of which is empty; those of `#unsorted` are missing yet. */
  readonly #blocks: string[][] = []
  #unsorted: string[] = []

  get size(): number {
    return this.#values.size
  }

  get(name: string): V | undefined {
    return this.#values.get(name)
  }

  entries(): IterableIterator<[string, V]> {
    return this.#values.entries()
  }

  names(): IterableIterator<string> {
    return this.#values.keys()
  }

  values(): IterableIterator<V> {
    return this.#values.values()
  }

  set(name: string, value: V): void {
    const before = this.#values.size
    this.#values.set(name, value)
    if (this.#values.size !== before) this.#unsorted.push(name)
  }

  delete(name: string): void {
    if (!this.#values.delete(name)) return
    this.#sort()
    const at = this.#blockOf(name)
    const block = this.#blocks[at] as string[]
    block.splice(lowerBound(block, name), 1)
    if (block.length === 0) this.#blocks.splice(at, 1)
  }

  walk(options: WalkOptions): OrderedWalk<V> {
    this.#sort()
    return new Walk(this.#blocks, this.#values, options)
  }

  #sort(): void {
    const unsorted = this.#unsorted
    if (unsorted.length === 0) return
    this.#unsorted = []
    // Few newcomers are inserted one by one; many are sorted together with what is there.
    if (unsorted.length * 8 < this.#values.size) {
      for (const name of unsorted) this.#insert(name)
      return
    }
    const names = this.#blocks.flat().concat(unsorted)
    // oxlint-disable-next-line unicorn/require-array-sort-compare -- code units are the order wanted here
    names.sort()
    this.#blocks.length = 0
    for (let at = 0; at < names.length; at += BLOCK_NAMES_MAX / 2) this.#blocks.push(names.slice(at, at + BLOCK_NAMES_MAX / 2))
  }

  #insert(name: string): void {
    const at = this.#blockOf(name)
    const block = this.#blocks[at] as string[]
    block.splice(lowerBound(block, name), 0, name)
    if (block.length > BLOCK_NAMES_MAX) this.#blocks.splice(at + 1, 0, block.splice(BLOCK_NAMES_MAX / 2))
  }

  /** The last block that begins at or before `name`; the first one if none does. */
  #blockOf(name: string): number {
    return blockOf(this.#blocks, name)
  }
}

class Walk<V> implements OrderedWalk<V> {
  readonly #blocks: readonly string[][]
  readonly #values: ReadonlyMap<string, V>
  readonly #reverse: boolean
  readonly #start: string
  readonly #end: string | undefined
  #block: number
  #at: number
  name: string | undefined

  constructor(blocks: readonly string[][], values: ReadonlyMap<string, V>, { start, end, reverse }: WalkOptions) {
    this.#blocks = blocks
    this.#values = values
    this.#reverse = reverse
    this.#start = start
    this.#end = end
    if (reverse && end === undefined) {
      this.#block = blocks.length
      this.#at = 0
    } else {
      const bound = reverse ? (end as string) : start
      this.#block = blockOf(blocks, bound)
      this.#at = lowerBound(blocks[this.#block] ?? [], bound)
    }
    if (reverse) this.advance()
    else this.#settle()
  }

  get value(): V {
    return this.#values.get(this.name as string) as V
  }

  advance(): void {
    this.#at += this.#reverse ? -1 : 1
    this.#settle()
  }

  /** Crosses into the neighbouring block where the current one is used up, and stops at the bound. */
  #settle(): void {
    if (this.#at < 0) {
      this.#block -= 1
      this.#at = (this.#blocks[this.#block]?.length ?? 0) - 1
    } else if (this.#at >= (this.#blocks[this.#block]?.length ?? 0)) {
      this.#block += 1
      this.#at = 0
    }
    const name = this.#blocks[this.#block]?.[this.#at]
    const isInside = name !== undefined && (this.#reverse ? name >= this.#start : this.#end === undefined || name < this.#end)
    this.name = isInside ? name : undefined
  }
}

function blockOf(blocks: readonly string[][], name: string): number {
  let low = 0
  let high = blocks.length
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if ((blocks[middle]?.[0] as string) <= name) low = middle
    else high = middle
  }
  return low
}

/** Index of the first of `names` that is not less than `name`. */
function lowerBound(names: readonly string[], name: string): number {
  let low = 0
  let high = names.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((names[middle] as string) < name) low = middle + 1
    else high = middle
  }
  return low
}
