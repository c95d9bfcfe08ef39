import { ShoalError } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'

/** POSIX' limit for a symbolic link's target, PATH_MAX without its NUL. */
const TARGET_BYTES_MAX = 4095

/** @throws INVALID_ARGUMENT */
export function checkTarget(target: Buffer): void {
  if (target.length >= 1 && target.length <= TARGET_BYTES_MAX) return
  throw new ShoalError('INVALID_ARGUMENT', `A link's target has 1 to ${TARGET_BYTES_MAX} bytes, not ${target.length}`)
}

/** Where the link at `from` leads; `undefined` if that is out of the volume. */
export function linkTarget(from: Path, target: string): Path | undefined {
  if (target.startsWith('/')) return undefined
  const names = from.slice(0, -1)
  for (const name of target.split('/')) {
    if (name === '' || name === '.') continue
    if (name !== '..') names.push(name)
    else if (names.pop() === undefined) return undefined
  }
  return names
}
