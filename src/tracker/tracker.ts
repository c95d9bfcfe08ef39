import { ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import { RepairQueue } from '#replication/repair-queue.ts'
import type { RepairRequest } from '#replication/repair-queue.ts'
import type { BudgetLimits } from './budget.ts'
import { ChunkWork } from './chunk-work.ts'
import { CollectTask } from './collect-task.ts'
import { DrainTask, RebalanceTask } from './move-tasks.ts'
import { FullNodes } from './full-nodes.ts'
import type { ClusterSource, Holders, Outcomes, Referenced, TrackerMember } from './ports.ts'
import { RepairTask } from './repair-task.ts'
import { ScrubTask } from './scrub-task.ts'
import type { TaskKind } from './task-kind.ts'
import { TaskLoop } from './task-loop.ts'
import { progressOf } from './task-progress.ts'
import type { TaskProgress } from './task-progress.ts'
import { newTaskState, TASKS } from './task-state.ts'
import type { TaskName, TaskState } from './task-state.ts'
import { TaskRunner } from './task-runner.ts'
import type { LeftOut } from './task-runner.ts'
import type { Decision, TaskStore } from './task-store.ts'
import { DEFAULT_TIMING } from './task-timing.ts'
import type { TaskTiming } from './task-timing.ts'
import { trackerMetrics } from './tracker-metrics.ts'
import type { CountWork } from './tracker-metrics.ts'
import { TrimTask } from './trim-task.ts'

export interface TrackerOptions {
  readonly source: ClusterSource
  readonly holders: Holders
  readonly referenced: Referenced
  readonly outcomes: Outcomes
  readonly store: TaskStore
  /** Where others put the chunks of which they have met a copy that is corrupt or missing; one of its own unless given. */
  readonly reported?: RepairQueue
  readonly clock: Clock
  readonly log: Log
  readonly metrics?: Metrics | undefined
  readonly timing?: Partial<TaskTiming>
  /** What tasks may use for which nobody has said otherwise. */
  readonly budgets?: Partial<Readonly<Record<TaskName, BudgetLimits>>>
  /** Chunks that each task works on at a time. */
  readonly inFlightMax?: number
}

export interface TaskStatus {
  readonly state: TaskState
  readonly progress: TaskProgress
  /** `paused`; `running`: a walk or repairs are under way; `waiting`: for others, or for a quorum; `idle`. */
  readonly activity: 'paused' | 'running' | 'waiting' | 'idle'
  /** Why something was left for later in the walk that is under way or was last, as far as this node led meanwhile. */
  readonly leftOut: readonly LeftOut[]
}

export interface TrackerStatus {
  readonly startedAtMs: number
  readonly tasks: readonly TaskStatus[]
  /** Chunks that wait for a repair. */
  readonly waitingRepairs: number
  /** The last ones, the newest first. */
  readonly decisions: readonly Decision[]
}

export interface RunRequest {
  readonly isDryRun?: boolean
  /** What the task may use from now on. */
  readonly budget?: BudgetLimits | undefined
}

const IN_FLIGHT_MAX = 8
const DECISIONS_SHOWN = 20

/** Keeps the chunks of the cluster where they belong, and only those. It runs where the system shard is led: start it when this node
 *  begins to lead, stop it when it no longer does. Where its tasks stand is in the store, so that the next leader goes on from there. */
export class Tracker {
  readonly #options: TrackerOptions
  readonly #timing: TaskTiming
  readonly #reported: RepairQueue
  readonly #source: FullNodes
  readonly #repair: RepairTask
  readonly #kinds: ReadonlyMap<TaskName, TaskKind>
  readonly #counted: CountWork
  #loops: readonly TaskLoop[] = []
  #startedAtMs = 0

  constructor(options: TrackerOptions) {
    this.#options = options
    this.#timing = { ...DEFAULT_TIMING, ...options.timing }
    const timing = this.#timing
    const reported = (this.#reported = options.reported ?? new RepairQueue())
    const source = (this.#source = new FullNodes({ ...options, fullMs: timing.fullMs }))
    const work = new ChunkWork({ ...options, reported, full: source })
    const common = { ...options, work, reported, timing }
    this.#repair = new RepairTask(common)
    const kinds: TaskKind[] = [
      this.#repair,
      new DrainTask(common),
      new RebalanceTask(common),
      new CollectTask(common),
      new ScrubTask(common),
      new TrimTask({ ...common, areOthersIdle: () => this.#areCopiesMade() }),
    ]
    this.#kinds = new Map(kinds.map((kind) => [kind.name, kind]))
    this.#counted = trackerMetrics(options.metrics, () => ({
      states: this.#loops.flatMap(({ state }) => (state.isDryRun ? [] : [state])),
      lacking: this.#repair.waiting,
    }))
  }

  /** Begins where the tasks were left. Then `stop`, before it is started again. @throws DATA_FORMAT, UNAVAILABLE */
  async start(): Promise<void> {
    const states = await this.#options.store.load()
    this.#startedAtMs = this.#options.clock.nowMs()
    const loops = TASKS.flatMap((task) => [this.#newLoop(task, false, states), this.#newLoop(task, true, states)])
    this.#loops = loops
    for (const loop of loops) loop.start()
  }

  /** Ends at once what is under way, and saves where the tasks are if this node still may. */
  async stop(): Promise<void> {
    const loops = this.#loops
    this.#loops = []
    await Promise.all(loops.map((loop) => loop.stop()))
  }

  /** A chunk of which somebody has met a copy that is corrupt or missing. */
  report(request: RepairRequest): void {
    this.#reported.offer(request)
  }

  /** As its tasks see them: those without room among them. */
  members(): readonly TrackerMember[] {
    return this.#source.members()
  }

  async status(): Promise<TrackerStatus> {
    const nowMs = this.#options.clock.nowMs()
    const shown = this.#loops.filter(({ state }) => !state.isDryRun || state.isWalking || state.isAsked || state.finishedAtMs > 0)
    const tasks = shown.map(({ state, activity, leftOut }): TaskStatus => ({
      state,
      activity,
      leftOut,
      progress: progressOf(state, nowMs),
    }))
    const decisions = await this.#options.store.decisions(DECISIONS_SHOWN)
    return { startedAtMs: this.#startedAtMs, tasks, waitingRepairs: this.#repair.waiting, decisions }
  }

  /** How far the walk of a task is that is under way. */
  walkFraction(task: TaskName): number | undefined {
    const state = this.#loops.find((loop) => loop.state.task === task && !loop.state.isDryRun)?.state
    return state?.isWalking === true ? progressOf(state, this.#options.clock.nowMs()).fraction : undefined
  }

  /** No call of the task, or of any, begins once this has resolved, also of a later leader. */
  async pause(task?: TaskName): Promise<void> {
    await Promise.all(this.#loopsOf(task).map((loop) => loop.pause()))
  }

  async resume(task?: TaskName): Promise<void> {
    await Promise.all(this.#loopsOf(task).map((loop) => loop.resume()))
  }

  /** Begins a walk of the task, unless one is under way; if the task is paused, once it is resumed. A dry run goes beside it, also while it
   *  is paused, and changes nothing but its own counters. */
  async run(task: TaskName, { isDryRun = false, budget }: RunRequest = {}): Promise<void> {
    const loop = this.#loopsOf(task).find(({ state }) => state.isDryRun === isDryRun)
    await loop?.ask(budget)
  }

  /** Where chunks belong has changed without any layout: all are looked at again, by the tasks that copy and those that remove copies. */
  async reconsider(): Promise<void> {
    const tasks: readonly TaskName[] = ['repair', 'rebalance', 'trim']
    const loops = tasks.flatMap((task) => this.#loopsOf(task)).filter(({ state }) => !state.isDryRun)
    await Promise.all(loops.map((loop) => loop.askAgain()))
  }

  #loopsOf(task: TaskName | undefined): readonly TaskLoop[] {
    if (this.#loops.length === 0) throw new ShoalError('UNAVAILABLE', 'The tracker does not run on this node')
    return this.#loops.filter(({ state }) => task === undefined || state.task === task)
  }

  #newLoop(task: TaskName, isDryRun: boolean, states: readonly TaskState[]): TaskLoop {
    const { budgets = {}, inFlightMax = IN_FLIGHT_MAX, log } = this.#options
    const known = states.find((state) => state.task === task && state.isDryRun === isDryRun)
    const state = known ?? newTaskState(task, budgets[task], isDryRun)
    const kind = this.#kinds.get(task) as TaskKind
    const runner = new TaskRunner({
      ...this.#options,
      counted: this.#counted,
      source: this.#source,
      kind,
      state,
      timing: this.#timing,
      inFlightMax,
    })
    return new TaskLoop({ ...this.#options, runner, timing: this.#timing, log: log.child({ task }) })
  }

  #areCopiesMade(): boolean {
    const isDraining = this.#options.source.members().some(({ state }) => state === 'draining')
    const busy = this.#loops.some(({ state: { task, isDryRun, isWalking, isIncomplete, finishedAtMs } }) => {
      if (isDryRun || (task !== 'repair' && task !== 'rebalance' && task !== 'drain')) return false
      // What a drain has left matters no more when nobody is drained any more.
      if (task === 'drain' && !isDraining) return false
      return isWalking || isIncomplete || finishedAtMs === 0
    })
    return !busy && this.#repair.waiting === 0
  }
}
