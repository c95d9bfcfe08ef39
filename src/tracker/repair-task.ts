import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { RepairQueue } from '#replication/repair-queue.ts'
import { assessCopies } from './assess-copies.ts'
import type { WalkBatch } from './chunk-walk.ts'
import type { ChunkWork } from './chunk-work.ts'
import type { ClusterView } from './cluster-view.ts'
import type { Referenced } from './ports.ts'
import type { BatchPlan, ChunkPlan, Step, TaskKind, WalkedChunk, WalkEnd } from './task-kind.ts'
import type { TaskState } from './task-state.ts'
import { isWalkDue } from './task-timing.ts'
import type { TaskTiming } from './task-timing.ts'

/** Chunks of the walk's level may wait in such numbers, others only while hardly any do. */
const WAITING_MAX = 4_096
const IDLE_BELOW = 64
/** Repairs that are planned at a time. */
const TAKEN_MAX = 32
const BATCH_MAX = 256
/** Before a chunk that was reported is called lost so many nodes are asked that should not have it. */
const STRANGERS_MAX = 64

export interface RepairTaskOptions {
  readonly work: ChunkWork
  readonly referenced: Referenced
  readonly reported: RepairQueue
  readonly timing: TaskTiming
}

interface Taken {
  readonly chunk: ChunkId
  readonly isReported: boolean
  readonly nodes: readonly NodeId[]
}

/** Gives chunks the copies that they lack, also those that others stand in for. Walks go level by level: through all chunks for those of one copy, then for those of two, and
 *  so on; others are taken along while nothing more urgent waits. What reads have reported comes before what walks have found of as many
 *  copies, and a copy that was reported is read whole. */
export class RepairTask implements TaskKind {
  readonly name = 'repair'
  readonly batchMax = BATCH_MAX
  readonly removes = false
  readonly #options: RepairTaskOptions
  readonly #found = new RepairQueue({ waitingMax: WAITING_MAX + BATCH_MAX })
  /** Who has copies of what was found. */
  readonly #holders = new Map<ChunkId, readonly NodeId[]>()

  constructor(options: RepairTaskOptions) {
    this.#options = options
  }

  get waiting(): number {
    return this.#found.size + this.#options.reported.size
  }

  mark(view: ClusterView): string {
    return view.mark
  }

  nodes(view: ClusterView): ClusterView['nodes'] {
    return view.nodes
  }

  isDue(state: TaskState, view: ClusterView, nowMs: number): boolean {
    const { repairEveryMs, retryMs } = this.#options.timing
    return isWalkDue(state, { mark: view.mark, nowMs }, { everyMs: repairEveryMs, retryMs })
  }

  hasRoom(): boolean {
    return this.#found.size < WAITING_MAX
  }

  async takeQueued(step: Step): Promise<readonly ChunkPlan[]> {
    const taken: Taken[] = []
    while (taken.length < TAKEN_MAX) {
      const next = this.#take()
      if (next === undefined) break
      taken.push(next)
    }
    if (taken.length === 0) return []
    try {
      return await this.#planAll(taken, step)
    } catch (error) {
      // What was taken is found again.
      step.leave(undefined, 'repairs were put off', error)
      throw error
    }
  }

  async plan(chunks: readonly WalkedChunk[], batch: WalkBatch, step: Step): Promise<BatchPlan> {
    const plans: ChunkPlan[] = []
    for (const { id, classes, nodes, sizeBytes } of chunks) {
      if (classes.length === 0) continue
      const wanted = step.view.wanted(id, classes)
      const asked = new Map(
        batch.answered.map((node) => [node, nodes.includes(node) ? ('intact' as const) : ('missing' as const)]),
      )
      const { living, lacking, surplus, isShort } = assessCopies({ wanted, found: asked })
      // What was written while a holder was away has its copies, one of them where another one stood in: in that zone or this, too.
      const isElsewhere = surplus.length > 0
      if (lacking.length === 0 || !(isShort || isElsewhere)) continue
      if (step.state.isDryRun) {
        plans.push({ id, classes, sizeBytes, sources: living, copyTo: lacking, replaceAt: [], verifyAt: [], removeFrom: [] })
      } else if (Math.min(living.length, lastLevel(step.view)) <= step.state.level || this.waiting < IDLE_BELOW) {
        this.#found.offer({ chunk: id, copies: living.length })
        this.#holders.set(id, living)
      }
    }
    return { plans }
  }

  async act(plan: ChunkPlan, step: Step): Promise<void> {
    await this.#options.work.restore(plan, step)
  }

  async end({ state, view }: Step): Promise<WalkEnd> {
    return state.isDryRun || state.level >= lastLevel(view) ? {} : { level: state.level + 1 }
  }

  #take(): Taken | undefined {
    const { reported } = this.#options
    const isReported =
      (reported.fewestCopies ?? Number.POSITIVE_INFINITY) <= (this.#found.fewestCopies ?? Number.POSITIVE_INFINITY)
    const request = (isReported ? reported : this.#found).take()
    if (request === undefined) return undefined
    const { chunk } = request
    const nodes = this.#holders.get(chunk) ?? []
    if (!isReported) this.#holders.delete(chunk)
    return { chunk, isReported, nodes }
  }

  async #planAll(taken: readonly Taken[], step: Step): Promise<ChunkPlan[]> {
    const { work, referenced } = this.#options
    const classesOf = await referenced(taken.map(({ chunk }) => chunk))
    const plans = await Promise.all(
      taken.map(async ({ chunk: id, isReported, nodes }) => {
        const classes = classesOf.get(id) ?? []
        if (classes.length === 0) return undefined
        const asked = isReported ? [...nodes, ...step.view.nodes.slice(0, STRANGERS_MAX)] : nodes
        const survey = await work.survey({ id, classes, nodes: asked, isThorough: isReported }, step)
        return work.planRestore({ id, classes }, survey, step)
      }),
    )
    return plans.filter((plan) => plan !== undefined)
  }
}

/** Whoever lacks a copy has one less than the class asks for at most, or all of them, and one elsewhere. */
function lastLevel({ copiesMax }: ClusterView): number {
  return Math.max(1, copiesMax - 1)
}
