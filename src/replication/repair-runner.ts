import { isShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { ChunkRepairer } from './chunk-repairer.ts'
import type { RepairQueue, RepairRequest } from './repair-queue.ts'

/** How often it looks whether something waits. */
const IDLE_MS = 250
/** A repair that could not be completed, since a node is away, is tried again after that. */
const RETRY_MS = 10_000
/** So many wait for that at most; what is beyond is left to the next comparison of what is with what should be. */
const RETRIES_MAX = 10_000

export interface RepairSource {
  readonly queue: RepairQueue
  readonly repairer: Pick<ChunkRepairer, 'repair'>
}

export interface RepairRunnerOptions {
  /** Asked each time: classes come and go. */
  readonly sources: () => readonly RepairSource[]
  readonly clock: Clock
  readonly log: Log
}

/** Carries out the repairs that writes and reads have asked for, one after the other, the most urgent of each class first. */
export class RepairRunner {
  readonly #options: RepairRunnerOptions
  readonly #stop = new AbortController()
  readonly #retries = new Map<RepairRequest, { readonly source: RepairSource; readonly atMs: number }>()
  #running: Promise<void> = Promise.resolve()

  constructor(options: RepairRunnerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Waits for the repair that is under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, sources } = this.#options
    while (!this.#stop.signal.aborted) {
      this.#comeBack()
      let isIdle = true
      for (const source of sources()) {
        const request = source.queue.take()
        if (request === undefined || this.#stop.signal.aborted) continue
        isIdle = false
        await this.#repair(source, request)
      }
      try {
        if (isIdle) await clock.sleep(IDLE_MS, this.#stop.signal)
      } catch (error) {
        if (!isShoalError(error, 'CANCELLED')) throw error
      }
    }
  }

  async #repair(source: RepairSource, request: RepairRequest): Promise<void> {
    const { clock, log } = this.#options
    try {
      const { result, copies } = await source.repairer.repair(request.chunk)
      // It may also have been removed since.
      if (result === 'lost') log.warn('no copy of a chunk was found to repair it from', { chunk: request.chunk })
      if (result !== 'incomplete' || this.#retries.size >= RETRIES_MAX) return
      this.#retries.set({ ...request, copies }, { source, atMs: clock.monotonicMs() + RETRY_MS })
    } catch (error) {
      log.warn('a chunk could not be repaired', { chunk: request.chunk, error })
    }
  }

  /** In the order in which they have to. */
  #comeBack(): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const [request, { source, atMs }] of this.#retries) {
      if (atMs > nowMs) return
      this.#retries.delete(request)
      source.queue.offer(request)
    }
  }
}
