import type { InodeId } from '#foundation/ids.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Clock } from '#platform/clock.ts'
import type { Change } from '#volume/volume.ts'

/** The feed tells of a change soon after its answer, or has lost its way. */
const REMEMBERED_MS = 60_000
const REMEMBERED_MAX = 100_000
/** How long a change may take of which the feed has told already. */
const ITSELF_MS_MAX = 30_000

/** Changes of names are told apart from those of contents, which may take long. */
export type Changed = 'names' | 'contents'

/** What became of changes that were made in one request. */
export interface MadeAtOnce {
  readonly made: readonly Pick<Attributes, 'inode' | 'ctimeNs'>[]
  readonly removed: readonly Path[]
}

/** How the feed will tell of a change. */
interface Book<T> {
  readonly changed: readonly Changed[]
  readonly keys: (made: T) => readonly string[]
}

/** What this mount has changed itself, so that the feed's word of it is known. The answer to a change and the feed give the same
 *  inode and the same nanosecond; renames and removals, which have no answer, are known by their paths. */
export class OwnChanges {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  /** How often each was made and not told of yet, and when last. The oldest first. */
  readonly #made = new Map<string, { readonly times: number; readonly atMs: number }>()
  readonly #underWay = { names: new Set<Promise<void>>(), contents: new Set<Promise<void>>() }
  /** Removals and renames under way, of which it is known how the feed will tell of them. */
  readonly #expected = new Map<string, Promise<void>>()
  #timer: { readonly untilMs: number; readonly over: Promise<void> } | undefined

  constructor(clock: Pick<Clock, 'monotonicMs' | 'sleep'>) {
    this.#clock = clock
  }

  /** Makes a change that answers with attributes. */
  async make(changed: Changed, change: Promise<Attributes>): Promise<Attributes> {
    return this.#run(change, { changed: [changed], keys: (made) => [keyOf(made.inode, made.ctimeNs)] })
  }

  async remove(path: Path, change: Promise<void>): Promise<void> {
    const keys = [removalKey(path)]
    return this.#expect(keys, change, { changed: ['names'], keys: () => keys })
  }

  async rename<T>(paths: readonly [source: Path, target: Path], change: Promise<T>): Promise<T> {
    const keys = [renameKey(...paths)]
    return this.#expect(keys, change, { changed: ['names'], keys: () => keys })
  }

  /** Makes many changes of names in one request, `removals` among them, which tells what it has made and removed. With `ofContents` there are
   *  some of contents or attributes, too. */
  async makeAll(removals: readonly Path[], change: Promise<MadeAtOnce>, ofContents = false): Promise<MadeAtOnce> {
    const keys = ({ made, removed }: MadeAtOnce): readonly string[] => [
      ...made.map(({ inode, ctimeNs }) => keyOf(inode, ctimeNs)),
      ...removed.map(removalKey),
    ]
    return this.#expect(removals.map(removalKey), change, { changed: ofContents ? ['names', 'contents'] : ['names'], keys })
  }

  /** Whether this mount made `change`. Each is known as often as it was made: a program may remove the same name again before the feed
   *  tells that it was removed. */
  knows(change: Change): boolean {
    const key = keyOfChange(change)
    const made = key === undefined ? undefined : this.#made.get(key)
    if (key === undefined || made === undefined) return false
    if (made.times === 1) this.#made.delete(key)
    else this.#made.set(key, { ...made, times: made.times - 1 })
    return true
  }

  /** Resolves when what is being changed now has been answered, or after `waitMs`; what looks like `change` itself is waited for
   *  longer. */
  async settled(changed: Changed, waitMs: number, change: Change): Promise<void> {
    const underWay = this.#underWay[changed]
    if (underWay.size > 0) await this.#within(waitMs, Promise.all(underWay))
    const itself = this.#expected.get(keyOfChange(change) ?? '')
    if (itself !== undefined) await this.#within(ITSELF_MS_MAX, itself)
  }

  async #within(waitMs: number, done: Promise<unknown>): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + waitMs
    let isDone = false
    const over = done.then(() => {
      isDone = true
    })
    while (!isDone && this.#clock.monotonicMs() < untilMs) await Promise.race([over, this.#sleep(untilMs)])
  }

  /** Until then at most: those who wait at the same time share one timer, which runs out. To call off one for each of many changes would
   *  take longer than to judge them. */
  #sleep(untilMs: number): Promise<void> {
    if (this.#timer !== undefined && this.#timer.untilMs <= untilMs) return this.#timer.over
    const over = this.#clock.sleep(untilMs - this.#clock.monotonicMs()).then(() => {
      if (this.#timer === timer) this.#timer = undefined
    })
    const timer = { untilMs, over }
    this.#timer = timer
    return over
  }

  async #expect<T>(expected: readonly string[], change: Promise<T>, book: Book<T>): Promise<T> {
    const done = Promise.withResolvers<void>()
    for (const key of expected) this.#expected.set(key, done.promise)
    try {
      return await this.#run(change, book)
    } finally {
      for (const key of expected) if (this.#expected.get(key) === done.promise) this.#expected.delete(key)
      done.resolve()
    }
  }

  async #run<T>(change: Promise<T>, { changed, keys }: Book<T>): Promise<T> {
    const done = Promise.withResolvers<void>()
    for (const kind of changed) this.#underWay[kind].add(done.promise)
    try {
      const made = await change
      for (const key of keys(made)) this.#remember(key)
      return made
    } finally {
      for (const kind of changed) this.#underWay[kind].delete(done.promise)
      // After whoever has waited for the change has looked at its answer.
      void this.#clock.sleep(0).then(done.resolve, done.resolve)
    }
  }

  #remember(key: string): void {
    const nowMs = this.#clock.monotonicMs()
    const times = this.#made.get(key)?.times ?? 0
    this.#made.delete(key)
    this.#made.set(key, { times: times + 1, atMs: nowMs })
    for (const [oldest, { atMs }] of this.#made) {
      if (this.#made.size <= REMEMBERED_MAX && nowMs - atMs < REMEMBERED_MS) break
      this.#made.delete(oldest)
    }
  }
}

function keyOfChange({ kind, inode, timeNs, path, from = [] }: Change): string | undefined {
  if (kind === 'remove') return removalKey(path)
  if (kind === 'rename') return renameKey(from, path)
  return inode === undefined ? undefined : keyOf(inode, timeNs)
}

function removalKey(path: Path): string {
  return `remove ${formatPath(path)}`
}

function renameKey(source: Path, target: Path): string {
  return `rename ${formatPath(source)} ${formatPath(target)}`
}

function keyOf(inode: InodeId, timeNs: bigint): string {
  return `${inode} ${timeNs}`
}
