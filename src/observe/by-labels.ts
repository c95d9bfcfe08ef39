type Labels = Readonly<Record<string, string>>

/** Something for each set of labels that was met: found by their values alone, without sorting and joining names, since it is looked for with
 *  each request. */
export class ByLabels<T> {
  readonly #names: readonly string[]
  readonly #make: () => T
  readonly #found = new Map<string, { readonly labels: Labels; readonly value: T }>()

  constructor(names: readonly string[], make: () => T) {
    this.#names = names
    this.#make = make
    if (names.length === 0) this.of({})
  }

  of(labels: Labels): T {
    const [first = ''] = this.#names
    // No value of a label has a NUL in it.
    const key = this.#names.length > 1 ? this.#names.map((name) => labels[name]).join('\0') : (labels[first] ?? '')
    let found = this.#found.get(key)
    if (found === undefined) {
      found = { labels: this.#inOrder(labels), value: this.#make() }
      this.#found.set(key, found)
    }
    return found.value
  }

  #inOrder(labels: Labels): Labels {
    return Object.fromEntries(this.#names.flatMap((name) => (labels[name] === undefined ? [] : [[name, labels[name]]])))
  }

  all(): Iterable<{ readonly labels: Labels; readonly value: T }> {
    return this.#found.values()
  }
}
