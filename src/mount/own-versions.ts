import { formatPath, type Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Clock } from '#platform/clock.ts'

const REMEMBERED_MAX = 100_000

/** What this mount has made of each path, so that the feed's word of it is known: an eventual volume tells what is at a path now. */
export class OwnVersions {
  readonly #clock: Pick<Clock, 'sleep'>
  /** By path, the version, or that it was removed. */
  readonly #made = new Map<string, number | 'removed'>()
  /** By path. */
  readonly #underWay = new Map<string, Set<Promise<void>>>()

  constructor(clock: Pick<Clock, 'sleep'>) {
    this.#clock = clock
  }

  /** Makes a change of a path that answers with its attributes. */
  make(path: Path, change: Promise<Attributes>): Promise<Attributes> {
    return this.#run([path], change, ({ version }) => this.#remember(path, version))
  }

  remove(path: Path, change: Promise<void>): Promise<void> {
    return this.#run([path], change, () => this.#remember(path, 'removed'))
  }

  move(source: Path, target: Path, change: Promise<Attributes>): Promise<Attributes> {
    return this.#run([source, target], change, ({ version }) => {
      this.#remember(source, 'removed')
      this.#remember(target, version)
    })
  }

  /** Whether what is at a path now is what this mount has made of it. If not, others have made something else of it. */
  isOwn(path: Path, version: number | 'removed'): boolean {
    const key = formatPath(path)
    if (this.#made.get(key) === version) return true
    this.#made.delete(key)
    return false
  }

  /** Resolves when what is being changed at a path now has been answered, or after `waitMs`. */
  async settled(path: Path, waitMs: number): Promise<void> {
    const underWay = this.#underWay.get(formatPath(path))
    if (underWay === undefined) return
    const enough = new AbortController()
    const late = this.#clock.sleep(waitMs, enough.signal).catch(() => undefined)
    await Promise.race([Promise.all(underWay), late])
    enough.abort()
  }

  async #run<T>(paths: readonly Path[], change: Promise<T>, note: (made: T) => void): Promise<T> {
    const done = Promise.withResolvers<void>()
    const keys = paths.map(formatPath)
    for (const key of keys) this.#begin(key, done.promise)
    try {
      const made = await change
      note(made)
      return made
    } finally {
      for (const key of keys) this.#end(key, done.promise)
      // After whoever has waited for the change has looked at its answer.
      void this.#clock.sleep(0).then(done.resolve, done.resolve)
    }
  }

  #begin(key: string, done: Promise<void>): void {
    const underWay = this.#underWay.get(key)
    if (underWay === undefined) this.#underWay.set(key, new Set([done]))
    else underWay.add(done)
  }

  #end(key: string, done: Promise<void>): void {
    const underWay = this.#underWay.get(key)
    underWay?.delete(done)
    if (underWay?.size === 0) this.#underWay.delete(key)
  }

  #remember(path: Path, made: number | 'removed'): void {
    const key = formatPath(path)
    this.#made.delete(key)
    this.#made.set(key, made)
    if (this.#made.size > REMEMBERED_MAX) this.#made.delete(this.#made.keys().next().value as string)
  }
}
