import type { Clock } from '#platform/clock.ts'
import { assessCopies } from './assess-copies.ts'
import type { WalkBatch } from './chunk-walk.ts'
import type { ChunkWork } from './chunk-work.ts'
import type { ClusterView } from './cluster-view.ts'
import type { BatchPlan, ChunkPlan, Step, TaskKind, WalkedChunk } from './task-kind.ts'
import type { TaskState } from './task-state.ts'
import { isWalkDue } from './task-timing.ts'
import type { TaskTiming } from './task-timing.ts'

export interface TrimTaskOptions {
  readonly work: ChunkWork
  readonly clock: Clock
  readonly timing: TaskTiming
  /** Whether repair, rebalance and drain have nothing to do. */
  readonly areOthersIdle: () => boolean
}

/** Removes copies where no layout has them, last of all: when nothing is to be copied any more. Before one goes, every copy that stays is
 *  read whole. */
export class TrimTask implements TaskKind {
  readonly name = 'trim'
  readonly batchMax = 256
  readonly removes = true
  readonly #options: TrimTaskOptions

  constructor(options: TrimTaskOptions) {
    this.#options = options
  }

  mark(view: ClusterView): string {
    return view.mark
  }

  nodes(view: ClusterView): ClusterView['nodes'] {
    return view.nodes
  }

  isDue(state: TaskState, view: ClusterView, nowMs: number): boolean {
    const { trimEveryMs } = this.#options.timing
    return this.hasRoom() && isWalkDue(state, { mark: view.mark, nowMs }, { everyMs: trimEveryMs, retryMs: trimEveryMs })
  }

  hasRoom(): boolean {
    return this.#options.areOthersIdle()
  }

  async plan(chunks: readonly WalkedChunk[], batch: WalkBatch, step: Step): Promise<BatchPlan> {
    const plans: ChunkPlan[] = []
    for (const { id, classes, sizeBytes, nodes } of chunks) {
      if (classes.length === 0) continue
      const found = new Map(
        batch.answered.map((node) => [node, nodes.includes(node) ? ('intact' as const) : ('missing' as const)]),
      )
      const { isComplete, targets, surplus } = assessCopies({ wanted: step.view.wanted(id, classes), found })
      if (!isComplete || surplus.length === 0) continue
      plans.push({ id, classes, sizeBytes, sources: [], copyTo: [], replaceAt: [], verifyAt: targets, removeFrom: surplus })
    }
    return { plans }
  }

  async act(plan: ChunkPlan, step: Step): Promise<void> {
    const { work, clock, timing } = this.#options
    if (!(await work.areIntact(plan, step))) return
    await work.remove(plan, clock.nowMs() - timing.trimGraceMs, step)
  }
}
