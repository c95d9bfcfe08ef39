import { fstatSync, lstatSync, readdirSync, unlinkSync } from 'node:fs'
import { joinLocalBytes, withLocalPath } from './local-path.ts'

const PART_NAME = /^\.shoal-[0-9a-f]{12}-\d+\.part$/
/** A copy that is alive writes more often: it gives up a connection on which nothing arrives for so long. */
const STALE_MS = 60 * 60_000
/** Directories remembered as done. */
const DIRECTORIES_MAX = 10_000

export function partName(runId: string, number: number): string {
  return `.shoal-${runId}-${number}.part`
}

/** Removes what copies that were killed have left in the directories to which this run copies. */
export class StaleParts {
  readonly #done = new Set<string>()
  readonly #nowMs: (fd: number) => number

  /** `nowMs`: the time by the clock of the file system that a file is in, which has just been changed. */
  constructor(nowMs = (fd: number): number => fstatSync(fd).ctimeMs) {
    this.#nowMs = nowMs
  }

  /** `fd` has just been made in `directory`: its time is the file system's own, whose clock may be another. Best effort. */
  removeFrom(directory: Buffer, fd: number): void {
    const key = directory.toString('latin1')
    if (this.#done.has(key)) return
    if (this.#done.size >= DIRECTORIES_MAX) this.#done.clear()
    this.#done.add(key)
    try {
      const nowMs = this.#nowMs(fd)
      for (const name of withLocalPath(directory, (path) => readdirSync(path, { encoding: 'buffer' }))) {
        if (!PART_NAME.test(name.toString('latin1'))) continue
        withLocalPath(joinLocalBytes(directory, name), (path) => {
          // The time of the last change of any kind, which nobody can set.
          if (nowMs - lstatSync(path).ctimeMs > STALE_MS) unlinkSync(path)
        })
      }
    } catch {
      // Another run was quicker, or the directory can't be read: nothing that must keep a copy from being made.
    }
  }
}
