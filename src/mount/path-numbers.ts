import type { InodeId } from '#foundation/ids.ts'
import { formatPath, type Path } from '#foundation/path.ts'

/** Numbers that are made here lie where no volume will get to. */
const FIRST_NUMBER = 2 ** 52
/** As long as there are no more, nobody looks whether some of them are needed no more. */
const KEPT_MIN = 10_000

export interface Placed {
  readonly path: Path
  readonly isDirectory: boolean
}

export interface PathNumbersOptions {
  /** Where what is shown under a number is now: `undefined` if nothing is, `nowhere` if it lost its place. */
  readonly placeOf: (number: InodeId) => Path | 'nowhere' | undefined
  /** Under which number what lies at a path is shown, if it is. */
  readonly numberAt: (path: Path) => InodeId | undefined
  /** All that is shown and lies below a directory, by its path. */
  readonly shownBelow: (directory: Path) => Iterable<Placed & { readonly number: InodeId }>
}

/** Under which number what lies at a path is shown. An eventual volume's own numbers stand for paths; programs expect of a file that it keeps its
 *  number when it is renamed, and that another one that takes its place has another. So what is renamed takes its number along while it is shown, and what
 *  comes where the number of the path is in use gets one that is made here. */
export class PathNumbers {
  readonly #options: PathNumbersOptions
  readonly #byPath = new Map<string, InodeId>()
  readonly #byNumber = new Map<InodeId, string>()
  #last = FIRST_NUMBER
  #sweptSize = 0

  constructor(options: PathNumbersOptions) {
    this.#options = options
  }

  /** Of what is at a path, whose number the volume says. */
  of(placed: Placed, number: InodeId): InodeId {
    const key = keyOf(placed)
    const own = this.#byPath.get(key)
    if (own !== undefined) return own
    if (!this.#isElsewhere(number, placed)) return number
    this.#last += 1
    const made = this.#last as InodeId
    this.#put(key, made)
    return made
  }

  /** A file or directory has moved; what is shown in a directory moves with it. To be called while what is shown is still known by its old places. */
  move(from: Placed, to: Path): void {
    const number = this.#options.numberAt(from.path)
    const below = from.isDirectory ? [...this.#options.shownBelow(from.path)] : []
    this.gone(from)
    this.gone({ ...from, path: to })
    if (number !== undefined) this.#put(keyOf({ ...from, path: to }), number)
    for (const { path, isDirectory, number: inner } of below) {
      this.#drop(keyOf({ path, isDirectory }))
      this.#put(keyOf({ path: [...to, ...path.slice(from.path.length)], isDirectory }), inner)
    }
  }

  /** Nothing lies at the path any more. */
  gone(placed: Placed): void {
    this.#drop(keyOf(placed))
  }

  /** A number is shown no more. */
  forgotten(number: InodeId): void {
    const key = this.#byNumber.get(number)
    if (key !== undefined) this.#drop(key)
  }

  /** How many are kept. */
  get size(): number {
    return this.#byPath.size
  }

  #isElsewhere(number: InodeId, { path }: Placed): boolean {
    if (this.#byNumber.has(number)) return true
    const place = this.#options.placeOf(number)
    return place !== undefined && (place === 'nowhere' || formatPath(place) !== formatPath(path))
  }

  #put(key: string, number: InodeId): void {
    this.#drop(key)
    const before = this.#byNumber.get(number)
    if (before !== undefined) this.#byPath.delete(before)
    this.#byPath.set(key, number)
    this.#byNumber.set(number, key)
    if (this.#byPath.size > KEPT_MIN + 2 * this.#sweptSize) this.#sweep(key)
  }

  #drop(key: string): void {
    const number = this.#byPath.get(key)
    if (number === undefined) return
    this.#byPath.delete(key)
    this.#byNumber.delete(number)
  }

  /** Names that were listed and never looked up are not told to be forgotten. */
  #sweep(kept: string): void {
    for (const [key, number] of this.#byPath) if (key !== kept && this.#options.placeOf(number) === undefined) this.#drop(key)
    this.#sweptSize = this.#byPath.size
  }
}

function keyOf({ path, isDirectory }: Placed): string {
  return isDirectory ? `${formatPath(path)}/` : formatPath(path)
}
