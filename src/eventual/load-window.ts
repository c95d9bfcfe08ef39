import type { Clock } from '#platform/clock.ts'

const WINDOW_MS = 250
/** 100 a second. */
const HIGH = 25

/** Counts what was done lately. */
export class LoadWindow {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #beganMs = 0
  #count = 0
  #before = 0

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  count(): void {
    this.#turn()
    this.#count += 1
  }

  get isHigh(): boolean {
    this.#turn()
    return Math.max(this.#count, this.#before) >= HIGH
  }

  #turn(): void {
    const nowMs = this.#clock.monotonicMs()
    const passedMs = nowMs - this.#beganMs
    if (passedMs < WINDOW_MS) return
    this.#before = passedMs < 2 * WINDOW_MS ? this.#count : 0
    this.#count = 0
    this.#beganMs = nowMs
  }
}
