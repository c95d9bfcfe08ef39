import type { Path } from '#foundation/path.ts'
import type { PlacedLock } from '#volume/locks.ts'

/** The locks in and around one tree, by where they are. */
export class LockIndex {
  readonly #top: Path
  readonly #covering: readonly PlacedLock[]
  readonly #below = new Map<string, PlacedLock[]>()

  constructor(top: Path, found: { readonly covering: readonly PlacedLock[]; readonly below: readonly PlacedLock[] }) {
    this.#top = top
    this.#covering = found.covering
    for (const placed of found.below) {
      const key = placed.root.join('/')
      const there = this.#below.get(key)
      if (there === undefined) this.#below.set(key, [placed])
      else there.push(placed)
    }
  }

  /** The locks in whose scope something in the tree is, or its top. */
  covering(path: Path): readonly PlacedLock[] {
    if (path.length === this.#top.length) return this.#covering
    const found = this.#covering.filter(({ lock }) => lock.isDeep)
    if (this.#below.size === 0) return found
    for (let depth = this.#top.length + 1; depth <= path.length; depth += 1) {
      const here = this.#below.get(path.slice(0, depth).join('/')) ?? []
      found.push(...here.filter(({ lock }) => lock.isDeep || depth === path.length))
    }
    return found
  }
}
