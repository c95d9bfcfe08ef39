import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from './store.ts'
import type { RangeOptions } from './store.ts'

/** What every adapter checks at its door, so that all of them refuse alike. */
export function checkKey(key: Uint8Array): void {
  assert(key instanceof Uint8Array, 'A key of the key-value store must be bytes')
  if (key.length === 0) throw new ShoalError('INVALID_ARGUMENT', 'A key must have at least one byte')
  if (key.length > MAX_KEY_BYTES) {
    throw new ShoalError('INVALID_ARGUMENT', `A key may have at most ${MAX_KEY_BYTES} bytes, this one has ${key.length}`)
  }
}

export function checkValue(value: Uint8Array): void {
  assert(value instanceof Uint8Array, 'A value of the key-value store must be bytes')
  if (value.length > MAX_VALUE_BYTES) {
    throw new ShoalError('INVALID_ARGUMENT', `A value may have at most ${MAX_VALUE_BYTES} bytes, this one has ${value.length}`)
  }
}

/** A range with its defaults filled in. An absent `end` is the end of the key space. */
export interface Interval {
  readonly start: Uint8Array
  readonly end: Uint8Array | undefined
  readonly reverse: boolean
  readonly limit: number
}

const FIRST = new Uint8Array(0)

/** Fills in the defaults; `undefined` for an interval that can hold no key. */
export function toInterval({ start = FIRST, end, reverse = false, limit = Infinity }: RangeOptions): Interval | undefined {
  if (limit !== Infinity && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw new ShoalError('INVALID_ARGUMENT', `The limit of a range must be a whole number of at least 0, not "${limit}"`)
  }
  if (limit === 0) return undefined
  const from = cutBound(start)
  if (end === undefined) return { start: from, end: undefined, reverse, limit }
  const until = cutBound(end)
  return Buffer.compare(from, until) < 0 ? { start: from, end: until, reverse, limit } : undefined
}

/** Bounds may be longer than keys. No key is as long as the longest bound kept here, so cutting to it moves no key across. */
function cutBound(bound: Uint8Array): Uint8Array {
  return bound.length > MAX_KEY_BYTES + 1 ? bound.subarray(0, MAX_KEY_BYTES + 1) : bound
}
