import type { ChunkId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import type { WalkBatch } from './chunk-walk.ts'
import type { ChunkWork } from './chunk-work.ts'
import type { ClusterView } from './cluster-view.ts'
import type { Referenced } from './ports.ts'
import type { BatchPlan, ChunkPlan, Step, TaskKind, WalkedChunk } from './task-kind.ts'
import type { TaskState } from './task-state.ts'
import type { TaskStore } from './task-store.ts'
import { isWalkDue } from './task-timing.ts'
import type { TaskTiming } from './task-timing.ts'

export interface CollectTaskOptions {
  readonly work: ChunkWork
  readonly referenced: Referenced
  readonly store: Pick<TaskStore, 'suspects'>
  readonly clock: Clock
  readonly timing: TaskTiming
}

/** Removes chunks that no shard refers to, when two walks have seen them so, and none of their copies was touched for longer than an
 *  upload session lasts. A copy that is touched meanwhile stays. */
export class CollectTask implements TaskKind {
  readonly name = 'collect'
  readonly batchMax = 256
  readonly removes = true
  readonly #options: CollectTaskOptions

  constructor(options: CollectTaskOptions) {
    this.#options = options
  }

  mark(): string {
    return ''
  }

  nodes(view: ClusterView): ClusterView['nodes'] {
    return view.nodes
  }

  isDue(state: TaskState, _view: ClusterView, nowMs: number): boolean {
    const { collectEveryMs } = this.#options.timing
    return isWalkDue(state, { mark: '', nowMs }, { everyMs: collectEveryMs, retryMs: collectEveryMs })
  }

  async plan(chunks: readonly WalkedChunk[], batch: WalkBatch, step: Step): Promise<BatchPlan> {
    const { clock, timing, store } = this.#options
    const beforeMs = clock.nowMs() - timing.sessionMs
    const known = await store.suspects({ from: step.state.cursor, to: batch.next })
    const suspects = new Map<ChunkId, number>()
    const plans: ChunkPlan[] = []
    for (const { id, classes, sizeBytes, touchedAtMs, nodes } of chunks) {
      if (classes.length > 0 || touchedAtMs >= beforeMs) continue
      const seenIn = known.get(id) ?? step.state.walk
      suspects.set(id, seenIn)
      // A dry run counts its walks for itself.
      if (step.state.isDryRun ? !known.has(id) : seenIn >= step.state.walk) continue
      plans.push({ id, classes, sizeBytes, sources: [], copyTo: [], replaceAt: [], verifyAt: [], removeFrom: nodes })
    }
    return { plans, suspects }
  }

  async act(plan: ChunkPlan, step: Step): Promise<void> {
    const { referenced, clock, timing, work } = this.#options
    const untouchedSinceMs = clock.nowMs() - timing.sessionMs
    if ((await referenced([plan.id])).has(plan.id)) return
    await work.remove(plan, untouchedSinceMs, step)
  }
}
