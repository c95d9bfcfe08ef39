import type { InodeId } from '#foundation/ids.ts'
import { ChangeMarks } from './change-marks.ts'

/** While the volume's changes are told: the kernel is told of each, so that the time only bounds what a defect could do. */
const TOLD_MS = 60 * 60 * 1000
/** While they aren't. */
const UNTOLD_MS = 1000

/** For how long the kernel may go on with an answer.
 *
 *  An answer may be older than a change that the mount hears of before the answer is given: the kernel was told of the change
 *  when it had nothing to drop, and would keep the answer. Such an answer is good for this once only. */
export class Coherence {
  /** Whether each change of others is told as it happens. */
  isTold = false
  /** Whether all names can be dropped at once, those that are known to be absent too. */
  dropsNames = false
  readonly #marks = new ChangeMarks<InodeId>()

  /** To be taken before the volume is asked. */
  mark(): number {
    return this.#marks.mark()
  }

  /** Others have changed an inode, or what is in it. */
  changed(inode: InodeId): void {
    this.#marks.changed(inode)
  }

  /** Nobody knows what has changed. */
  changedAll(): void {
    this.#marks.changedAll()
  }

  /** Of an answer about these inodes that was asked for at `mark`. */
  validMs(mark: number, ...inodes: readonly InodeId[]): number {
    if (!this.isTold) return UNTOLD_MS
    return this.#marks.isChanged(mark, ...inodes) ? 0 : TOLD_MS
  }

  /** That a directory has no such name. */
  absentMs(mark: number, directory: InodeId): number {
    const validMs = this.validMs(mark, directory)
    return this.dropsNames ? validMs : Math.min(validMs, UNTOLD_MS)
  }
}
