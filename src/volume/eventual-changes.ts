import type { Place } from '#eventual/keys.ts'
import { nameOf } from '#eventual/listing.ts'
import { ShoalError } from '#foundation/errors.ts'
import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { nameOfSegment } from '#foundation/object-key.ts'
import type { Path } from '#foundation/path.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import { Bell } from './change-stream.ts'
import { directoryKey, numberOf } from './eventual-attributes.ts'
import { segmentsOf } from './eventual-listing.ts'
import type { FollowOptions } from './feed-questions.ts'
import type { Change, Volume } from './volume.ts'

/** Of how many changes it is remembered where they were; who falls further behind reads everything anew. */
const REMEMBERED_MAX = 65_536
const CHANGES_PER_READ = 500

export interface EventualChangesOptions {
  /** Has the watcher called after each change, with where something may be another now. */
  readonly watch: (watcher: (places: readonly Place[]) => void) => void
  /** @throws VOLUME_NOT_FOUND */
  readonly open: (volume: string) => Promise<Pick<Volume, 'stat'>>
  readonly clock: Pick<Clock, 'nowNs'>
  readonly random: Random
}

type Following = Omit<FollowOptions, 'volume'> & { readonly volume: string }

/** What changes in the eventual volumes of this node, in the order in which it hears of it. It remembers where something has changed, and looks at
 *  what is there when it is asked: of several changes at one path the last one may be told alone. A cursor is good for one life of one node, since
 *  another has heard of everything in another order. Nothing is remembered before somebody asks for the first time. */
export class EventualChanges {
  readonly #options: EventualChangesOptions
  readonly #bells = new Set<Bell>()
  readonly #life: string
  #isWatching = false
  #places: Place[] = []
  /** Number of the first of `#places`. */
  #first = 1

  constructor(options: EventualChangesOptions) {
    this.#options = options
    this.#life = options.random.bytes(8).toString('hex')
  }

  /** Behind the newest change. */
  currentCursor(): string {
    this.#watch()
    return this.#cursorAt(this.#next)
  }

  /** @throws CURSOR_TOO_OLD, VOLUME_NOT_FOUND, and what the volume throws */
  async *follow({ cursor, volume, follow = true, signal }: Following): AsyncGenerator<Change> {
    this.#watch()
    let from = cursor === undefined ? this.#next : this.#parse(cursor)
    const bell = new Bell()
    this.#bells.add(bell)
    const onAbort = () => bell.ring()
    signal?.addEventListener('abort', onAbort)
    try {
      while (signal?.aborted !== true) {
        bell.reset()
        if (from < this.#first) throw tooOld()
        const { changed, next } = this.#take(from, volume)
        for (const [key, number] of changed) yield* this.#describe(volume, key, this.#cursorAt(number + 1))
        if (next > from) from = next
        else if (follow) await bell.rung
        else return
      }
    } finally {
      this.#bells.delete(bell)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  get #next(): number {
    return this.#first + this.#places.length
  }

  #watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    this.#options.watch((places) => {
      for (const place of places) this.#places.push(place)
      // By halves, so that taking away the old ones costs little for each.
      if (this.#places.length > 2 * REMEMBERED_MAX) {
        const gone = this.#places.length - REMEMBERED_MAX
        this.#places = this.#places.slice(gone)
        this.#first += gone
      }
      for (const bell of this.#bells) bell.ring()
    })
  }

  /** Keys that have changed, each with the number of its last change, in their order. */
  #take(from: number, volume: string): { readonly changed: ReadonlyMap<string, number>; readonly next: number } {
    const changed = new Map<string, number>()
    let next = from
    for (; next < this.#next && changed.size < CHANGES_PER_READ; next += 1) {
      const place = this.#places[next - this.#first] as Place
      if (place.volume !== volume) continue
      changed.delete(place.path)
      changed.set(place.path, next)
    }
    return { changed, next }
  }

  async *#describe(name: string, bytes: string, cursor: string): AsyncGenerator<Change> {
    const volume = await this.#options.open(name)
    const key = nameOf(bytes)
    const path = segmentsOf(key).map(nameOfSegment)
    const common = { cursor, volume: name, principal: '', from: undefined }
    const parentOf = (of: Path): InodeId => (of.length === 1 ? ROOT_INODE : inodeOf(name, directoryKey(of.slice(0, -1))))
    const told = (of: Path, there: Attributes): Change => {
      const { inode, type, ctimeNs: timeNs } = there
      return { ...common, kind: 'write', timeNs, inode, parent: parentOf(of), type, path: of, etag: entityTag(there) }
    }
    const there = await volume.stat(path)
    if (there !== undefined) {
      yield told(path, there)
      return
    }
    const gone = { ...common, kind: 'remove', timeNs: this.#options.clock.nowNs() } as const
    const type = key.endsWith('/') ? ('directory' as const) : undefined
    yield { ...gone, inode: inodeOf(name, key), parent: parentOf(path), type, path }
    // Directories that were there only because of it are gone with it, and a file of that name shows again.
    for (let above = path.slice(0, -1); above.length > 0; above = above.slice(0, -1)) {
      const left = await volume.stat(above)
      if (left?.type === 'directory') return
      if (left !== undefined) {
        yield told(above, left)
        return
      }
      yield { ...gone, inode: inodeOf(name, directoryKey(above)), parent: parentOf(above), type: 'directory', path: above }
    }
  }

  #cursorAt(number: number): string {
    return `${this.#life}-${number}`
  }

  #parse(cursor: string): number {
    const [life, number] = cursor.split('-')
    const at = Number(number)
    if (life !== this.#life || !Number.isSafeInteger(at) || at < 1 || at > this.#next) throw tooOld()
    return at
  }
}

function inodeOf(volume: string, key: string): InodeId {
  return numberOf(`${volume}\0${key}`) as InodeId
}

function tooOld(): ShoalError {
  return new ShoalError(
    'CURSOR_TOO_OLD',
    'This node knows no changes from there on: the cursor is of another node, or of before a restart, or too far behind. Read everything anew, then follow without one',
  )
}
