import type { NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { atOnce } from './at-once.ts'
import { assessCopies } from './assess-copies.ts'
import type { WalkBatch } from './chunk-walk.ts'
import type { ChunkWork } from './chunk-work.ts'
import type { ClusterView } from './cluster-view.ts'
import type { Outcomes } from './ports.ts'
import type { BatchPlan, ChunkPlan, Step, TaskKind, WalkedChunk, WalkEnd } from './task-kind.ts'
import type { TaskState } from './task-state.ts'
import type { Decision } from './task-store.ts'
import { isWalkDue } from './task-timing.ts'
import type { TaskTiming } from './task-timing.ts'

const BATCH_MAX = 256
const PLANNED_AT_ONCE = 8

export interface MoveTaskOptions {
  readonly work: ChunkWork
  readonly outcomes: Outcomes
  readonly clock: Clock
  readonly log: Log
  readonly timing: TaskTiming
}

/** What moves chunks to where they belong while none lacks copies. */
class ChunkMover {
  readonly #options: MoveTaskOptions
  readonly #isThorough: boolean

  /** @param isThorough copies are read, and not taken on trust */
  constructor(options: MoveTaskOptions, isThorough: boolean) {
    this.#options = options
    this.#isThorough = isThorough
  }

  async plan(chunks: readonly WalkedChunk[], batch: WalkBatch, step: Step): Promise<BatchPlan> {
    const plans: ChunkPlan[] = []
    await atOnce(chunks, PLANNED_AT_ONCE, async (chunk) => {
      const plan = await this.#planOne(chunk, batch, step)
      if (plan !== undefined) plans.push(plan)
    })
    return { plans }
  }

  async #planOne(chunk: WalkedChunk, batch: WalkBatch, step: Step): Promise<ChunkPlan | undefined> {
    const { id, nodes } = chunk
    const classes = this.#classesOf(chunk, step)
    if (classes.length === 0) return undefined
    const wanted = step.view.wanted(id, classes)
    const listed = new Map(
      batch.answered.map((node) => [node, nodes.includes(node) ? ('intact' as const) : ('missing' as const)]),
    )
    const { lacking, unknown, isStranded } = assessCopies({ wanted, found: listed })
    if (lacking.length === 0 && unknown.length === 0 && !isStranded) return undefined
    const survey = await this.#options.work.survey({ id, classes, nodes, isThorough: this.#isThorough }, step)
    // It was removed since it was listed.
    if (survey.living.length === 0 && survey.silent === 0) return undefined
    return this.#options.work.planRestore({ id, classes }, survey, step)
  }

  /** What nothing refers to yet may be part of a write that is under way, of whatever class. */
  #classesOf({ classes, touchedAtMs }: WalkedChunk, { view }: Step): readonly string[] {
    if (classes.length > 0) return classes
    const isYoung = touchedAtMs >= this.#options.clock.nowMs() - this.#options.timing.sessionMs
    return isYoung ? view.classes : []
  }
}

/** Copies chunks to where the layouts have them. When all are there, the layout before is no longer needed, and it says so. */
export class RebalanceTask implements TaskKind {
  readonly name = 'rebalance'
  readonly batchMax = BATCH_MAX
  readonly removes = false
  readonly #options: MoveTaskOptions
  readonly #mover: ChunkMover

  constructor(options: MoveTaskOptions) {
    this.#options = options
    this.#mover = new ChunkMover(options, false)
  }

  mark(view: ClusterView): string {
    return view.placesMark
  }

  nodes(view: ClusterView): readonly NodeId[] {
    return view.nodes
  }

  isDue(state: TaskState, view: ClusterView, nowMs: number): boolean {
    const { rebalanceEveryMs, retryMs } = this.#options.timing
    return isWalkDue(state, { mark: this.mark(view), nowMs }, { everyMs: rebalanceEveryMs, retryMs })
  }

  async plan(chunks: readonly WalkedChunk[], batch: WalkBatch, step: Step): Promise<BatchPlan> {
    return this.#mover.plan(chunks, batch, step)
  }

  async act(plan: ChunkPlan, step: Step): Promise<void> {
    await this.#options.work.restore(plan, step)
  }

  async end({ view }: Step): Promise<WalkEnd> {
    const decisions: Decision[] = []
    for (const [className, pair] of view.layouts) {
      if (!pair.isChanging) continue
      this.#options.log.info('a layout is settled', { class: className, version: pair.next.version })
      await this.#options.outcomes.settled(className, pair.next.version)
      const atMs = this.#options.clock.nowMs()
      decisions.push({ atMs, task: this.name, isDryRun: false, kind: 'settle', className })
    }
    return { decisions }
  }
}

/** Sees to it that nothing is needed of nodes that are draining: what they hold is copied to where it belongs without them, and what is
 *  there already is read. A node is drained once that is so, and no layout has it, so that nothing new comes. */
export class DrainTask implements TaskKind {
  readonly name = 'drain'
  readonly batchMax = BATCH_MAX
  readonly removes = false
  readonly #options: MoveTaskOptions
  readonly #mover: ChunkMover

  constructor(options: MoveTaskOptions) {
    this.#options = options
    this.#mover = new ChunkMover(options, true)
  }

  mark(view: ClusterView): string {
    return `${view.layoutMark}, ${this.nodes(view).toSorted().join(' ')}`
  }

  nodes(view: ClusterView): readonly NodeId[] {
    return view.nodesIn('draining')
  }

  isDue(state: TaskState, view: ClusterView, nowMs: number): boolean {
    const { rebalanceEveryMs, retryMs } = this.#options.timing
    const isNeeded = this.nodes(view).length > 0
    return isNeeded && isWalkDue(state, { mark: this.mark(view), nowMs }, { everyMs: rebalanceEveryMs, retryMs })
  }

  async plan(chunks: readonly WalkedChunk[], batch: WalkBatch, step: Step): Promise<BatchPlan> {
    for (const { id, classes } of chunks) {
      const { targets, substitutes, copies } = step.view.wanted(id, classes)
      if (targets.length + substitutes.length < copies) step.leave(id, 'there are too few other nodes to drain this one')
    }
    // Nobody else was listed: what others have is asked for chunk by chunk.
    return this.#mover.plan(chunks, { ...batch, answered: [] }, step)
  }

  async act(plan: ChunkPlan, step: Step): Promise<void> {
    await this.#options.work.restore(plan, step)
  }

  async end({ view }: Step): Promise<WalkEnd> {
    const decisions: Decision[] = []
    for (const node of this.nodes(view)) {
      if (view.isInLayouts(node)) continue
      this.#options.log.info('a node is drained', { node })
      await this.#options.outcomes.drained(node)
      decisions.push({ atMs: this.#options.clock.nowMs(), task: this.name, isDryRun: false, kind: 'drained', from: node })
    }
    return { decisions }
  }
}
