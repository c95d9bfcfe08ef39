import type { ChunkId } from '#foundation/ids.ts'

/** 100,000 requests take some 20 MB. What doesn't fit in is found by the next comparison of what is with what should be. */
const WAITING_MAX = 100_000

/** A chunk that may lack copies. */
export interface RepairRequest {
  readonly chunk: ChunkId
  /** Intact copies that are known of: the fewer, the sooner it is its turn. */
  readonly copies: number
}

export interface RepairQueueOptions {
  readonly waitingMax?: number
}

/** Chunks that wait for a repair, each once, the one with the fewest copies first, and among those the one that has waited
 *  longest. In memory only: a repair that is forgotten is found again. */
export class RepairQueue {
  readonly #waitingMax: number
  readonly #copiesOf = new Map<ChunkId, number>()
  /** By number of copies. */
  readonly #waiting: Set<ChunkId>[] = []
  #deferred = 0

  constructor({ waitingMax = WAITING_MAX }: RepairQueueOptions = {}) {
    this.#waitingMax = waitingMax
  }

  get size(): number {
    return this.#copiesOf.size
  }

  /** How many found no place. */
  get deferred(): number {
    return this.#deferred
  }

  /** Of the next one; `undefined` if none waits. */
  get fewestCopies(): number | undefined {
    const fewest = this.#waiting.findIndex((chunks) => chunks !== undefined && chunks.size > 0)
    return fewest < 0 ? undefined : fewest
  }

  /** Adds a request, or brings one for the same chunk forward. When the queue is full the one with the most copies has to go.
   *  False if that is the one offered. */
  offer({ chunk, copies }: RepairRequest): boolean {
    const known = this.#copiesOf.get(chunk)
    if (known !== undefined && known <= copies) return true
    if (known === undefined && this.size >= this.#waitingMax) {
      this.#deferred += 1
      const most = this.#waiting.findLastIndex((chunks) => chunks !== undefined && chunks.size > 0)
      const evicted = this.#waiting[most]?.values().next().value
      if (evicted === undefined || most <= copies) return false
      this.#remove(evicted, most)
    }
    if (known !== undefined) this.#remove(chunk, known)
    this.#copiesOf.set(chunk, copies)
    const chunks = (this.#waiting[copies] ??= new Set())
    chunks.add(chunk)
    return true
  }

  /** Removes the next one. */
  take(): RepairRequest | undefined {
    for (const [copies, chunks] of this.#waiting.entries()) {
      const chunk = chunks?.values().next().value
      if (chunk === undefined) continue
      this.#remove(chunk, copies)
      return { chunk, copies }
    }
    return undefined
  }

  #remove(chunk: ChunkId, copies: number): void {
    this.#copiesOf.delete(chunk)
    this.#waiting[copies]?.delete(chunk)
  }
}
