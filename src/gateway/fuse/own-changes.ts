import type { InodeId } from '#foundation/ids.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Clock } from '#platform/clock.ts'
import type { Change } from '#volume/volume.ts'

/** The feed tells of a change soon after its answer, or has lost its way. */
const REMEMBERED_MS = 60_000
const REMEMBERED_MAX = 100_000

/** Changes of names are told apart from those of contents, which may take long. */
export type Changed = 'names' | 'contents'

/** What this mount has changed itself, so that the feed's word of it is known. The answer to a change and the feed give the same
 *  inode and the same nanosecond; renames and removals, which have no answer, are known by their paths. */
export class OwnChanges {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  readonly #made = new Map<string, number>()
  readonly #underWay = { names: new Set<Promise<void>>(), contents: new Set<Promise<void>>() }

  constructor(clock: Pick<Clock, 'monotonicMs' | 'sleep'>) {
    this.#clock = clock
  }

  /** Makes a change that answers with attributes. */
  async make(changed: Changed, change: Promise<Attributes>): Promise<Attributes> {
    return this.#run(changed, change, (made) => keyOf(made.inode, made.ctimeNs))
  }

  async remove(path: Path, change: Promise<void>): Promise<void> {
    return this.#run('names', change, () => `remove ${formatPath(path)}`)
  }

  async rename<T>(paths: readonly [source: Path, target: Path], change: Promise<T>): Promise<T> {
    return this.#run('names', change, () => `rename ${formatPath(paths[0])} ${formatPath(paths[1])}`)
  }

  /** Whether this mount made `change`. Each is known once. */
  knows({ kind, inode, timeNs, path, from = [] }: Change): boolean {
    if (kind === 'remove') return this.#made.delete(`remove ${formatPath(path)}`)
    if (kind === 'rename') return this.#made.delete(`rename ${formatPath(from)} ${formatPath(path)}`)
    return inode !== undefined && this.#made.delete(keyOf(inode, timeNs))
  }

  /** Resolves when what is being changed now has been answered, or after `waitMs`. */
  async settled(changed: Changed, waitMs: number): Promise<void> {
    const underWay = this.#underWay[changed]
    if (underWay.size === 0) return
    const enough = new AbortController()
    const late = this.#clock.sleep(waitMs, enough.signal).catch(() => undefined)
    await Promise.race([Promise.all(underWay), late])
    enough.abort()
  }

  async #run<T>(changed: Changed, change: Promise<T>, key: (made: T) => string): Promise<T> {
    const done = Promise.withResolvers<void>()
    const underWay = this.#underWay[changed]
    underWay.add(done.promise)
    try {
      const made = await change
      this.#remember(key(made))
      return made
    } finally {
      underWay.delete(done.promise)
      // After whoever has waited for the change has looked at its answer.
      void this.#clock.sleep(0).then(done.resolve, done.resolve)
    }
  }

  #remember(key: string): void {
    const nowMs = this.#clock.monotonicMs()
    this.#made.delete(key)
    this.#made.set(key, nowMs)
    for (const [oldest, atMs] of this.#made) {
      if (this.#made.size <= REMEMBERED_MAX && nowMs - atMs < REMEMBERED_MS) break
      this.#made.delete(oldest)
    }
  }
}

function keyOf(inode: InodeId, timeNs: bigint): string {
  return `${inode} ${timeNs}`
}
