import type { Path } from '#foundation/path.ts'

const LOCK_NAME = /\.lock$|^\.?lock$|lockfile/i

/** Whether it has a name with which programs of several machines keep each other out: that is made in the cluster before `open` or `mkdir`
 *  answers, and removed when the cluster has all that was changed before. */
export function isLockFile(path: Path): boolean {
  return LOCK_NAME.test(path.at(-1) ?? '')
}
