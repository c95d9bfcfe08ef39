import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { ForwardTarget } from './forward-target.ts'

/** What has waited this long for an answer has its target asked for a sign of life, which has as long to come: a silent one is found out after 4 to 6 s.
 *  The connection itself waits 10 s, also for nodes that only copy chunks, and may be slow at that. */
const QUIET_MS = 2_000

/** Something that waits for a target's answer. */
export interface WatchedTry {
  readonly target: ForwardTarget
  giveUp(error: ShoalError): void
}

/** Gives up what was sent to targets that have gone silent, where nobody else tells that they are no targets any more. */
export class TargetWatch {
  readonly #tries: ReadonlySet<WatchedTry>
  readonly #clock: Clock
  #isWatching = false

  constructor(tries: ReadonlySet<WatchedTry>, clock: Clock) {
    this.#tries = tries
    this.#clock = clock
  }

  /** A try has begun. Costs nothing while others wait, too. */
  begin(): void {
    if (!this.#isWatching) void this.#watch()
  }

  async #watch(): Promise<void> {
    this.#isWatching = true
    while (this.#tries.size > 0) {
      const before = [...this.#tries]
      await this.#clock.sleep(QUIET_MS).catch(() => {})
      const waiting = before.filter((one) => this.#tries.has(one))
      for (const target of new Set(waiting.map((one) => one.target))) void this.#ask(target, waiting)
    }
    this.#isWatching = false
  }

  async #ask(target: ForwardTarget, waiting: readonly WatchedTry[]): Promise<void> {
    if ((await target.isAlive?.(QUIET_MS)) !== false) return
    for (const one of waiting) if (one.target === target && this.#tries.has(one)) one.giveUp(silent())
  }
}

function silent(): ShoalError {
  return new ShoalError('UNAVAILABLE', 'The node that it was sent to has gone silent')
}
