// Names that S3 knows and paths don't. A key of an S3 object is any run of up to 1,024 bytes: split at its slashes it has
// segments that are empty, "." or "..", hold NUL, or are longer than a name may be. The store keeps each of them as it is,
// so that its order is the order of keys; paths show it under an escaped name. The escape is one to one: every segment has
// exactly one name, every name exactly one segment, and what a path can carry is shown as it is.
//
// An escaped name is U+2044 (⁄, the fraction slash) followed by the segment, in which ⁄ is written ⁄⁄ and NUL ⁄0:
// "" is "⁄", "." is "⁄.", ".." is "⁄..", "a\0b" is "⁄a⁄0b". A name that happens to look like such an escape is escaped too.

import { encodeName } from './name.ts'

export const MAX_SEGMENT_BYTES = 255
/** Amazon S3's limit for keys, in bytes. */
export const MAX_KEY_BYTES = 1_024

const MARK = '\u2044'
const MARK_CODE = 0x2044

/** The segment that stands behind a name of a path. */
export function segmentOfName(name: string): string {
  if (name.charCodeAt(0) !== MARK_CODE) return name
  const segment = unescapeBody(name.slice(1))
  return segment !== undefined && needsEscape(segment) ? segment : name
}

/** The name under which paths show a segment. */
export function nameOfSegment(segment: string): string {
  if (!needsEscape(segment)) return segment
  return MARK + segment.replaceAll(MARK, MARK + MARK).replaceAll('\0', `${MARK}0`)
}

function needsEscape(segment: string): boolean {
  if (segment === '' || segment === '.' || segment === '..' || segment.includes('\0')) return true
  if (segment.length * 3 > MAX_SEGMENT_BYTES && encodeName(segment).length > MAX_SEGMENT_BYTES) return true
  return segment.charCodeAt(0) === MARK_CODE && segmentOfName(segment) !== segment
}

function unescapeBody(body: string): string | undefined {
  let segment = ''
  for (let at = 0; at < body.length; at += 1) {
    if (body.charCodeAt(at) !== MARK_CODE) {
      segment += body[at]
      continue
    }
    at += 1
    if (body.charCodeAt(at) === MARK_CODE) segment += MARK
    else if (body[at] === '0') segment += '\0'
    else return undefined
  }
  return segment
}

/** The path of the object `key`. A key that ends in a slash is the file of the empty segment in that directory. */
export function pathOfKey(key: string): string[] {
  return key.split('/').map(nameOfSegment)
}

/** The key of the object at a path. */
export function keyOfPath(path: readonly string[]): string {
  return path.map(segmentOfName).join('/')
}
