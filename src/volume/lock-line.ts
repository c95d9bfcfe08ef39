import type { Awaited, FileLockChange } from '#metadata/file-locks.ts'
import type { FileLockKind } from '#metadata/lock-ranges.ts'

/** Whoever waits for longer than this may be served before those who came earlier, if nothing but them is in the way: two who each
 *  hold what the other waits for, by way of a third one in the line, would wait for ever. */
const IN_LINE_MS = 5_000
/** A place in the line is kept for whoever asks again by then. */
const ABSENT_MS_MAX = 10_000

/** What somebody waits for. */
export interface LockWait {
  /** Names the wait within its session. */
  readonly ticket: string
  readonly principal: string
  readonly change: FileLockChange & { readonly kind: FileLockKind }
}

export type WaitResult = { readonly state: 'done' | 'failed' | 'waiting'; readonly value?: unknown }

interface Place {
  readonly wait: LockWait
  readonly sinceMs: number
  /** Hears of the end of the wait; `undefined` while nobody asks. */
  hear: ((result: WaitResult) => void) | undefined
  absentSinceMs: number
}

/** Who waits for locks of one file, in the order in which they came. Pure: times are given. */
export class LockLine {
  #places: Place[] = []

  get size(): number {
    return this.#places.length
  }

  /** Gets into the line, or back to one's place in it. `hear` is called once, unless `leave` comes first. */
  enter(wait: LockWait, nowMs: number, hear: (result: WaitResult) => void): void {
    const there = this.#find(wait)
    if (there === undefined) {
      this.#places.push({ wait, sinceMs: nowMs, hear, absentSinceMs: nowMs })
      return
    }
    // Asked twice at once: the connection of the first one is gone.
    there.hear?.({ state: 'waiting' })
    there.hear = hear
  }

  /** Keeps the place, for a while. */
  stepAside(wait: LockWait, nowMs: number): void {
    const place = this.#find(wait)
    if (place === undefined) return
    place.hear = undefined
    place.absentSinceMs = nowMs
  }

  /** False if it wasn't in the line. */
  leave(wait: Pick<LockWait, 'ticket'> & { readonly change: { readonly session: string } }): boolean {
    const place = this.#find(wait)
    this.#places = this.#places.filter((other) => other !== place)
    return place !== undefined
  }

  /** Those who come before: everybody for whoever isn't in the line yet, nobody for whoever has waited for long. */
  ahead(wait: LockWait, nowMs: number): readonly Awaited[] {
    const place = this.#find(wait)
    if (place === undefined) return this.#places.map((other) => other.wait.change)
    if (nowMs - place.sinceMs >= IN_LINE_MS) return []
    return this.#places.slice(0, this.#places.indexOf(place)).map((other) => other.wait.change)
  }

  /** When `ahead` will be nobody. */
  patienceMs(wait: LockWait, nowMs: number): number {
    const place = this.#find(wait)
    return place === undefined ? 0 : Math.max(0, place.sinceMs + IN_LINE_MS - nowMs)
  }

  /** Those who are there to be served, the first one first. */
  present(): readonly LockWait[] {
    return this.#places.filter(({ hear }) => hear !== undefined).map(({ wait }) => wait)
  }

  /** Ends a wait, and tells the one who waits. */
  tell(wait: LockWait, result: WaitResult): void {
    const place = this.#find(wait)
    if (place === undefined) return
    this.leave(wait)
    place.hear?.(result)
  }

  /** Sends everybody away: they may ask again. */
  close(): void {
    const places = this.#places
    this.#places = []
    for (const place of places) place.hear?.({ state: 'waiting' })
  }

  /** Gives away the places of those who didn't come back, and of sessions that have ended. True if any was. */
  clear(nowMs: number, isEnded: (session: string) => boolean = () => false): boolean {
    const before = this.#places
    this.#places = before.filter(({ wait, hear, absentSinceMs }) => {
      const isGone = hear === undefined && nowMs - absentSinceMs > ABSENT_MS_MAX
      return !isGone && !(hear === undefined && isEnded(wait.change.session))
    })
    return this.#places.length < before.length
  }

  #find({ ticket, change }: Pick<LockWait, 'ticket'> & { readonly change: { readonly session: string } }): Place | undefined {
    return this.#places.find(({ wait }) => wait.ticket === ticket && wait.change.session === change.session)
  }
}
