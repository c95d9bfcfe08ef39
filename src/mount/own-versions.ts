import { formatPath, type Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Clock } from '#platform/clock.ts'

const REMEMBERED_MAX = 100_000
/** A path that is changed here without end is taken for one that others change: the kernel then asks again. */
const LOOKS_MAX = 3
/** What is changed here holds up the word of what others change, so that one isn't taken for the other. Contents may take long. */
const MADE_WAIT_MS = 2_000
/** A directory moves entry by entry, and what is told of one of them isn't known by its old path any more afterwards. */
const MOVED_WAIT_MS = 30_000

/** What is at a path: a version, or nothing, since it was removed. */
export type Made = number | 'removed'

/** What this mount has made of each path, so that the feed's word of it is known: an eventual volume tells what is at a path at some time after the
 *  change. */
export class OwnVersions {
  readonly #clock: Pick<Clock, 'sleep'>
  readonly #look: (path: Path) => Promise<Made>
  /** By path. */
  readonly #made = new Map<string, Made>()
  /** By path, each with how long it is waited for, in ms. */
  readonly #underWay = new Map<string, Map<Promise<void>, number>>()

  /** `look` asks the node what is at a path. */
  constructor(clock: Pick<Clock, 'sleep'>, look: (path: Path) => Promise<Made>) {
    this.#clock = clock
    this.#look = look
  }

  /** Makes a change of a path that answers with its attributes. */
  make(path: Path, change: Promise<Attributes>): Promise<Attributes> {
    return this.#run([path], { change, waitMs: MADE_WAIT_MS }, ({ version }) => this.#remember(path, version))
  }

  remove(path: Path, change: Promise<void>): Promise<void> {
    return this.#run([path], { change, waitMs: MOVED_WAIT_MS }, () => this.#remember(path, 'removed'))
  }

  move(source: Path, target: Path, change: Promise<Attributes>): Promise<Attributes> {
    return this.#run([source, target], { change, waitMs: MOVED_WAIT_MS }, ({ version }) => {
      this.#remember(source, 'removed')
      this.#remember(target, version)
    })
  }

  /** Whether what the feed has told of a path is of what this mount has made of it; if not, others have made something else of it. The word may be
   *  older than what was made last: when they differ, the node is asked what is there now. Waits for what is being changed there and above it.
   *  @throws what `look` throws */
  async isOwn(path: Path, told: Made): Promise<boolean> {
    const key = formatPath(path)
    await this.#settled(path)
    let made = this.#made.get(key)
    let there = told
    for (let looks = 0; made !== undefined; looks += 1) {
      if (made === there) return true
      if (looks === LOOKS_MAX) break
      there = await this.#look(path)
      await this.#settled(path)
      const since = this.#made.get(key)
      if (since === made && since !== there) break
      made = since
    }
    // That it was removed here may not have been told yet, and would be taken for somebody else's word about what is there since then.
    if (made === 'removed' && there !== 'removed') this.#remember(path, there)
    else this.#made.delete(key)
    return false
  }

  /** Resolves when what is being changed at a path now, or above it, has been answered, or has taken too long. */
  async #settled(path: Path): Promise<void> {
    if (this.#underWay.size === 0) return
    const changes = [...path.keys()].map((at) => this.#underWay.get(formatPath(path.slice(0, at + 1))) ?? [])
    await Promise.all(changes.flatMap((of) => [...of]).map(([done, waitMs]) => this.#within(waitMs, done)))
  }

  async #within(waitMs: number, done: Promise<void>): Promise<void> {
    const enough = new AbortController()
    const late = this.#clock.sleep(waitMs, enough.signal).catch(() => undefined)
    await Promise.race([done, late])
    enough.abort()
  }

  async #run<T>(
    paths: readonly Path[],
    { change, waitMs }: { readonly change: Promise<T>; readonly waitMs: number },
    note: (made: T) => void,
  ): Promise<T> {
    const done = Promise.withResolvers<void>()
    const keys = paths.map(formatPath)
    for (const key of keys) this.#begin(key, done.promise, waitMs)
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

  #begin(key: string, done: Promise<void>, waitMs: number): void {
    const underWay = this.#underWay.get(key) ?? new Map<Promise<void>, number>()
    this.#underWay.set(key, underWay.set(done, waitMs))
  }

  #end(key: string, done: Promise<void>): void {
    const underWay = this.#underWay.get(key)
    underWay?.delete(done)
    if (underWay?.size === 0) this.#underWay.delete(key)
  }

  #remember(path: Path, made: Made): void {
    const key = formatPath(path)
    this.#made.delete(key)
    this.#made.set(key, made)
    if (this.#made.size > REMEMBERED_MAX) this.#made.delete(this.#made.keys().next().value as string)
  }
}
