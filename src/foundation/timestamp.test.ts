import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from './errors.ts'
import { formatTimestamp, parseTimestamp, tryParseTimestamp } from './timestamp.ts'

test('a time that is written is read as the same nanosecond', () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }), { minLength: 1 }), (times) => {
      for (const time of [...times, ...times]) assert.equal(parseTimestamp(formatTimestamp(time), 'mtime'), time)
    }),
  )
})

test('zones, fractions and plain nanoseconds are read', () => {
  assert.equal(parseTimestamp('1970-01-01T00:00:01Z', 'mtime'), 1_000_000_000n)
  assert.equal(parseTimestamp('1970-01-01T01:00:00.5+01:00', 'mtime'), 500_000_000n)
  assert.equal(parseTimestamp('-1', 'mtime'), -1n)
  assert.equal(formatTimestamp(-1n), '1969-12-31T23:59:59.999999999Z')
})

test('what is no time is refused', () => {
  for (const text of [
    '',
    'yesterday',
    '2026-11-20',
    '2026-11-20T12:00:00',
    '2026-13-20T12:00:00Z',
    '1.5',
    '9'.repeat(20),
    '9'.repeat(19),
  ]) {
    assert.equal(tryParseTimestamp(text), undefined)
    assert.throws(
      () => parseTimestamp(text, 'mtime'),
      (error) => isShoalError(error, 'INVALID_ARGUMENT'),
      text,
    )
  }
})
