/** Runs at most `limit` tasks at once. Tasks don't reject: they report on their own. */
export class TaskPool {
  readonly #limit: number
  readonly #running = new Set<Promise<void>>()
  #wake: (() => void) | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Starts `task` as soon as there is room: awaiting this is what keeps a producer from running ahead. */
  start(task: () => Promise<void>): Promise<void> | undefined {
    if (this.#running.size < this.#limit) {
      this.#run(task)
      return undefined
    }
    return this.#startLater(task)
  }

  /** Resolves when no task is left. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  async #startLater(task: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#run(task)
  }

  #run(task: () => Promise<void>): void {
    const running = task().finally(() => {
      this.#running.delete(running)
      this.#wake?.()
    })
    this.#running.add(running)
  }
}
