import type { Clock } from '#platform/clock.ts'
import type { KeepAwake } from '#platform/keep-awake.ts'

/** So many requests within that time are those of programs that ask for one thing after another: 8,000 a second. */
const BEGIN_REQUESTS = 512
const BEGIN_MS = 64
/** They go on while half as many come. */
const STAY_REQUESTS = 400
const STAY_MS = 100

export interface BusyTimesOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  readonly keepAwake: KeepAwake
}

/** Keeps processors awake while programs ask for one thing after another. Each answer wakes up who waits for it, mostly on a processor that
 *  has nothing else to do, and one that has gone to sleep takes longer to wake up, in a virtual machine above all, than most requests take. */
export class BusyTimes {
  readonly #options: BusyTimesOptions
  #requests = 0
  #sinceMs: number
  #release: (() => void) | undefined
  #isOver = false

  constructor(options: BusyTimesOptions) {
    this.#options = options
    this.#sinceMs = options.clock.monotonicMs()
  }

  /** So many more were answered. */
  served(requests: number): void {
    this.#requests += requests
    if (this.#release !== undefined || this.#requests < BEGIN_REQUESTS || this.#isOver) return
    const nowMs = this.#options.clock.monotonicMs()
    const tookMs = nowMs - this.#sinceMs
    this.#begin(nowMs)
    if (tookMs > BEGIN_MS) return
    this.#release = this.#options.keepAwake()
    if (this.#release === undefined) this.#isOver = true
    else void this.#endWhenCalm()
  }

  /** For good. Repeating it is harmless. */
  end(): void {
    this.#isOver = true
    this.#calm()
  }

  async #endWhenCalm(): Promise<void> {
    const { clock } = this.#options
    while (this.#release !== undefined) {
      this.#begin(clock.monotonicMs())
      await clock.sleep(STAY_MS)
      if (this.#requests < STAY_REQUESTS) this.#calm()
    }
  }

  #begin(nowMs: number): void {
    this.#requests = 0
    this.#sinceMs = nowMs
  }

  #calm(): void {
    this.#release?.()
    this.#release = undefined
  }
}
