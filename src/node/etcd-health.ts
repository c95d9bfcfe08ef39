import type { ErrorCode, ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'

/** Members that are restarted one after the other, or that elect, answer again within it. */
const SILENT_MS = 5_000
const WARN_EVERY_MS = 60_000
/** Others may be answered meanwhile: a full etcd can still be read. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(['NO_SPACE', 'UNAUTHENTICATED', 'FORBIDDEN'])

/** Whether etcd answers this node, for whoever looks why nobody leads. */
export class EtcdHealth {
  readonly #clock: Clock
  readonly #log: Log
  /** Since when nothing else came from it than the last failure. */
  #failing: { readonly sinceMs: number; readonly last: ShoalError } | undefined
  #refusal: { readonly atMs: number; readonly last: ShoalError } | undefined
  #warnedMs: number | undefined

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock
    this.#log = log
  }

  /** What it was told to do and has refused, or why it can't be reached; `undefined` when it answers. */
  get problem(): string | undefined {
    const nowMs = this.#clock.monotonicMs()
    const [failing, refusal] = [this.#failing, this.#refusal]
    if (refusal !== undefined && nowMs - refusal.atMs < SILENT_MS) return reasonOf(refusal.last)
    return failing === undefined || nowMs - failing.sinceMs < SILENT_MS ? undefined : reasonOf(failing.last)
  }

  answered(): void {
    if (this.#failing === undefined && this.#refusal === undefined) return
    this.#failing = undefined
    if (this.problem !== undefined) return
    this.#refusal = undefined
    if (this.#warnedMs !== undefined) this.#log.info('etcd answers again')
    this.#warnedMs = undefined
  }

  failed(error: ShoalError): void {
    const nowMs = this.#clock.monotonicMs()
    if (REFUSALS.has(error.code)) this.#refusal = { atMs: nowMs, last: error }
    else if (error.code === 'UNAVAILABLE') this.#failing = { sinceMs: this.#failing?.sinceMs ?? nowMs, last: error }
    const { problem } = this
    if (problem === undefined || (this.#warnedMs !== undefined && nowMs - this.#warnedMs < WARN_EVERY_MS)) return
    this.#warnedMs = nowMs
    this.#log.warn('etcd does not answer, or refuses: nothing of strong volumes can be changed', { reason: problem })
  }
}

/** With what lies behind it, such as a certificate that is not believed. */
function reasonOf(error: ShoalError): string {
  const { cause } = error
  if (!(cause instanceof Error) || cause.name === 'AbortError' || cause.message === '') return error.message
  return `${error.message}: ${cause.message}`
}
