import type { Clock } from '#platform/clock.ts'

/** What was begun and has not ended, for whoever has to wait for its end. */
export class UnderWay {
  readonly #open = new Set<() => void>()
  #idle = Promise.withResolvers<void>()

  get size(): number {
    return this.#open.size
  }

  /** @param cut ends it early @returns what is to be called at its end; repeating that is harmless */
  begin(cut: () => void = () => {}): () => void {
    // The same function may be given twice.
    const own = (): void => cut()
    this.#open.add(own)
    return () => {
      if (this.#open.delete(own) && this.#open.size === 0) this.#idle.resolve()
    }
  }

  /** Resolves when all has ended, after `withinMs` at the latest. @returns whether it has */
  async ended({ clock, withinMs }: { readonly clock: Clock; readonly withinMs: number }): Promise<boolean> {
    if (this.#open.size === 0) return true
    this.#idle = Promise.withResolvers()
    const inTime = new AbortController()
    const late = clock.sleep(withinMs, inTime.signal).catch(() => {})
    await Promise.race([this.#idle.promise, late])
    inTime.abort()
    return this.#open.size === 0
  }

  /** Ends all of it early. */
  cut(): void {
    for (const cut of [...this.#open]) cut()
  }
}
