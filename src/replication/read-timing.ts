import type { NodeId } from '#foundation/ids.ts'
import { LatencyWindow } from './latency-window.ts'

/** Reads up to these sizes are compared with one another. */
const SIZE_CLASSES_BYTES = [64 * 1024, 1024 * 1024, Number.POSITIVE_INFINITY]
/** The wait before a second holder is asked, as long as nothing is known. */
const HEDGE_MS_DEFAULT = 100
/** Clocks count in milliseconds: what is as long as the percentile isn't beyond it. */
const HEDGE_MARGIN_MS = 1
/** A second holder is asked for at most one read in twenty, and for so many in a row: more load wouldn't make a busy cluster
 *  faster (Dean and Barroso, "The Tail at Scale", 2013). */
const HEDGES_PER_READ = 0.05
const HEDGES_IN_A_ROW_MAX = 10
/** How far one read moves what is thought of a node's latency. */
const SMOOTHING = 0.1

/** How long reads take, here and at each node, and what follows for the next one. */
export class ReadTiming {
  readonly #windows = SIZE_CLASSES_BYTES.map(() => new LatencyWindow())
  readonly #latencyMs = new Map<NodeId, number>()
  readonly #inFlight = new Map<NodeId, number>()
  #hedges = HEDGES_IN_A_ROW_MAX

  began(node: NodeId): void {
    this.#inFlight.set(node, (this.#inFlight.get(node) ?? 0) + 1)
  }

  /** `latencyMs` is `undefined` if there was no answer to go by. */
  ended(node: NodeId, { latencyMs, lengthBytes }: { latencyMs: number | undefined; lengthBytes: number | undefined }): void {
    const inFlight = (this.#inFlight.get(node) ?? 1) - 1
    if (inFlight === 0) this.#inFlight.delete(node)
    else this.#inFlight.set(node, inFlight)
    if (latencyMs === undefined) return
    const before = this.#latencyMs.get(node) ?? latencyMs
    this.#latencyMs.set(node, before + (latencyMs - before) * SMOOTHING)
    this.#windowFor(lengthBytes).add(latencyMs)
  }

  /** The nodes, the least loaded first: by what a read more would wait, as far as it is known. */
  byLoad(nodes: readonly NodeId[]): NodeId[] {
    const load = (node: NodeId): number => ((this.#inFlight.get(node) ?? 0) + 1) * (this.#latencyMs.get(node) ?? 1)
    return nodes.toSorted((a, b) => load(a) - load(b))
  }

  /** How long to wait for one holder before another one is asked too. `undefined` lengths are whole chunks. */
  hedgeAfterMs(lengthBytes: number | undefined): number {
    return (this.#windowFor(lengthBytes).p95Ms ?? HEDGE_MS_DEFAULT) + HEDGE_MARGIN_MS
  }

  /** To be called for each read: what it earns for hedges. */
  countRead(): void {
    this.#hedges = Math.min(HEDGES_IN_A_ROW_MAX, this.#hedges + HEDGES_PER_READ)
  }

  /** Whether one read more may be sent to a second holder. */
  takeHedge(): boolean {
    if (this.#hedges < 1) return false
    this.#hedges -= 1
    return true
  }

  #windowFor(lengthBytes = Number.POSITIVE_INFINITY): LatencyWindow {
    const at = SIZE_CLASSES_BYTES.findIndex((most) => lengthBytes <= most)
    return this.#windows[at] as LatencyWindow
  }
}
