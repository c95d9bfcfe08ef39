import { ShoalError } from '#foundation/errors.ts'
import { decodeState, encodeState } from './entry-codec.ts'
import {
  type Dot,
  type EntryValue,
  EXTENTS_MAX,
  formatDot,
  INLINE_BYTES_MAX,
  NOTHING,
  TAG_BYTES_MAX,
  TAGS_MAX,
  type Version,
} from './entry.ts'
import type { HybridTime } from './hybrid-clock.ts'

/** @throws INVALID_ARGUMENT, TOO_LARGE for what no row can hold */
export function checkValue(value: EntryValue): void {
  const { content, tags } = value
  const tagBytes = [...tags].reduce((sum, [name, bytes]) => sum + Buffer.byteLength(name) + bytes.length, 0)
  if (tags.size > TAGS_MAX || tagBytes > TAG_BYTES_MAX)
    throw new ShoalError(
      'TOO_LARGE',
      `${tags.size} attributes of ${tagBytes} bytes; ${TAGS_MAX} of ${TAG_BYTES_MAX} are possible`,
    )
  const tooLong = content.kind === 'inline' ? content.bytes.length > INLINE_BYTES_MAX : content.extents.length > EXTENTS_MAX
  if (tooLong)
    throw new ShoalError(
      'TOO_LARGE',
      `A content is kept inline up to ${INLINE_BYTES_MAX} bytes, in ${EXTENTS_MAX} extents otherwise`,
    )
  // What can't be read again is not written.
  const version = { time: 1 as HybridTime, node: '0'.repeat(32) as Dot['node'], yields: false, value }
  try {
    decodeState(encodeState({ ...NOTHING, versions: [version] }))
  } catch (cause) {
    throw new ShoalError('INVALID_ARGUMENT', `Attributes of an entry are out of range: ${String(cause)}`, { cause })
  }
}

/** Another version is there than the change was made over. */
export function stale(why: string, before: Version | undefined): ShoalError {
  const details = before === undefined ? {} : { version: formatDot(before) }
  return new ShoalError('PRECONDITION_FAILED', `${why}: read it again, and repeat the change over what is there`, { details })
}
