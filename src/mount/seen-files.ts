import { formatPath, type Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'

const SEEN_MAX = 10_000

/** What the node last said of files. Who writes does so over the version that he has seen; and while the node tells of changes, nothing else is
 *  there than what was seen last.
 *
 *  An answer may be older than a change that the mount hears of before the answer is given. Such an answer says over which version something is written,
 *  and not what is there. */
export class SeenFiles {
  readonly #seen = new Map<string, { readonly attributes: Attributes; readonly isNewest: boolean }>()
  readonly #isTold: () => boolean
  #changes = 0

  /** `isTold` says whether each change of others is told as it happens. */
  constructor(isTold: () => boolean) {
    this.#isTold = isTold
  }

  /** To be taken before the node is asked. */
  mark(): number {
    return this.#isTold() ? this.#changes : -1
  }

  /** The version that was seen last. */
  find(path: Path): Attributes | undefined {
    return this.#seen.get(formatPath(path))?.attributes
  }

  /** What is there, if that is known. */
  newest(path: Path): Attributes | undefined {
    const seen = this.#isTold() ? this.#seen.get(formatPath(path)) : undefined
    return seen?.isNewest === true ? seen.attributes : undefined
  }

  /** An answer that was asked for at `mark`. */
  add(path: Path, attributes: Attributes, mark: number): void {
    const key = formatPath(path)
    this.#seen.delete(key)
    if (attributes.type !== 'file') return
    this.#seen.set(key, { attributes, isNewest: mark === this.#changes })
    if (this.#seen.size > SEEN_MAX) this.#seen.delete(this.#seen.keys().next().value as string)
  }

  /** It is something else now, or nothing. */
  drop(path: Path): void {
    this.#seen.delete(formatPath(path))
  }

  /** The same of all that lies in a directory. */
  dropBelow(path: Path): void {
    this.drop(path)
    const prefix = `${formatPath(path)}/`
    for (const key of this.#seen.keys()) if (key.startsWith(prefix)) this.#seen.delete(key)
  }

  /** What was seen of a file, or of all, may not be what is there. */
  doubt(path?: Path): void {
    this.#changes += 1
    for (const key of path === undefined ? [...this.#seen.keys()] : [formatPath(path)]) {
      const seen = this.#seen.get(key)
      if (seen !== undefined) this.#seen.set(key, { ...seen, isNewest: false })
    }
  }

  /** Others have changed a file, and whoever has it open here is told. */
  changed(path: Path): void {
    this.#changes += 1
    this.drop(path)
  }

  /** Others may have changed anything. */
  changedAll(): void {
    this.#changes += 1
    this.#seen.clear()
  }
}
