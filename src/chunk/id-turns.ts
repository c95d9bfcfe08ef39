import type { ChunkId } from '#foundation/ids.ts'

/** Lets changes of one chunk happen one after another, in the order in which they were asked for; changes of different
 *  chunks don't wait for each other. */
export class IdTurns {
  readonly #last = new Map<ChunkId, Promise<unknown>>()

  get idle(): boolean {
    return this.#last.size === 0
  }

  isBusy(id: ChunkId): boolean {
    return this.#last.has(id)
  }

  run<T>(id: ChunkId, change: () => Promise<T>): Promise<T> {
    const before = this.#last.get(id)
    const turn = before === undefined ? change() : before.then(change, change)
    this.#last.set(id, turn)
    const end = (): void => {
      if (this.#last.get(id) === turn) this.#last.delete(id)
    }
    turn.then(end, end)
    return turn
  }

  /** Resolves once nothing is under way. */
  async settle(): Promise<void> {
    while (this.#last.size > 0) await Promise.allSettled(this.#last.values())
  }
}
