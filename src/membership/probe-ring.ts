import type { Random } from '#platform/random.ts'

/** Up to here all are looked at rather than tried at random. */
const SMALL = 16

/** Goes around its items again and again, in an order that is drawn anew each time: within two rounds every item comes up
 *  (SWIM, section 4.3, bounds the time to detection by that). */
export class ProbeRing<T> {
  readonly #random: Random
  readonly #items: T[] = []
  readonly #placeOf = new Map<T, number>()
  #next = 0

  constructor(random: Random) {
    this.#random = random
  }

  get size(): number {
    return this.#items.length
  }

  has(item: T): boolean {
    return this.#placeOf.has(item)
  }

  /** At a random place, so that new nodes aren't all probed by everybody at the same moment. */
  add(item: T): void {
    if (this.#placeOf.has(item)) return
    this.#items.push(item)
    this.#placeOf.set(item, this.#items.length - 1)
    this.#swap(this.#items.length - 1, this.#below(this.#items.length))
  }

  remove(item: T): void {
    const place = this.#placeOf.get(item)
    if (place === undefined) return
    this.#items.splice(place, 1)
    this.#placeOf.delete(item)
    for (let at = place; at < this.#items.length; at += 1) this.#placeOf.set(this.#items[at] as T, at)
    if (place < this.#next) this.#next -= 1
  }

  /** The one whose turn it is. */
  next(): T | undefined {
    if (this.#next >= this.#items.length) {
      for (let at = this.#items.length - 1; at > 0; at -= 1) this.#swap(at, this.#below(at + 1))
      this.#next = 0
    }
    const item = this.#items[this.#next]
    this.#next += 1
    return item
  }

  /** Up to `count` different ones that `suits`, at random; of many items perhaps fewer than there are, when few suit. */
  pick(count: number, suits: (item: T) => boolean): T[] {
    if (this.#items.length <= SMALL) return this.#pickOfAll(count, suits)
    const picked: T[] = []
    for (let tries = this.#items.length * 2; tries > 0 && picked.length < count; tries -= 1) {
      const item = this.#items[this.#below(this.#items.length)] as T
      if (suits(item) && !picked.includes(item)) picked.push(item)
    }
    return picked
  }

  #pickOfAll(count: number, suits: (item: T) => boolean): T[] {
    const suitable = this.#items.filter(suits)
    const picked: T[] = []
    while (picked.length < count && suitable.length > 0) picked.push(...suitable.splice(this.#below(suitable.length), 1))
    return picked
  }

  #swap(a: number, b: number): void {
    const [itemA, itemB] = [this.#items[a] as T, this.#items[b] as T]
    this.#items[a] = itemB
    this.#items[b] = itemA
    this.#placeOf.set(itemB, a)
    this.#placeOf.set(itemA, b)
  }

  #below(limit: number): number {
    return Math.floor(this.#random.fraction() * limit)
  }
}
