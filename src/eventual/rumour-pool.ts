import type { NodeId } from '#foundation/ids.ts'
import type { Place } from './keys.ts'

/** What was heard often enough to be told no more, unless told otherwise: with feedback and a counter of 3 some 1 % of the nodes
 *  miss a rumour (Demers and others, "Epidemic algorithms for replicated database maintenance", 1987, table 1), and get it by
 *  anti-entropy. */
export const KNOWN_MAX = 3
/** Tellings of a rumour in all, also those that nobody answered: a node that is cut off stops, too. */
const TELLINGS_MAX = 40
/** Beyond it a rumour isn't taken up; anti-entropy brings it. */
const RUMOURS_MAX = 10_000
/** Beyond it nothing is taken up that came by anti-entropy: who catches up with a lot would tell it to those who do the same. */
const CAUGHT_UP_MAX = 256

export interface News {
  readonly place: Place
  /** Who is known to have it. */
  readonly heardBy?: readonly NodeId[]
  readonly by?: CameBy
  /** It is this node's own, and noted on its disk. */
  readonly isOwn?: boolean
}

export interface Rumour {
  readonly place: Place
  readonly isOwn: boolean
  /** The how many-th it was. */
  readonly number: number
  known: number
  tellings: number
  /** Who is known to have heard it. */
  readonly heardBy: Set<NodeId>
}

/** How news came to a node. */
export type CameBy = 'rumour' | 'exchange'

/** What this node tells others about, the least recently told first: rumour mongering by push with feedback and a counter (Demers
 *  1987, section 1.4), to nobody who is known to have heard it. It holds places, never states: what is told is what is there then. */
export class RumourPool {
  readonly #rumours = new Map<string, Rumour>()
  readonly #knownMax: number
  /** Not taken up for want of room, so far. */
  refused = 0
  /** Of the rumour that was taken up last. */
  lastNumber = 0

  constructor(knownMax: number = KNOWN_MAX) {
    this.#knownMax = knownMax
  }

  get size(): number {
    return this.#rumours.size
  }

  get hasRoom(): boolean {
    return this.#rumours.size < RUMOURS_MAX
  }

  has(place: Place): boolean {
    return this.#rumours.has(nameOf(place))
  }

  add({ place, heardBy, by = 'rumour', isOwn = false }: News): void {
    const name = nameOf(place)
    if (this.#rumours.size >= (by === 'rumour' ? RUMOURS_MAX : CAUGHT_UP_MAX) && !this.#rumours.has(name)) {
      this.refused += 1
      return
    }
    const before = this.#rumours.get(name)
    this.#rumours.delete(name)
    this.#rumours.set(name, {
      place,
      number: (this.lastNumber += 1),
      isOwn: isOwn || before?.isOwn === true,
      known: 0,
      tellings: 0,
      heardBy: new Set(heardBy),
    })
  }

  /** Up to `count` rumours that `target` isn't known to have heard, to be told to it now. */
  take(target: NodeId, count: number): Rumour[] {
    const taken: Rumour[] = []
    for (const rumour of this.#rumours.values()) {
      if (taken.length === count) break
      if (!rumour.heardBy.has(target)) taken.push(rumour)
    }
    // To the end of the order.
    for (const rumour of taken) {
      const name = nameOf(rumour.place)
      this.#rumours.delete(name)
      this.#rumours.set(name, rumour)
    }
    return taken
  }

  /** `target` was told: `known`, `news`, or there was no answer. What has become news again since is another rumour.
   *  @returns whether the rumour has died of it */
  told(rumour: Rumour, answer: 'known' | 'news' | 'none', target: NodeId): boolean {
    const name = nameOf(rumour.place)
    if (this.#rumours.get(name) !== rumour) return false
    rumour.tellings += 1
    if (answer === 'known') rumour.known += 1
    if (answer !== 'none') rumour.heardBy.add(target)
    if (rumour.known < this.#knownMax && rumour.tellings < TELLINGS_MAX) return false
    this.#rumours.delete(name)
    return true
  }

  /** A node has everything that was news here when `lastNumber` was that. */
  caughtUp(node: NodeId, lastNumber: number): void {
    for (const { number, heardBy } of this.#rumours.values()) if (number <= lastNumber) heardBy.add(node)
  }

  /** Takes away what all of `others` have heard, of whom there has to be one. */
  dropHeard(others: readonly NodeId[]): Rumour[] {
    if (others.length === 0) return []
    const dropped: Rumour[] = []
    for (const [name, rumour] of this.#rumours) {
      if (rumour.heardBy.size < others.length || !others.every((id) => rumour.heardBy.has(id))) continue
      this.#rumours.delete(name)
      dropped.push(rumour)
    }
    return dropped
  }
}

function nameOf({ volume, path }: Place): string {
  return `${volume}\0${path}`
}
