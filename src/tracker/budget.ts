/** What a task may use. `undefined` where there is no limit. */
export interface BudgetLimits {
  readonly bytesPerSecond?: number | undefined
  readonly opsPerSecond?: number | undefined
  /** The part of the time in which it may do anything, above 0 and up to 1. */
  readonly share?: number | undefined
}

export interface Cost {
  readonly bytes?: number
  readonly ops?: number
  /** Time in which something was done, milliseconds. */
  readonly busyMs?: number
}

/** A second's worth may be used at once after a rest. */
const BURST_MS = 1_000
/** What sums of fractions may be off by. */
const ROUNDING = 1e-6

/** Token buckets (Turner, "New directions in communications", 1986) that may go into debt: something begins when none of them is
 *  in debt, whatever its size, and pays afterwards. So of each limited thing, in any window of t milliseconds, no more begins than
 *  (t + 1,000) ms' worth and one piece. Times are of a clock that doesn't jump. */
export class Budget {
  #bytes: Bucket
  #ops: Bucket
  #busyMs: Bucket

  constructor(limits: BudgetLimits, nowMs: number) {
    this.#bytes = new Bucket(perMs(limits.bytesPerSecond), nowMs)
    this.#ops = new Bucket(perMs(limits.opsPerSecond), nowMs)
    this.#busyMs = new Bucket(limits.share === 1 ? undefined : limits.share, nowMs)
  }

  /** Goes by other limits from now on; debts stay. */
  change(limits: BudgetLimits, nowMs: number): void {
    this.#bytes = this.#bytes.with(perMs(limits.bytesPerSecond), nowMs)
    this.#ops = this.#ops.with(perMs(limits.opsPerSecond), nowMs)
    this.#busyMs = this.#busyMs.with(limits.share === 1 ? undefined : limits.share, nowMs)
  }

  /** How long until something may begin; 0 for now. */
  waitMs(nowMs: number): number {
    return Math.max(this.#bytes.waitMs(nowMs), this.#ops.waitMs(nowMs), this.#busyMs.waitMs(nowMs))
  }

  spend({ bytes = 0, ops = 0, busyMs = 0 }: Cost, nowMs: number): void {
    this.#bytes.spend(bytes, nowMs)
    this.#ops.spend(ops, nowMs)
    this.#busyMs.spend(busyMs, nowMs)
  }
}

function perMs(perSecond: number | undefined): number | undefined {
  return perSecond === undefined ? undefined : perSecond / 1_000
}

class Bucket {
  readonly #perMs: number | undefined
  #level: number
  #atMs: number

  constructor(rate: number | undefined, nowMs: number, level = (rate ?? 0) * BURST_MS) {
    this.#perMs = rate
    this.#level = level
    this.#atMs = nowMs
  }

  with(rate: number | undefined, nowMs: number): Bucket {
    this.#fill(nowMs)
    return new Bucket(rate, nowMs, Math.min(this.#level, (rate ?? 0) * BURST_MS))
  }

  waitMs(nowMs: number): number {
    if (this.#perMs === undefined) return 0
    this.#fill(nowMs)
    return this.#level >= -ROUNDING ? 0 : Math.ceil(-this.#level / this.#perMs)
  }

  spend(amount: number, nowMs: number): void {
    if (this.#perMs === undefined) return
    this.#fill(nowMs)
    this.#level -= amount
  }

  #fill(nowMs: number): void {
    if (this.#perMs !== undefined) {
      this.#level = Math.min(this.#perMs * BURST_MS, this.#level + this.#perMs * Math.max(0, nowMs - this.#atMs))
    }
    this.#atMs = nowMs
  }
}
