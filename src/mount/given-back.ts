import type { Clock } from '#platform/clock.ts'

/** With so many inodes go some ten megabytes. */
const WORTH_INODES = 20_000
/** Collecting garbage holds everything up for a moment: it isn't done in the middle of something. */
const QUIET_MS = 2_000

export interface GivenBackOptions {
  readonly clock: Pick<Clock, 'sleep'>
  /** Collects garbage. */
  readonly collect: () => void
}

/** Gives memory back when the kernel has forgotten many inodes and is through with it: a process that has nothing to do never collects
 *  its garbage. */
export class GivenBack {
  readonly #options: GivenBackOptions
  #count = 0
  #isWaiting = false

  constructor(options: GivenBackOptions) {
    this.#options = options
  }

  /** An inode was let go of. */
  forgotten(): void {
    this.#count += 1
    if (this.#isWaiting || this.#count < WORTH_INODES) return
    this.#isWaiting = true
    void this.#collectWhenQuiet()
  }

  async #collectWhenQuiet(): Promise<void> {
    const { clock, collect } = this.#options
    for (let seen = 0; seen !== this.#count;) {
      seen = this.#count
      await clock.sleep(QUIET_MS)
    }
    this.#count = 0
    this.#isWaiting = false
    collect()
  }
}
