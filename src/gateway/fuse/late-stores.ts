import type { Clock } from '#platform/clock.ts'

/** As long as a power failure may take from the journal, too. */
const COLLECTED_MS_MAX = 1_000

/** Sees to it that nothing is only collected for long: a program may write a line now and then to a file that it never closes. */
export class LateStores<T> {
  readonly #clock: Pick<Clock, 'sleep'>
  readonly #store: ((file: T) => Promise<void>) | undefined
  readonly #files = new Set<T>()
  readonly #collecting = new Set<T>()
  #isRunning = false

  /** What `store` rejects with, whoever closes the file hears of when it is tried again. Without it files are stored when they are closed: written through,
   *  each piece would be a version of its own, and a request. */
  constructor(clock: Pick<Clock, 'sleep'>, store: ((file: T) => Promise<void>) | undefined) {
    this.#clock = clock
    this.#store = store
  }

  /** Those of which something may not be stored. */
  get files(): readonly T[] {
    return [...this.#files]
  }

  closed(file: T): void {
    this.#files.delete(file)
  }

  /** Something was collected for a file, which is stored within a second or two of this. */
  collected(file: T): void {
    this.#files.add(file)
    if (this.#store === undefined) return
    this.#collecting.add(file)
    if (!this.#isRunning) void this.#run(this.#store)
  }

  async #run(store: (file: T) => Promise<void>): Promise<void> {
    this.#isRunning = true
    while (this.#collecting.size > 0) {
      const due = [...this.#collecting]
      this.#collecting.clear()
      await this.#clock.sleep(COLLECTED_MS_MAX)
      await Promise.allSettled(due.map((file) => store(file)))
    }
    this.#isRunning = false
  }
}
