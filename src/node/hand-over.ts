import type { UnderWay } from '#gateway/http/under-way.ts'
import type { ReplicatedStore } from '#kv/replicated.ts'
import type { Clock } from '#platform/clock.ts'
import type { ClusterNode } from './cluster-node.ts'
import type { StoreLeadership } from './store-leadership.ts'

/** New requests wait meanwhile, for 5 s at most; what takes longer than this is told to come again when it is to be committed. */
const ENDED_MS_MAX = 1_500

export interface HandOverOptions {
  readonly metadata: {
    readonly store: Pick<ReplicatedStore, 'resign'>
    readonly leadership: Pick<StoreLeadership, 'isLeading' | 'leave'>
  }
  readonly cluster: Pick<ClusterNode, 'id' | 'members' | 'onChange'>
  /** The requests that this node answers by itself. */
  readonly servedHere: UnderWay
  readonly clock: Clock
  /** How long these may take at most. */
  readonly graceMs: number
}

/** Lets another node lead the metadata while this one still answers: what comes meanwhile waits for the next one, and is sent on to it. */
export class HandOver {
  readonly #options: HandOverOptions

  constructor(options: HandOverOptions) {
    this.#options = options
  }

  /** Resolves once another node may lead, and what was begun here has ended or has taken too long; at once if no other one runs that could. */
  async run(): Promise<void> {
    if (!this.#canOther()) return
    const { metadata, servedHere, clock, graceMs } = this.#options
    if (metadata.leadership.isLeading) {
      metadata.leadership.leave()
      await servedHere.ended({ clock, withinMs: Math.min(ENDED_MS_MAX, graceMs) })
    }
    await metadata.store.resign()
  }

  /** The same, as soon as another node runs that can lead: one may be cut off from the others, and not from what they agree by. */
  runOnceOthersCan(): void {
    if (this.#canOther()) return void this.run()
    const stop = this.#options.cluster.onChange(() => {
      if (!this.#canOther()) return
      stop()
      void this.run()
    })
  }

  #canOther(): boolean {
    const { cluster } = this.#options
    return cluster
      .members()
      .some(({ id, liveness, facts }) => id !== cluster.id && liveness === 'alive' && facts.roles.includes('meta'))
  }
}
