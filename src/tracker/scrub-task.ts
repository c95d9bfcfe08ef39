import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { RepairQueue } from '#replication/repair-queue.ts'
import type { WalkBatch } from './chunk-walk.ts'
import type { ChunkWork } from './chunk-work.ts'
import type { ClusterView } from './cluster-view.ts'
import type { Holders } from './ports.ts'
import type { BatchPlan, ChunkPlan, Step, TaskKind, WalkedChunk } from './task-kind.ts'
import type { TaskState } from './task-state.ts'
import type { TaskTiming } from './task-timing.ts'

/** A walk takes this part of the period, and the next one begins after it: so there is something left for bad days. */
const PART_OF_PERIOD = 0.9
/** How much faster than an even pace it may be when it is late. */
const CATCH_UP_MAX = 4
/** A store that hardly has anything isn't worth dawdling over. */
const BYTES_PER_SECOND_MIN = 1024 * 1024

export interface ScrubTaskOptions {
  readonly work: ChunkWork
  readonly holders: Pick<Holders, 'usage'>
  readonly reported: RepairQueue
  readonly clock: Clock
  readonly log: Log
  readonly timing: TaskTiming
}

/** Reads every copy whole where it lies, at the pace that brings it round within the period. Copies of a node that is down are read in the
 *  walk after. */
export class ScrubTask implements TaskKind {
  readonly name = 'scrub'
  readonly batchMax = 32
  readonly removes = false
  readonly #options: ScrubTaskOptions

  constructor(options: ScrubTaskOptions) {
    this.#options = options
  }

  mark(): string {
    return ''
  }

  nodes(view: ClusterView): ClusterView['nodes'] {
    return view.nodes
  }

  isDue({ startedAtMs }: TaskState, _view: ClusterView, nowMs: number): boolean {
    const { scrubPeriodMs } = this.#options.timing
    return startedAtMs === 0 || startedAtMs > nowMs || nowMs - startedAtMs >= scrubPeriodMs * PART_OF_PERIOD
  }

  async expectedBytes({ view, signal }: Step): Promise<number> {
    const { holders, log } = this.#options
    const usages = await Promise.all(
      view.nodes.map(async (node) => {
        try {
          return (await holders.usage(node, signal)).liveBytes
        } catch (error) {
          signal.throwIfAborted()
          log.debug('a node does not say how much it has', { node, error })
          return 0
        }
      }),
    )
    return usages.reduce((sum, bytes) => sum + bytes, 0)
  }

  async plan(chunks: readonly WalkedChunk[], _batch: WalkBatch, { state }: Step): Promise<BatchPlan> {
    if (state.isDryRun) return { plans: [] }
    const plans = chunks.map(({ id, classes, sizeBytes, nodes }): ChunkPlan => {
      return { id, classes, sizeBytes, sources: [], copyTo: [], replaceAt: [], verifyAt: nodes, removeFrom: [] }
    })
    return { plans }
  }

  async act({ id, classes, sizeBytes, verifyAt }: ChunkPlan, step: Step): Promise<void> {
    for (const node of verifyAt) {
      const health = await this.#options.work.verify({ id, node, sizeBytes }, step)
      if (health === undefined || health === 'intact' || classes.length === 0) continue
      this.#options.reported.offer({ chunk: id, copies: verifyAt.length - 1 })
    }
  }
}

/** What a scrub has to read a second to be through in time: at least what an even pace is, and not much more when it is late. */
export function scrubBytesPerSecond(state: TaskState, { scrubPeriodMs }: TaskTiming, nowMs: number): number {
  const wholeMs = scrubPeriodMs * PART_OF_PERIOD
  const even = (state.expectedBytes / wholeMs) * 1_000
  const leftBytes = Math.max(0, state.expectedBytes - state.counters.verifiedBytes)
  const leftMs = Math.max(1, state.startedAtMs + wholeMs - nowMs)
  const needed = (leftBytes / leftMs) * 1_000
  return Math.max(BYTES_PER_SECOND_MIN, even, Math.min(needed, even * CATCH_UP_MAX))
}
