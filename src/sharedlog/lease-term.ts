import { isShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import { DRIFT_SHARE } from '#platform/quiet-promise.ts'
import type { Leadership } from './log.ts'

/** Three renewals may fail before the lease passes. */
const RENEWALS_IN_LEASE = 4

export interface LeaseTermOptions {
  readonly epoch: number
  readonly leaseMs: number
  /** When the request that was granted the lease was sent, or any moment before. */
  readonly sentAtMs: number
  readonly clock: Clock
  /** Renews the lease; false when there is none any more. @throws UNAVAILABLE */
  readonly renew: () => Promise<boolean>
  /** Gives it back. */
  readonly release: () => Promise<void>
}

/** A term that lasts as long as its lease is renewed. */
export class LeaseTerm implements Leadership {
  readonly epoch: number
  readonly #options: LeaseTermOptions
  readonly #lost = new AbortController()
  /** When the last request that renewed the lease was sent, by the monotonic clock and by the time of day. */
  #sentAtMs: number
  #sentAtTimeMs: number
  #resigning: Promise<void> | undefined

  constructor(options: LeaseTermOptions) {
    this.epoch = options.epoch
    this.#options = options
    this.#sentAtMs = options.sentAtMs
    this.#sentAtTimeMs = options.clock.nowMs() - (options.clock.monotonicMs() - options.sentAtMs)
    void this.#renewals()
    void this.#watchLease()
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  isLeased(): boolean {
    return this.leasedMs() > 0
  }

  leasedMs(): number {
    if (this.lost.aborted) return 0
    const { clock, leaseMs } = this.#options
    // While a machine sleeps its monotonic clock may stand still. The time of day may then tell; when it is set back it tells nothing.
    const passedMs = Math.max(this.#passedMs(), clock.nowMs() - this.#sentAtTimeMs)
    return Math.max(0, leaseMs * (1 - DRIFT_SHARE) - passedMs)
  }

  resign(): Promise<void> {
    this.end()
    this.#resigning ??= this.#release().then((isDone) => {
      if (!isDone) void this.#releaseLater()
    })
    return this.#resigning
  }

  /** Ends the term here; the log isn't told. */
  end(): void {
    this.#lost.abort()
  }

  /** False if the log may still hold the lease. */
  async #release(): Promise<boolean> {
    try {
      await this.#options.release()
      return true
    } catch (error) {
      return !isShoalError(error, 'UNAVAILABLE')
    }
  }

  /** A log that has lost its own leader extends leases when it has another: so it is told as soon as it can be reached, as long
   *  as the lease may last. */
  async #releaseLater(): Promise<void> {
    const { clock, leaseMs } = this.#options
    const endMs = clock.monotonicMs() + 2 * leaseMs
    do await clock.sleep(leaseMs / RENEWALS_IN_LEASE)
    while (clock.monotonicMs() < endMs && !(await this.#release()))
  }

  #passedMs(): number {
    return this.#options.clock.monotonicMs() - this.#sentAtMs
  }

  async #renewals(): Promise<void> {
    const { clock, leaseMs, renew } = this.#options
    while (await this.#slept(leaseMs / RENEWALS_IN_LEASE)) {
      const sentAt = [clock.monotonicMs(), clock.nowMs()] as const
      try {
        if (await renew()) [this.#sentAtMs, this.#sentAtTimeMs] = sentAt
        else this.end()
      } catch {
        // The next one may get through; otherwise the lease passes.
      }
    }
  }

  /** A term whose lease has passed is over, even if nobody else could be elected meanwhile. */
  async #watchLease(): Promise<void> {
    const { leaseMs } = this.#options
    while (await this.#slept(leaseMs - this.#passedMs())) if (this.#passedMs() >= leaseMs) this.end()
  }

  /** False when the term is over. */
  async #slept(delayMs: number): Promise<boolean> {
    try {
      await this.#options.clock.sleep(Math.max(delayMs, 1), this.lost)
    } catch {
      // The term is over.
    }
    return !this.lost.aborted
  }
}
