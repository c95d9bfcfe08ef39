import type { DiskChunkStore } from '#chunk/disk.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'

/** Copied in one step; the pause behind it keeps the share of the disk small: at most some 16 MiB/s. */
const STEP_BYTES = 4 * 1024 * 1024
const PAUSE_MS = 250

/** Gives back the dead space in packs, a step at a time, for as long as the node runs. */
export class PackCompactor {
  readonly #disk: DiskChunkStore
  readonly #clock: Clock
  readonly #log: Log
  readonly #intervalMs: number
  readonly #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  /** `intervalMs`: how often it looks for packs that are worth it. */
  constructor(disk: DiskChunkStore, options: { readonly clock: Clock; readonly log: Log; readonly intervalMs: number }) {
    this.#disk = disk
    this.#clock = options.clock
    this.#log = options.log
    this.#intervalMs = options.intervalMs
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Waits for the step that is under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let idle = true
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(idle ? this.#intervalMs : PAUSE_MS, signal)
        const step = await this.#disk.compact({ budgetBytes: STEP_BYTES, signal })
        idle = step.idle
      } catch (error) {
        if (isShoalError(error, 'CANCELLED')) return
        idle = true
        this.#log.warn('compaction of packs failed, it is tried again', { error })
      }
    }
  }
}
