import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from './clock.ts'

interface Sleeper {
  readonly wakeAtMs: number
  /** Of two that are due at the same time the first that went to sleep wakes first. */
  readonly number: number
  /** `undefined` once it was cancelled. */
  wake: (() => void) | undefined
}

/** Cancelled sleepers lie in the queue until their time comes; past so many, and half of all, it is cleared of them. */
const CANCELLED_MAX = 64

/** A clock that stands still until it is told to move: tests and simulations decide what time it is. */
export class ManualClock implements Clock {
  #nowMs: number
  readonly #startMs: number
  /** A binary heap: nobody in it is due before whoever stands at half the place. */
  #queue: Sleeper[] = []
  #sleeps = 0
  #cancelled = 0

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
      if (signal?.aborted === true) return reject(cancelled())
      const sleeper: Sleeper = { wakeAtMs: this.#nowMs + delayMs, number: (this.#sleeps += 1), wake: resolve }
      if (signal !== undefined) {
        const cancel = (): void => {
          this.#forget(sleeper)
          reject(cancelled())
        }
        sleeper.wake = () => {
          signal.removeEventListener('abort', cancel)
          resolve()
        }
        signal.addEventListener('abort', cancel, { once: true })
      }
      this.#queue.push(sleeper)
      rise(this.#queue, this.#queue.length - 1)
    })
  }

  /** Moves time forward and wakes, in order, everything whose time has come. */
  advance(byMs: number): void {
    this.#nowMs += byMs
    for (let first = this.#queue[0]; first !== undefined && first.wakeAtMs <= this.#nowMs; first = this.#queue[0]) {
      this.#removeFirst(first)
      if (first.wake === undefined) this.#cancelled -= 1
      else first.wake()
    }
  }

  #removeFirst(first: Sleeper): void {
    const last = this.#queue.pop() as Sleeper
    if (last === first) return
    this.#queue[0] = last
    sink(this.#queue, 0)
  }

  #forget(sleeper: Sleeper): void {
    sleeper.wake = undefined
    this.#cancelled += 1
    if (this.#cancelled <= CANCELLED_MAX || this.#cancelled * 2 <= this.#queue.length) return
    this.#queue = this.#queue.filter(({ wake }) => wake !== undefined)
    this.#cancelled = 0
    for (let at = (this.#queue.length >> 1) - 1; at >= 0; at -= 1) sink(this.#queue, at)
  }
}

function cancelled(): ShoalError {
  return new ShoalError('CANCELLED', 'The wait was cancelled')
}

function isBefore(a: Sleeper, b: Sleeper): boolean {
  return a.wakeAtMs < b.wakeAtMs || (a.wakeAtMs === b.wakeAtMs && a.number < b.number)
}

/** Moves who stands at that place up to where it belongs. */
function rise(queue: Sleeper[], from: number): void {
  const rising = queue[from] as Sleeper
  let at = from
  for (let above = (at - 1) >> 1; at > 0 && isBefore(rising, queue[above] as Sleeper); above = (at - 1) >> 1) {
    queue[at] = queue[above] as Sleeper
    at = above
  }
  queue[at] = rising
}

/** Moves who stands at that place down to where it belongs. */
function sink(queue: Sleeper[], from: number): void {
  const sinking = queue[from] as Sleeper
  let at = from
  for (;;) {
    let below = 2 * at + 1
    const [left, right] = [queue[below], queue[below + 1]]
    if (left === undefined) break
    if (right !== undefined && isBefore(right, left)) below += 1
    const next = queue[below] as Sleeper
    if (!isBefore(next, sinking)) break
    queue[at] = next
    at = below
  }
  queue[at] = sinking
}
