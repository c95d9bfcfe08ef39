import type { Place } from './keys.ts'

/** What was heard often enough to be told no more, unless told otherwise: with feedback and a counter of 3 some 1 % of the nodes
 *  miss a rumour (Demers and others, "Epidemic algorithms for replicated database maintenance", 1987, table 1), and get it by
 *  anti-entropy. */
export const KNOWN_MAX = 3
/** Tellings of a rumour in all, also those that nobody answered: a node that is cut off stops, too. */
const TELLINGS_MAX = 40
/** Beyond it a rumour isn't taken up; anti-entropy brings it. */
const RUMOURS_MAX = 10_000

interface Rumour {
  readonly place: Place
  known: number
  tellings: number
}

/** What this node tells others about, the least recently told first: rumour mongering by push with feedback and a counter (Demers
 *  1987, section 1.4). It holds places, never states: what is told is what is there then. */
export class RumourPool {
  readonly #rumours = new Map<string, Rumour>()
  readonly #knownMax: number
  /** Not taken up for want of room, so far. */
  refused = 0

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

  /** There is news at a place. */
  add(place: Place): void {
    const name = nameOf(place)
    if (this.#rumours.size >= RUMOURS_MAX && !this.#rumours.has(name)) {
      this.refused += 1
      return
    }
    this.#rumours.delete(name)
    this.#rumours.set(name, { place, known: 0, tellings: 0 })
  }

  /** Up to `count` rumours, to be told to somebody now. */
  take(count: number): Place[] {
    const taken: Place[] = []
    for (const [name, rumour] of this.#rumours) {
      if (taken.length === count) break
      taken.push(rumour.place)
      // To the end of the order; the walk doesn't come to it again before the others.
      this.#rumours.delete(name)
      this.#rumours.set(name, rumour)
      if (taken.length === this.#rumours.size) break
    }
    return taken
  }

  /** Somebody was told: `known`, `news`, or there was no answer. @returns whether the rumour has died of it */
  told(place: Place, answer: 'known' | 'news' | 'none'): boolean {
    const rumour = this.#rumours.get(nameOf(place))
    if (rumour === undefined) return false
    rumour.tellings += 1
    if (answer === 'known') rumour.known += 1
    if (rumour.known < this.#knownMax && rumour.tellings < TELLINGS_MAX) return false
    this.#rumours.delete(nameOf(place))
    return true
  }
}

function nameOf({ volume, path }: Place): string {
  return `${volume}\0${path}`
}
