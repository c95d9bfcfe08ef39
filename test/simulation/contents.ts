import type { SeededRandom } from '#platform/seeded-random.ts'
import { patched } from './file-group.ts'

// A file is its value again and again; what is written over its beginning is a head.

export const HEAD_BYTES = 16
/** Small enough to be kept with the metadata, or so large that it is a chunk. */
const INLINE_BYTES = 500
const CHUNK_BYTES = 6_000

export function contentOf(value: string, random: SeededRandom): Buffer {
  return Buffer.alloc(random.chance(0.4) ? INLINE_BYTES : CHUNK_BYTES + random.below(CHUNK_BYTES), `${value}.`)
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
