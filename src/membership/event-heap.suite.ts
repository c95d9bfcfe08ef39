interface Entry<T> {
  readonly atMs: number
  readonly order: number
  readonly event: T
}

/** Events in the order of their times, and of their coming where those are the same. */
export class EventHeap<T> {
  readonly #entries: Entry<T>[] = []
  #order = 0

  get nextMs(): number {
    return this.#entries[0]?.atMs ?? Number.POSITIVE_INFINITY
  }

  push(atMs: number, event: T): void {
    const entry = { atMs, order: (this.#order += 1), event }
    let at = this.#entries.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(this.#entries[parent]!, entry)) break
      this.#entries[at] = this.#entries[parent]!
      at = parent
    }
    this.#entries[at] = entry
  }

  pop(): T | undefined {
    const first = this.#entries[0]
    const last = this.#entries.pop()
    if (first === undefined || last === undefined) return undefined
    if (this.#entries.length > 0) this.#sink(last)
    return first.event
  }

  #sink(entry: Entry<T>): void {
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= this.#entries.length) break
      if (child + 1 < this.#entries.length && isBefore(this.#entries[child + 1]!, this.#entries[child]!)) child += 1
      if (isBefore(entry, this.#entries[child]!)) break
      this.#entries[at] = this.#entries[child]!
      at = child
    }
    this.#entries[at] = entry
  }
}

function isBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
