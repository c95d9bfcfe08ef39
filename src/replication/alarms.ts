import type { Clock } from '#platform/clock.ts'

/** Alarms go off up to so much late, and those of one tick together. */
const TICK_MS = 4

interface Alarm {
  ring(): void
}

/** Many waits that mostly end before their time: reads and writes take one or two each. One sleep serves them all, and to call
 *  one off costs next to nothing, which can't be said of a sleep that is cancelled by a signal (some 20 µs). */
export class Alarms {
  readonly #clock: Clock
  readonly #ticks = new Map<number, Set<Alarm>>()
  /** The tick that is slept for; sleeps for later ones may be under way besides, and then do nothing. */
  #next = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `ring` after `delayMs`, unless the function that is returned is called before. */
  set(delayMs: number, ring: () => void): () => void {
    const tick = Math.ceil((this.#clock.monotonicMs() + delayMs) / TICK_MS)
    const alarm: Alarm = { ring }
    const alarms = this.#ticks.get(tick) ?? new Set()
    this.#ticks.set(tick, alarms.add(alarm))
    if (tick < this.#next) this.#sleepUntil(tick)
    return () => {
      alarms.delete(alarm)
      if (alarms.size === 0 && tick !== this.#next) this.#ticks.delete(tick)
    }
  }

  #sleepUntil(tick: number): void {
    this.#next = tick
    void this.#clock.sleep(Math.max(0, tick * TICK_MS - this.#clock.monotonicMs())).then(() => {
      if (this.#next === tick) this.#ringDue()
    })
  }

  #ringDue(): void {
    const now = Math.floor(this.#clock.monotonicMs() / TICK_MS)
    this.#next = Number.POSITIVE_INFINITY
    const due = [...this.#ticks].filter(([tick]) => tick <= now).toSorted(([a], [b]) => a - b)
    for (const [tick] of due) this.#ticks.delete(tick)
    for (const [, alarms] of due) for (const alarm of alarms) alarm.ring()
    const earliest = Math.min(this.#next, ...this.#ticks.keys())
    if (earliest < this.#next) this.#sleepUntil(earliest)
  }
}
