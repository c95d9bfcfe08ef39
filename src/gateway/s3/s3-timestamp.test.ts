import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { s3Timestamp } from './s3-timestamp.ts'

test('any moment is written as Date writes it, whichever was written before', () => {
  const moment = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  const around = fc.tuple(moment, fc.bigInt({ min: 0n, max: 120_000_000_000n })).map(([from, by]) => [from, from + by] as const)
  fc.assert(
    fc.property(around, (moments) => {
      for (const timeNs of moments) assert.equal(s3Timestamp(timeNs), new Date(Number(timeNs / 1_000_000n)).toISOString())
    }),
  )
})
