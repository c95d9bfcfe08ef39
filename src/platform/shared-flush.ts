interface Round {
  running: Promise<void>
  next: Promise<void> | undefined
}

/** Lets callers that want the same thing flushed at the same time share the work. A caller never shares a flush that
 *  began before it asked: it waits for that one to end and shares the next with everybody who came meanwhile. */
export class SharedFlush {
  readonly #flush: (key: string) => Promise<void>
  readonly #rounds = new Map<string, Round>()

  constructor(flush: (key: string) => Promise<void>) {
    this.#flush = flush
  }

  flush(key: string): Promise<void> {
    const round = this.#rounds.get(key)
    if (round === undefined) return this.#begin(key)
    round.next ??= round.running.then(
      () => this.#begin(key),
      () => this.#begin(key),
    )
    return round.next
  }

  #begin(key: string): Promise<void> {
    const round: Round = { running: this.#flush(key), next: undefined }
    this.#rounds.set(key, round)
    const end = (): void => {
      if (round.next === undefined) this.#rounds.delete(key)
    }
    round.running.then(end, end)
    return round.running
  }
}
