import type { Clock } from './clock.ts'

/** Failures of an address that pass without delay: a person who mistypes, a script with last week's key. */
const FREE_FAILURES = 5
const FIRST_DELAY_MS = 100
const LONGEST_DELAY_MS = 3200
/** Without failures for this long, an address is forgotten. */
const MEMORY_MS = 60_000
const MAX_WAITING = 16
const MAX_ADDRESSES = 10_000

interface Failures {
  count: number
  waiting: number
  lastMs: number
}

/** How often each address has failed to authenticate lately, and how long the next failure has to wait for its answer. */
export class FailureTable {
  readonly #clock: Clock
  /** In the order of the latest failure. */
  readonly #addresses = new Map<string, Failures>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes a failure; its delay in ms, or `undefined` if too many of the address wait already. `end` has to follow a delay. */
  begin(address: string): number | undefined {
    const nowMs = this.#clock.monotonicMs()
    const known = this.#addresses.get(address)
    const failures =
      known !== undefined && (known.waiting > 0 || nowMs - known.lastMs < MEMORY_MS)
        ? known
        : { count: 0, waiting: 0, lastMs: nowMs }
    if (failures.waiting >= MAX_WAITING) return undefined
    failures.count += 1
    failures.waiting += 1
    failures.lastMs = nowMs
    this.#addresses.delete(address)
    if (this.#addresses.size >= MAX_ADDRESSES) this.#addresses.delete(this.#addresses.keys().next().value as string)
    this.#addresses.set(address, failures)
    const excess = failures.count - FREE_FAILURES
    return excess <= 0 ? 0 : Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(excess - 1, 10))
  }

  end(address: string): void {
    const failures = this.#addresses.get(address)
    if (failures !== undefined && failures.waiting > 0) failures.waiting -= 1
  }
}
