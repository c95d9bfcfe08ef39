import type { NodeId } from '#foundation/ids.ts'
import type { Timing } from './timing.ts'

/** One suspicion, and when it becomes certainty: Lifeguard's dynamic timeout (LHA-Suspicion). Alone, this node may be the
 *  one that is slow, so it waits long; each other that suspects the same shortens the wait. */
export class Suspicion {
  readonly incarnation: number
  readonly #startedMs: number
  readonly #minMs: number
  readonly #maxMs: number
  readonly #confirmationsMax: number
  /** Who suspects. */
  readonly #by: Set<NodeId>

  constructor(options: {
    readonly incarnation: number
    readonly by: NodeId
    readonly nowMs: number
    /** Those that run, the suspect included. */
    readonly nodes: number
    readonly timing: Timing
  }) {
    const { incarnation, by, nowMs, nodes, timing } = options
    this.incarnation = incarnation
    this.#startedMs = nowMs
    this.#by = new Set([by])
    this.#minMs = timing.suspicionPeriods * timing.periodMs * Math.max(1, Math.log10(nodes))
    this.#maxMs = this.#minMs * timing.suspicionMaxFactor
    this.#confirmationsMax = timing.suspicionConfirmations
  }

  /** True if `by` is a further one, and its word changes something: then others should hear of it. */
  confirm(by: NodeId): boolean {
    if (this.#by.size > this.#confirmationsMax || this.#by.has(by)) return false
    this.#by.add(by)
    return true
  }

  /** When it becomes certainty, if nothing else comes.
   *  @param witnesses how many others run and aren't suspected: nobody waits for more confirmations than they can give */
  deadlineMs(witnesses: number): number {
    const expected = Math.min(this.#confirmationsMax, witnesses)
    const share = expected === 0 ? 1 : Math.log(this.#by.size) / Math.log(expected + 1)
    const timeoutMs = Math.max(this.#minMs, this.#maxMs - (this.#maxMs - this.#minMs) * share)
    return this.#startedMs + timeoutMs
  }
}
