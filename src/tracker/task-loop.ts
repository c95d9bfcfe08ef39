import { InvariantError } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { BudgetLimits } from './budget.ts'
import type { StepResult, TaskRunner } from './task-runner.ts'
import type { TaskState } from './task-state.ts'
import type { TaskTiming } from './task-timing.ts'

export interface TaskLoopOptions {
  readonly runner: TaskRunner
  readonly clock: Clock
  readonly log: Log
  readonly timing: Pick<TaskTiming, 'pollMs'>
}

/** After a step that failed: a node or a shard that is restarting is back by then. */
const FAILED_WAIT_MS = 1_000

/** Takes the steps of one task, one after the other, unless it is paused. */
export class TaskLoop {
  readonly #options: TaskLoopOptions
  #isStopped = false
  #result: StepResult = 'idle'
  /** Ends the step, and the wait, that is under way. */
  #interrupt = new AbortController()
  #running: Promise<void> = Promise.resolve()
  /** Changes of the state, one after the other. */
  #changes: Promise<void> = Promise.resolve()
  #changing = 0
  /** The step that is under way; it never rejects. */
  #stepping: Promise<unknown> = Promise.resolve()

  constructor(options: TaskLoopOptions) {
    this.#options = options
  }

  get state(): TaskState {
    return this.#options.runner.state
  }

  get leftOut(): TaskRunner['leftOut'] {
    return this.#options.runner.leftOut
  }

  get activity(): 'paused' | 'running' | 'waiting' | 'idle' {
    if (this.state.isPaused) return 'paused'
    if (this.#result === 'waiting') return 'waiting'
    return this.state.isWalking || this.#result === 'worked' ? 'running' : 'idle'
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#interrupt.abort(interrupted())
    await this.#running
    // What isn't saved is done again.
    if (this.state.isWalking) await this.#options.runner.change({}).catch(() => {})
  }

  pause(): Promise<void> {
    return this.#change({ isPaused: true })
  }

  resume(): Promise<void> {
    return this.#change({ isPaused: false })
  }

  /** What is behind a walk that is under way may be other than it was: another one follows it. */
  askAgain(): Promise<void> {
    return this.#change({ isAsked: true })
  }

  ask(budget: BudgetLimits | undefined): Promise<void> {
    const { isDryRun, isWalking } = this.state
    return this.#change({
      ...(isWalking ? {} : { isAsked: true }),
      // Who asks for a dry run wants it now, also while the task itself is paused.
      ...(isDryRun ? { isPaused: false } : {}),
      ...(budget === undefined ? {} : { budget }),
    })
  }

  /** Stops the step that is under way, then changes the state. */
  async #change(changes: Partial<TaskState>): Promise<void> {
    this.#changing += 1
    this.#interrupt.abort(interrupted())
    const change = this.#changes.then(async () => {
      await this.#stepping
      await this.#options.runner.change(changes)
    })
    this.#changes = change.catch(() => {})
    try {
      await change
    } finally {
      this.#changing -= 1
      this.#interrupt.abort(interrupted())
    }
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      this.#interrupt = new AbortController()
      const { signal } = this.#interrupt
      if (this.state.isPaused || this.#changing > 0) await this.#sleep(this.#options.timing.pollMs, signal)
      else await this.#sleep(await this.#takeStep(signal), signal)
    }
  }

  /** @returns how long to wait before the next one */
  async #takeStep(signal: AbortSignal): Promise<number> {
    const { runner, log, timing } = this.#options
    if (runner.waitMs > 0) return runner.waitMs
    const step = runner.step(signal)
    this.#stepping = step.catch(() => {})
    try {
      this.#result = await step
      return this.#result === 'worked' ? 0 : timing.pollMs
    } catch (error) {
      if (error instanceof InvariantError) throw error
      if (signal.aborted) return 0
      log.warn('a step of the tracker failed, it is done again', { error })
      return FAILED_WAIT_MS
    }
  }

  async #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    if (delayMs > 0) await this.#options.clock.sleep(delayMs, signal).catch(() => {})
    // A task with a lot to do gives others their turn.
    else await new Promise<void>((resolve) => void setImmediate(resolve))
  }
}

function interrupted(): ShoalError {
  return new ShoalError('CANCELLED', 'The step was interrupted')
}
