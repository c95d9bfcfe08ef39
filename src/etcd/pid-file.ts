import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { Files } from '#platform/files.ts'
import type { Child, Processes } from '#platform/processes.ts'

/** The kernel takes a killed process away at once, unless it is waiting for a disk. */
const GONE_WITHIN_MS = 10_000
const LOOK_AGAIN_MS = 20

export interface PidFileOptions {
  readonly files: Files
  readonly processes: Processes
  readonly clock: Clock
  readonly path: string
  /** One of the arguments by which the program is known: nothing without it is ever ended. */
  readonly argument: string
}

/** Remembers which process a child is, for the start after one that was cut short. */
export class PidFile {
  readonly #options: PidFileOptions

  constructor(options: PidFileOptions) {
    this.#options = options
  }

  async write({ pid }: Child): Promise<void> {
    const { files, processes, path } = this.#options
    const startMark = (await processes.facts(pid))?.startMark
    await files.publish(path, [Buffer.from(`${JSON.stringify({ pid, startMark })}\n`)], { mode: 0o600 })
  }

  async remove(): Promise<void> {
    await this.#options.files.remove(this.#options.path)
  }

  /** Kills the process in the file, if that is still the one that was written down; answers its number.
   *  @throws UNAVAILABLE: it doesn't end */
  async endLeftover(): Promise<number | undefined> {
    const { processes, clock } = this.#options
    const pid = await this.#leftover()
    if (pid === undefined) return undefined
    processes.signal(pid, 'SIGKILL')
    const endMs = clock.monotonicMs() + GONE_WITHIN_MS
    while ((await this.#leftover()) !== undefined) {
      if (clock.monotonicMs() > endMs) {
        throw new ShoalError(
          'UNAVAILABLE',
          `Process ${pid}, left over from an earlier start, does not end: end it, then start again`,
        )
      }
      await clock.sleep(LOOK_AGAIN_MS)
    }
    return pid
  }

  /** Numbers are used again, so the start has to be the same and the argument has to be there. */
  async #leftover(): Promise<number | undefined> {
    const { files, processes, path, argument } = this.#options
    const written = parseObject(await files.read(path))
    if (written === undefined || !Number.isSafeInteger(written.pid)) return undefined
    const pid = written.pid as number
    const facts = await processes.facts(pid)
    if (facts === undefined || facts.startMark !== written.startMark || !facts.args.includes(argument)) return undefined
    return pid
  }
}

function parseObject(bytes: Buffer | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(String(bytes))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
