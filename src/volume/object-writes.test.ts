import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bounded } from './object-writes.ts'
import type { BodyStream } from './volume.ts'

const GIB = 2 ** 30

/** Says that it has put so much into the memory that it was given. */
function claiming(sizesBytes: readonly number[]): BodyStream {
  const sizes = [...sizesBytes]
  return {
    async *[Symbol.asyncIterator]() {},
    fill: async () => sizes.shift() ?? 0,
  }
}

test('what comes in one piece has 5 GiB at most, also where it puts itself into memory', async () => {
  const target = Buffer.alloc(1)
  const whole = bounded(claiming([4 * GIB, GIB]))
  assert.equal(await whole.fill?.(target), 4 * GIB)
  assert.equal(await whole.fill?.(target), GIB)
  assert.equal(await whole.fill?.(target), 0)
  const longer = bounded(claiming([4 * GIB, GIB + 1]))
  await longer.fill?.(target)
  await assert.rejects(async () => longer.fill?.(target), { code: 'TOO_LARGE' })
})
