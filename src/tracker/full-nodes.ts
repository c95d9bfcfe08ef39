import type { NodeId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import type { ClusterSource, TrackerMember } from './ports.ts'

export interface FullNodesOptions {
  readonly source: ClusterSource
  readonly clock: Clock
  /** How long a node counts as full. */
  readonly fullMs: number
}

/** The cluster, in which nodes that had no room for a copy count as full for a while: copies go to others instead, as they do of writes. */
export class FullNodes implements ClusterSource {
  readonly #options: FullNodesOptions
  /** Until when, on the monotonic clock. */
  readonly #untilMs = new Map<NodeId, number>()

  constructor(options: FullNodesOptions) {
    this.#options = options
  }

  note(node: NodeId): void {
    this.#untilMs.set(node, this.#options.clock.monotonicMs() + this.#options.fullMs)
  }

  members(): readonly TrackerMember[] {
    const members = this.#options.source.members()
    const nowMs = this.#options.clock.monotonicMs()
    for (const [node, untilMs] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(node)
    if (this.#untilMs.size === 0) return members
    return members.map(({ id, state }) => ({ id, state: state === 'alive' && this.#untilMs.has(id) ? 'full' : state }))
  }

  layouts(): ReturnType<ClusterSource['layouts']> {
    return this.#options.source.layouts()
  }
}
