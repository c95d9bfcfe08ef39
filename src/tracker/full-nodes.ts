import type { NodeId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import type { ClusterSource, TrackerMember } from './ports.ts'

/** A node that has as much more room than it had at the least has room again: for one chunk of the largest size. What nodes tell of
 *  their room is up to half a minute old. */
const FREED_BYTES = 64 * 1024 * 1024

export interface FullNodesOptions {
  readonly source: ClusterSource
  readonly clock: Clock
  /** How long a node counts as full that doesn't tell of more room. */
  readonly fullMs: number
}

interface Full {
  /** On the monotonic clock. */
  readonly untilMs: number
  /** The least room that it has told of since; undefined as long as it has told of none. */
  readonly leastFreeBytes: number | undefined
}

/** The cluster, in which nodes that had no room for a copy count as full for a while: copies go to others instead, as they do of writes. */
export class FullNodes implements ClusterSource {
  readonly #options: FullNodesOptions
  readonly #full = new Map<NodeId, Full>()

  constructor(options: FullNodesOptions) {
    this.#options = options
  }

  note(node: NodeId): void {
    const { clock, fullMs } = this.#options
    this.#full.set(node, { untilMs: clock.monotonicMs() + fullMs, leastFreeBytes: undefined })
  }

  members(): readonly TrackerMember[] {
    const members = this.#options.source.members()
    const nowMs = this.#options.clock.monotonicMs()
    for (const [node, { untilMs }] of this.#full) if (untilMs <= nowMs) this.#full.delete(node)
    if (this.#full.size === 0) return members
    return members.map((member) => (this.#isFull(member) && member.state === 'alive' ? { ...member, state: 'full' } : member))
  }

  layouts(): ReturnType<ClusterSource['layouts']> {
    return this.#options.source.layouts()
  }

  #isFull({ id, freeBytes }: TrackerMember): boolean {
    const full = this.#full.get(id)
    if (full === undefined) return false
    if (freeBytes === undefined) return true
    const least = Math.min(full.leastFreeBytes ?? freeBytes, freeBytes)
    if (freeBytes >= least + FREED_BYTES) {
      this.#full.delete(id)
      return false
    }
    this.#full.set(id, { ...full, leastFreeBytes: least })
    return true
  }
}
