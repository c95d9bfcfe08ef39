import type { Log, LogFields } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'

/** A node that is refused tries again each second, maybe for days. */
const AGAIN_MS = 300_000
/** Different warnings that are remembered; past them the one that was told longest ago is told again when it comes. */
const REMEMBERED_MAX = 256

/** Warnings that would come over and over: the same one is told at once, and then every five minutes with how often it came since. */
export class RareWarnings {
  readonly #log: Pick<Log, 'warn'>
  readonly #clock: Pick<Clock, 'monotonicMs'>
  /** In the order in which they were told last. */
  readonly #told = new Map<string, { readonly atMs: number; since: number }>()

  constructor({ log, clock }: { readonly log: Pick<Log, 'warn'>; readonly clock: Pick<Clock, 'monotonicMs'> }) {
    this.#log = log
    this.#clock = clock
  }

  warn(message: string, fields: LogFields): void {
    const key = JSON.stringify([message, fields])
    const nowMs = this.#clock.monotonicMs()
    const told = this.#told.get(key)
    if (told !== undefined && nowMs - told.atMs < AGAIN_MS) {
      told.since += 1
      return
    }
    this.#told.delete(key)
    this.#told.set(key, { atMs: nowMs, since: 0 })
    const [oldest] = this.#told.keys()
    if (this.#told.size > REMEMBERED_MAX && oldest !== undefined) this.#told.delete(oldest)
    const times = (told?.since ?? 0) + 1
    this.#log.warn(message, times === 1 ? fields : { ...fields, times })
  }
}
