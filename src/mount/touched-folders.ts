import { isShoalError } from '#foundation/errors.ts'
import { type Path, parsePath } from '#foundation/path.ts'
import type { MountableVolume } from '#gateway/fuse/own-volume.ts'
import type { Clock } from '#platform/clock.ts'
import type { Caller } from '#volume/volume.ts'

/** Of what is changed in a directory next, something is mostly sent, which gives it the time. */
const REST_MS = 200
const RETRY_MS_MAX = 10_000

export interface TouchedFoldersOptions {
  readonly volume: Pick<MountableVolume, 'stat' | 'setAttributes'>
  readonly caller: Caller
  readonly clock: Clock
  /** Whether something in a directory, or of it, is pending. */
  readonly isPending: (folder: string) => boolean
  /** The cluster has the time of a directory. */
  readonly onTold: (folder: string) => void
}

/** Directories in which something was made and removed again before it was sent: they have the time of that all the same. It is sent by itself,
 *  unless something else is sent that changes the directory. A mount that is killed before loses it. */
export class TouchedFolders {
  readonly #options: TouchedFoldersOptions
  readonly #times = new Map<string, bigint>()
  readonly #stop = new AbortController()
  #isSending = false

  constructor(options: TouchedFoldersOptions) {
    this.#options = options
  }

  /** When something in a directory was changed last of which the cluster isn't told by itself. */
  timeNs(folder: string): bigint | undefined {
    return this.#times.get(folder)
  }

  touched(folder: string, timeNs: bigint): void {
    this.#times.set(folder, timeNs)
    if (!this.#isSending) void this.#sendAll()
  }

  /** The directory has got another time meanwhile, or is gone. */
  over(folder: string): void {
    this.#times.delete(folder)
  }

  /** Sends that of a directory, or all. @throws what the cluster says */
  async flush(folder?: string): Promise<void> {
    for (const one of folder === undefined ? [...this.#times.keys()] : [folder]) await this.#send(one)
  }

  stop(): void {
    this.#stop.abort()
  }

  async #sendAll(): Promise<void> {
    const { clock, isPending } = this.#options
    this.#isSending = true
    for (let waitMs = REST_MS; this.#times.size > 0 && !this.#stop.signal.aborted;) {
      await clock.sleep(waitMs, this.#stop.signal).catch(() => undefined)
      if (this.#stop.signal.aborted) return
      try {
        for (const folder of [...this.#times.keys()]) if (!isPending(folder)) await this.#send(folder)
        waitMs = REST_MS
      } catch {
        waitMs = Math.min(2 * waitMs, RETRY_MS_MAX)
      }
    }
    this.#isSending = false
  }

  async #send(folder: string): Promise<void> {
    const { volume, caller, onTold } = this.#options
    const timeNs = this.#times.get(folder)
    if (timeNs === undefined) return
    const path: Path = folder === '' ? [] : parsePath(folder)
    try {
      const there = await volume.stat(path)
      // Whatever has changed it later stays.
      if (there?.type === 'directory' && there.mtimeNs < timeNs) await volume.setAttributes(path, { mtimeNs: timeNs }, caller)
    } catch (error) {
      if (!isGone(error)) throw error
    }
    if (this.#times.get(folder) === timeNs) this.#times.delete(folder)
    onTold(folder)
  }
}

/** There is nothing to be told of any more, or no way to. */
function isGone(error: unknown): boolean {
  const codes = ['NOT_FOUND', 'NOT_A_DIRECTORY', 'NOT_PERMITTED', 'FORBIDDEN', 'UNSUPPORTED'] as const
  return codes.some((code) => isShoalError(error, code))
}
