import { createHash } from 'node:crypto'
import { encodeName } from '#foundation/name.ts'
import { pattern } from './volume-fixture.suite.ts'
import type { Bytes } from './volume-operations.suite.ts'

const patterns = new Map<number, Buffer>()
const LONGEST = 2 * 1024 * 1024 + 1

/** Always the same bytes for a seed, so that equal chunks meet. */
export function make({ size, seed }: Bytes): Buffer {
  const whole = patterns.get(seed) ?? pattern(LONGEST, seed + 1)
  patterns.set(seed, whole)
  return whole.subarray(0, size)
}

const digests = new WeakMap<Buffer, Buffer>()

export function digest(bytes: Buffer): Buffer {
  const known = digests.get(bytes) ?? createHash('sha256').update(bytes).digest()
  digests.set(bytes, known)
  return known
}

export function byBytes(a: string, b: string): number {
  return Buffer.compare(encodeName(a), encodeName(b))
}
