/** Of how many paths it is remembered that others have changed them. */
const CHANGED_MAX = 10_000

/** What others have changed while something was under way. Pure. */
export class ForeignChanges {
  #count = 0
  /** The last change of each path, in the order of the changes. */
  readonly #changed = new Map<string, number>()
  /** Of what was before this, changes may have been forgotten. */
  #forgotten = 0

  /** To be taken before something begins. */
  mark(): number {
    return this.#count
  }

  changed(path: string): void {
    this.#count += 1
    this.#changed.delete(path)
    this.#changed.set(path, this.#count)
    if (this.#changed.size <= CHANGED_MAX) return
    const [oldest, count] = this.#changed.entries().next().value as [string, number]
    this.#changed.delete(oldest)
    this.#forgotten = count
  }

  /** Anything may have changed. */
  changedAll(): void {
    this.#count += 1
    this.#forgotten = this.#count
    this.#changed.clear()
  }

  /** Whether others may have changed a path since `mark`. */
  isChanged(path: string, mark: number): boolean {
    return mark < this.#forgotten || (this.#changed.get(path) ?? 0) > mark
  }
}
