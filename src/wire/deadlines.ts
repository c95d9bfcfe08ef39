import type { Clock } from '#platform/clock.ts'

/** The longest that Node's timers can wait: 24 days. */
export const DELAY_MS_MAX = 2 ** 31 - 1

/** Tells of things whose time is over. One wait for all of them: most are done long before, and cost a map's entry. */
export class Deadlines<T> {
  readonly #clock: Clock
  readonly #expired: (thing: T) => void
  readonly #times = new Map<T, number>()
  #wait: { readonly untilMs: number; readonly abort: AbortController } | undefined

  constructor(clock: Clock, expired: (thing: T) => void) {
    this.#clock = clock
    this.#expired = expired
  }

  add(thing: T, delayMs: number): void {
    const atMs = this.#clock.monotonicMs() + Math.min(delayMs, DELAY_MS_MAX)
    this.#times.set(thing, atMs)
    if (this.#wait === undefined || atMs < this.#wait.untilMs) this.#waitUntil(atMs)
  }

  delete(thing: T): void {
    this.#times.delete(thing)
  }

  /** Forgets everything. */
  close(): void {
    this.#times.clear()
    this.#wait?.abort.abort()
    this.#wait = undefined
  }

  #waitUntil(untilMs: number): void {
    this.#wait?.abort.abort()
    const wait = { untilMs, abort: new AbortController() }
    this.#wait = wait
    this.#clock.sleep(Math.max(0, untilMs - this.#clock.monotonicMs()), wait.abort.signal).then(
      () => {
        if (this.#wait === wait) this.#look()
      },
      () => undefined,
    )
  }

  #look(): void {
    this.#wait = undefined
    const nowMs = this.#clock.monotonicMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const [thing, atMs] of this.#times) {
      // Timers may fire a fraction of a millisecond early.
      if (atMs - nowMs >= 1) nextMs = Math.min(nextMs, atMs)
      else if (this.#times.delete(thing)) this.#expired(thing)
    }
    if (this.#times.size > 0 && this.#wait === undefined && nextMs < Number.POSITIVE_INFINITY) this.#waitUntil(nextMs)
  }
}
