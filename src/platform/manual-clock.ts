import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from './clock.ts'

interface Sleeper {
  readonly wakeAtMs: number
  wake(): void
}

/** A clock that stands still until it is told to move: tests and simulations decide what time it is. */
export class ManualClock implements Clock {
  #nowMs: number
  readonly #startMs: number
  readonly #sleepers = new Set<Sleeper>()

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs
    this.#startMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  nowNs(): bigint {
    return BigInt(this.#nowMs) * 1_000_000n
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        this.#sleepers.delete(sleeper)
        reject(new ShoalError('CANCELLED', 'The wait was cancelled'))
      }
      const sleeper: Sleeper = {
        wakeAtMs: this.#nowMs + delayMs,
        wake: () => {
          signal?.removeEventListener('abort', cancel)
          resolve()
        },
      }
      if (signal?.aborted) return cancel()
      signal?.addEventListener('abort', cancel, { once: true })
      this.#sleepers.add(sleeper)
    })
  }

  /** Moves time forward and wakes, in order, everything whose time has come. */
  advance(byMs: number): void {
    this.#nowMs += byMs
    const due = [...this.#sleepers].filter((sleeper) => sleeper.wakeAtMs <= this.#nowMs)
    due.sort((a, b) => a.wakeAtMs - b.wakeAtMs)
    for (const sleeper of due) {
      this.#sleepers.delete(sleeper)
      sleeper.wake()
    }
  }
}
