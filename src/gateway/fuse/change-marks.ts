/** Of how many things it is remembered that others have changed them. */
const CHANGED_MAX = 10_000

/** What others have changed while something was under way, by path, say, or by inode. Pure. */
export class ChangeMarks<Key> {
  #count = 0
  /** The last change of each, in the order of the changes. */
  readonly #changed = new Map<Key, number>()
  /** Of what was before this, changes may have been forgotten. */
  #forgotten = 0

  /** To be taken before something begins. */
  mark(): number {
    return this.#count
  }

  changed(key: Key): void {
    this.#count += 1
    this.#changed.delete(key)
    this.#changed.set(key, this.#count)
    if (this.#changed.size <= CHANGED_MAX) return
    const [oldest, count] = this.#changed.entries().next().value as [Key, number]
    this.#changed.delete(oldest)
    this.#forgotten = count
  }

  /** Anything may have changed. */
  changedAll(): void {
    this.#count += 1
    this.#forgotten = this.#count
    this.#changed.clear()
  }

  /** Whether others may have changed one of these since `mark`. */
  isChanged(mark: number, ...keys: readonly Key[]): boolean {
    return mark < this.#forgotten || keys.some((key) => (this.#changed.get(key) ?? 0) > mark)
  }
}
