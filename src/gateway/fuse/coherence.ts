import type { InodeId } from '#foundation/ids.ts'

/** While the volume's changes are told: the kernel is told of each, so that the time only bounds what a defect could do. */
const TOLD_MS = 60 * 60 * 1000
/** While they aren't. */
const UNTOLD_MS = 1000
/** Of how many inodes it is remembered that others changed them. */
const CHANGED_MAX = 10_000

/** For how long the kernel may go on with an answer.
 *
 *  An answer may be older than a change that the mount hears of before the answer is given: the kernel was told of the change
 *  when it had nothing to drop, and would keep the answer. Such an answer is good for this once only. */
export class Coherence {
  /** Whether each change of others is told as it happens. */
  isTold = false
  /** Whether all names can be dropped at once, those that are known to be absent too. */
  dropsNames = false
  #count = 0
  /** The last change of each inode, in the order of the changes. */
  readonly #changed = new Map<InodeId, number>()
  /** Of what was before this, changes may have been forgotten. */
  #forgotten = 0

  /** To be taken before the volume is asked. */
  mark(): number {
    return this.#count
  }

  /** Others have changed an inode, or what is in it. */
  changed(inode: InodeId): void {
    this.#count += 1
    this.#changed.delete(inode)
    this.#changed.set(inode, this.#count)
    if (this.#changed.size <= CHANGED_MAX) return
    const [oldest, count] = this.#changed.entries().next().value as [InodeId, number]
    this.#changed.delete(oldest)
    this.#forgotten = count
  }

  /** Nobody knows what has changed. */
  changedAll(): void {
    this.#count += 1
    this.#forgotten = this.#count
    this.#changed.clear()
  }

  /** Of an answer about these inodes that was asked for at `mark`. */
  validMs(mark: number, ...inodes: readonly InodeId[]): number {
    if (!this.isTold) return UNTOLD_MS
    if (mark < this.#forgotten) return 0
    return inodes.some((inode) => (this.#changed.get(inode) ?? 0) > mark) ? 0 : TOLD_MS
  }

  /** That a directory has no such name. */
  absentMs(mark: number, directory: InodeId): number {
    const validMs = this.validMs(mark, directory)
    return this.dropsNames ? validMs : Math.min(validMs, UNTOLD_MS)
  }
}
