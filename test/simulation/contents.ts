import type { SeededRandom } from '#platform/seeded-random.ts'
import { patched } from './file-group.ts'

// A file is its value again and again; what is written over its beginning is a head.

export const HEAD_BYTES = 16
/** Small enough to be kept with the metadata. */
const INLINE_BYTES = 500
/** A chunk in a pack, among others. */
const PACKED_BYTES = 6_000
/** A chunk with a file of its own. */
const FILED_BYTES = 300_000
/** Of the volume. */
export const CHUNK_SIZE_BYTES = 1024 * 1024

export function contentOf(value: string, random: SeededRandom): Buffer {
  return Buffer.alloc(sizeOf(random), `${value}.`)
}

function sizeOf(random: SeededRandom): number {
  const dice = random.fraction()
  if (dice < 0.4) return INLINE_BYTES
  if (dice < 0.97) return PACKED_BYTES + random.below(PACKED_BYTES)
  return dice < 0.99 ? FILED_BYTES : CHUNK_SIZE_BYTES + FILED_BYTES
}

export function headOf(value: string): Buffer {
  return Buffer.from(`+${value}`.padEnd(HEAD_BYTES, '_'))
}

/** The value that the bytes are of, or a text that is none. */
export function valueOf(bytes: Buffer): string {
  const head = bytes.toString('latin1', 0, HEAD_BYTES)
  const isPatched = head.startsWith('+')
  const value = isPatched ? valueBehind(bytes) : head.slice(0, head.indexOf('.'))
  const whole = Buffer.alloc(bytes.length, `${value}.`)
  if (isPatched) whole.write(head, 'latin1')
  if (!whole.equals(bytes)) return `${bytes.length} other bytes than those of ${value}: ${bytes.toString('latin1', 0, 80)}`
  return isPatched ? patched(value, head.slice(1).replaceAll('_', '')) : value
}

/** Behind the head a value may begin in its middle. */
function valueBehind(bytes: Buffer): string {
  const [, value = ''] = bytes.toString('latin1', HEAD_BYTES, HEAD_BYTES + 64).split('.')
  return value
}
