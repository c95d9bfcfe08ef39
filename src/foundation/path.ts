import { ShoalError } from './errors.ts'
import { encodeName, standsForBytes } from './name.ts'
import { MAX_KEY_BYTES, segmentOfName } from './object-key.ts'

/** The names from the volume's root down to an entry; the root itself is the empty list. Names as `decodeName` makes them. */
export type Path = readonly string[]

/** POSIX' NAME_MAX, in bytes. */
export const MAX_NAME_BYTES = 255
/** Longest path in bytes with its slashes: four times Linux' PATH_MAX, and still within the limit for HTTP headers when
 *  every byte is percent-encoded. */
export const MAX_PATH_BYTES = 16_384

/** Reads `a/b/c` as POSIX does, with or without a leading and a trailing slash; repeated slashes count as one. What could
 *  climb out of the volume or have no meaning in a name is refused.
 *  @throws INVALID_PATH for `.`, `..`, NUL, and surrogates that `decodeName` doesn't make; NAME_TOO_LONG */
export function parsePath(text: string): Path {
  const names = text.split('/').filter((name) => name !== '')
  for (const name of names) checkName(name)
  checkLength(names, text)
  return names
}

/** @throws INVALID_PATH, NAME_TOO_LONG */
export function checkName(name: string): void {
  if (name === '' || name === '.' || name === '..') {
    throw new ShoalError('INVALID_PATH', `The name "${name}" is not allowed in a path: write the path without "." and ".."`)
  }
  if (name.includes('\0') || name.includes('/')) {
    throw new ShoalError('INVALID_PATH', `The name ${JSON.stringify(name)} is not allowed: names have neither "/" nor NUL`)
  }
  if (!standsForBytes(name)) {
    throw new ShoalError(
      'INVALID_PATH',
      `The name ${JSON.stringify(name)} stands for no bytes: a lone surrogate is U+DC80 to U+DCFF for a byte that is not UTF-8`,
    )
  }
  // One UTF-16 unit is at most three bytes: only long names need to be measured.
  if (name.length * 3 > MAX_NAME_BYTES && encodeName(name).length > MAX_NAME_BYTES && !isLongSegment(name)) {
    throw new ShoalError('NAME_TOO_LONG', `The name "${name.slice(0, 40)}…" is longer than ${MAX_NAME_BYTES} bytes`)
  }
}

/** An escaped name stands for a segment of a key, which may be longer. */
function isLongSegment(name: string): boolean {
  const segment = segmentOfName(name)
  return segment !== name && encodeName(segment).length <= MAX_KEY_BYTES
}

let lastPath: Path = []
let lastText = ''

/** The path as text, without a leading slash; the root is the empty string. Who asks for one path again and again, as the same list, gets the
 *  same string, of which the hash is known. */
export function formatPath(path: Path): string {
  if (path === lastPath) return lastText
  lastText = path.join('/')
  lastPath = path
  return lastText
}

function checkLength(names: Path, text: string): void {
  if (text.length * 3 <= MAX_PATH_BYTES) return
  const lengthBytes = names.reduce((sum, name) => sum + encodeName(name).length + 1, 0)
  if (lengthBytes > MAX_PATH_BYTES) {
    throw new ShoalError('NAME_TOO_LONG', `The path has ${lengthBytes} bytes; ${MAX_PATH_BYTES} are allowed`)
  }
}
