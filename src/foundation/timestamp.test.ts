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

test('what was read before makes no difference to what a text means', () => {
  const second = '2262-04-11T23:47:16'
  for (const last of ['.000000000Z', '.854775807Z']) {
    assert.equal(tryParseTimestamp(second + last), 9_223_372_036_000_000_000n + BigInt(last.slice(1, -1)))
    for (const other of ['.854775808Z', '.00000000xZ', '.0000000000', ' 000000000Z', '.0000000-1Z', '.+00000001Z'])
      assert.equal(tryParseTimestamp(second + other), undefined, other)
    assert.equal(tryParseTimestamp(`${second}.00+01:00`), 9_223_368_436_000_000_000n)
    assert.equal(tryParseTimestamp('2262-04-11T23:47:15.000000001Z'), 9_223_372_035_000_000_001n)
  }
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
