import type { Clock } from '#platform/clock.ts'

/** A node's own clock: it goes at another pace than that of the world, and its time of day jumps. */
export class NodeTime implements Clock {
  readonly #world: Clock
  /** Thousandths that it is faster by. */
  readonly #drift: number
  #jumpMs = 0

  constructor(world: Clock, drift: number) {
    this.#world = world
    this.#drift = drift
  }

  /** As a clock that is set anew; no interval is longer or shorter by it. */
  jump(byMs: number): void {
    this.#jumpMs += byMs
  }

  nowMs(): number {
    return Math.floor(this.#world.nowMs() + this.#jumpMs)
  }

  nowNs(): bigint {
    return BigInt(this.nowMs()) * 1_000_000n
  }

  monotonicMs(): number {
    return this.#world.monotonicMs() * (1 + this.#drift / 1_000)
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.#world.sleep(delayMs / (1 + this.#drift / 1_000), signal)
  }
}
