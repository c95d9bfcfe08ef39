import type { ChunkId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { atOnce } from './at-once.ts'
import { Budget } from './budget.ts'
import type { BudgetLimits, Cost } from './budget.ts'
import { ChunkWalk } from './chunk-walk.ts'
import type { WalkBatch } from './chunk-walk.ts'
import { ClusterView } from './cluster-view.ts'
import type { ClusterSource, Referenced } from './ports.ts'
import { ShoalError } from '#foundation/errors.ts'
import { decisionsOf } from './plan-decisions.ts'
import { scrubBytesPerSecond } from './scrub-task.ts'
import type { ChunkPlan, Step, TaskKind, WalkedChunk } from './task-kind.ts'
import { NO_COUNTERS, withCounts } from './task-state.ts'
import type { TaskCounters, TaskState } from './task-state.ts'
import type { Decision, TaskCommit, TaskStore } from './task-store.ts'
import type { TaskTiming } from './task-timing.ts'
import type { CountWork } from './tracker-metrics.ts'

export interface TaskRunnerOptions {
  readonly kind: TaskKind
  readonly state: TaskState
  readonly source: ClusterSource
  readonly holders: ConstructorParameters<typeof ChunkWalk>[0]['holders']
  readonly referenced: Referenced
  readonly store: TaskStore
  readonly clock: Clock
  readonly log: Log
  readonly timing: TaskTiming
  /** Chunks that are worked on at a time. */
  readonly inFlightMax: number
  /** Told of what a task has done that is no dry run. */
  readonly counted?: CountWork
}

/** Each of the reasons is one sentence of the tracker's own, so that there are few. */
export interface LeftOut {
  readonly why: string
  readonly times: number
}

/** What a step came to: `worked`, and there may be more; `idle`: nothing is due; `waiting`: not now. */
export type StepResult = 'worked' | 'idle' | 'waiting'

/** One task, step by step: each is a page of its walk or a few repairs. A step that is cut off leaves the state as it was, and is
 *  done again; so does a successor what was done since the last save. */
export class TaskRunner {
  readonly #options: TaskRunnerOptions
  readonly #budget: Budget
  readonly #startedMs: number
  #state: TaskState
  #walk: ChunkWalk | undefined
  #savedMs: number
  /** When a commit last succeeded. */
  #provenMs = Number.NEGATIVE_INFINITY
  #waitedMs = 0
  /** Since this node leads, and of the walk that is under way or was last. */
  readonly #leftOut = new Map<string, number>()

  constructor(options: TaskRunnerOptions) {
    this.#options = options
    this.#state = options.state
    this.#startedMs = this.#savedMs = options.clock.monotonicMs()
    this.#budget = new Budget(options.state.budget, this.#startedMs)
  }

  get state(): TaskState {
    return this.#state
  }

  /** Why something was left for later, and how often. */
  get leftOut(): readonly LeftOut[] {
    return [...this.#leftOut].map(([why, times]) => ({ why, times }))
  }

  get waitMs(): number {
    return this.#budget.waitMs(this.#options.clock.monotonicMs())
  }

  /** Replaces parts of the state, durably. No step may be under way. */
  async change(changes: Partial<TaskState>): Promise<void> {
    const next = { ...this.#state, ...changes }
    await this.#commit({ states: [next] })
    this.#state = next
    if (changes.budget !== undefined) this.#budget.change(changes.budget, this.#options.clock.monotonicMs())
  }

  /** @throws CANCELLED when `signal` is aborted; what the ports throw: the step is to be done again */
  async step(signal: AbortSignal): Promise<StepResult> {
    const { clock } = this.#options
    const beganMs = clock.monotonicMs()
    this.#waitedMs = 0
    try {
      return await this.#step(signal)
    } finally {
      const nowMs = clock.monotonicMs()
      this.#budget.spend({ busyMs: nowMs - beganMs - this.#waitedMs }, nowMs)
    }
  }

  async #step(signal: AbortSignal): Promise<StepResult> {
    const { kind, source, clock, timing } = this.#options
    const view = ClusterView.of(source)
    if (kind.removes && clock.monotonicMs() - this.#startedMs < timing.holdOffMs) return 'waiting'
    const answering = view.nodes.filter((node) => view.stateOf(node) !== 'silent')
    if (!view.isQuorum(answering.length)) return 'waiting'
    const step = this.#newStep(view, signal)
    const queued = this.#state.isDryRun ? [] : ((await kind.takeQueued?.(step)) ?? [])
    if (queued.length > 0) await this.#carryOut(queued, { step })
    const result = queued.length > 0 ? 'worked' : 'idle'
    if (!this.#state.isWalking && !this.#isDue(view)) return result
    if (kind.hasRoom?.() === false && !this.#state.isDryRun) return queued.length > 0 ? 'worked' : 'waiting'
    const mark = kind.mark(view)
    if (!this.#state.isWalking || (this.#state.mark !== mark && !this.#state.isDryRun)) await this.#begin(mark, step)
    return this.#walkOn(this.#newStep(view, signal))
  }

  #isDue(view: ClusterView): boolean {
    const { kind, clock } = this.#options
    return this.#state.isAsked || (!this.#state.isDryRun && kind.isDue(this.#state, view, clock.nowMs()))
  }

  async #begin(mark: string, step: Step): Promise<void> {
    const { kind, clock } = this.#options
    const expectedBytes = (await kind.expectedBytes?.(step)) ?? 0
    this.#walk = undefined
    this.#leftOut.clear()
    this.#state = {
      ...this.#state,
      isWalking: true,
      isAsked: false,
      isIncomplete: false,
      walk: this.#state.walk + 1,
      cursor: undefined,
      level: 1,
      mark,
      expectedBytes,
      startedAtMs: clock.nowMs(),
      counters: NO_COUNTERS,
    }
    await this.#commit({ states: [this.#state] })
  }

  async #walkOn(step: Step): Promise<StepResult> {
    const { kind, referenced, holders, clock } = this.#options
    const { cursor } = this.#state
    this.#walk ??= new ChunkWalk({ holders, clock, from: cursor, limit: kind.batchMax })
    const nodes = kind.nodes(step.view)
    await step.pace({ ops: nodes.length })
    const batch = await this.#walk.peek(nodes, step.signal)
    const isPart = batch.answered.length < nodes.length
    // Of a drain only those that drain are listed; the others are asked for each chunk.
    if (kind.name !== 'drain' && !step.view.isQuorum(batch.answered.length)) return 'waiting'
    if (isPart) step.leave(undefined, 'a node does not list its chunks')
    const classesOf = batch.chunks.length === 0 ? undefined : await referenced(batch.chunks.map(({ id }) => id))
    const chunks = batch.chunks.map((chunk): WalkedChunk => ({ ...chunk, classes: classesOf?.get(chunk.id) ?? [] }))
    const { plans, suspects } = await kind.plan(chunks, batch, step)
    const range = { from: cursor, to: batch.next }
    const marks = suspects === undefined || this.#state.isDryRun ? {} : { suspects: { range, found: suspects } }
    await this.#carryOut(plans, { step, commit: marks })
    this.#count({ chunks: chunks.length })
    await this.#advance(batch, step)
    return 'worked'
  }

  async #advance({ next }: WalkBatch, step: Step): Promise<void> {
    const { clock, timing } = this.#options
    if (next === undefined) return this.#finish(step)
    this.#walk?.advance(next)
    this.#state = { ...this.#state, cursor: next }
    if (clock.monotonicMs() - this.#savedMs >= timing.saveMs) await this.#commit({ states: [this.#state] })
  }

  async #finish(step: Step): Promise<void> {
    const { kind, clock, log } = this.#options
    const { isIncomplete, isDryRun, task, counters } = this.#state
    // What was left out proves nothing, but doesn't hold up the levels of a repair.
    const mayEnd = !isDryRun && (!isIncomplete || kind.name === 'repair')
    const { decisions = [], level } = (mayEnd ? await kind.end?.({ ...step, state: this.#state }) : undefined) ?? {}
    this.#walk = undefined
    this.#state =
      level === undefined
        ? {
            ...this.#state,
            isWalking: false,
            cursor: undefined,
            finishedAtMs: clock.nowMs(),
            completedAtMs: isIncomplete ? this.#state.completedAtMs : clock.nowMs(),
          }
        : { ...this.#state, level, cursor: undefined }
    if (level === undefined) log.info('a walk of the tracker has ended', { task, isDryRun, isIncomplete, ...counters })
    await this.#commit({ states: [this.#state], decisions })
  }

  /** Decisions are on the log before anything is done about them. */
  async #carryOut(plans: readonly ChunkPlan[], { step, commit = {} }: { step: Step; commit?: TaskCommit }): Promise<void> {
    const { kind, clock, log, inFlightMax } = this.#options
    const { isDryRun } = this.#state
    const decisions = plans.flatMap((plan) => decisionsOf(plan, { atMs: clock.nowMs(), task: kind.name, isDryRun }))
    for (const decision of decisions) log.info('the tracker has decided', { ...decision })
    if (decisions.length > 0 || commit.suspects !== undefined) await this.#commit({ ...commit, decisions })
    if (isDryRun) for (const plan of plans) this.#state = withCounts(this.#state, wouldCount(plan))
    else await atOnce(plans, inFlightMax, (plan) => kind.act(plan, step))
  }

  async #commit(commit: TaskCommit & { readonly decisions?: readonly Decision[] }): Promise<void> {
    const { store, clock } = this.#options
    const askedMs = clock.monotonicMs()
    await store.commit(commit)
    // By the time of the question: what came between doesn't count.
    this.#provenMs = askedMs
    if (commit.states !== undefined) this.#savedMs = clock.monotonicMs()
  }

  #newStep(view: ClusterView, signal: AbortSignal): Step {
    return {
      view,
      state: this.#state,
      signal,
      pace: (cost) => this.#pace(cost, signal),
      count: (counts) => this.#count(counts),
      leave: (chunk, why, error) => this.#leave({ chunk, why, error }),
      fence: () => this.#fence(view),
    }
  }

  async #pace(cost: Cost, signal: AbortSignal): Promise<void> {
    const { kind, clock, timing } = this.#options
    if (kind.name === 'scrub') this.#goByPeriod(timing)
    for (;;) {
      signal.throwIfAborted()
      const nowMs = clock.monotonicMs()
      const waitMs = this.#budget.waitMs(nowMs)
      if (waitMs === 0) return this.#budget.spend(cost, nowMs)
      await clock.sleep(waitMs, signal)
      // Several wait at the same time, and each counts: what is over is never taken for work.
      this.#waitedMs = Math.max(this.#waitedMs, clock.monotonicMs() - nowMs)
    }
  }

  #goByPeriod(timing: TaskTiming): void {
    const { clock } = this.#options
    const { budget } = this.#state
    const derived = scrubBytesPerSecond(this.#state, timing, clock.nowMs())
    const limits: BudgetLimits = { ...budget, bytesPerSecond: Math.min(budget.bytesPerSecond ?? derived, derived) }
    this.#budget.change(limits, clock.monotonicMs())
  }

  #leave({ chunk, why, error }: { chunk: ChunkId | undefined; why: string; error: unknown }): void {
    const { kind, log } = this.#options
    this.#state = { ...this.#state, isIncomplete: true }
    this.#count({ failed: 1 })
    this.#leftOut.set(why, (this.#leftOut.get(why) ?? 0) + 1)
    log.debug('the tracker has left something for later', { task: kind.name, chunk, why, error })
  }

  #count(counts: Partial<TaskCounters>): void {
    this.#state = withCounts(this.#state, counts)
    if (!this.#state.isDryRun) this.#options.counted?.(this.#state.task, counts)
  }

  async #fence(view: ClusterView): Promise<void> {
    const { source, clock, timing } = this.#options
    if (ClusterView.of(source).mark !== view.mark) {
      throw new ShoalError('CONFLICT', 'The cluster has changed since it was decided what to remove')
    }
    if (clock.monotonicMs() - this.#provenMs >= timing.fenceMs) await this.#commit({ states: [this.#state] })
  }
}

function wouldCount({ copyTo, replaceAt, removeFrom, sizeBytes }: ChunkPlan): Partial<TaskCounters> {
  const copies = copyTo.length + replaceAt.length
  return {
    copies,
    copiedBytes: copies * sizeBytes,
    removed: removeFrom.length,
    removedBytes: removeFrom.length * sizeBytes,
  }
}
