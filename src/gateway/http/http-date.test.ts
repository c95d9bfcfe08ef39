import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatHttpDate, parseHttpDate } from './http-date.ts'

const NOW = Date.UTC(2026, 10, 20)
const EXAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37)

test('all three forms of RFC 9110 are read', () => {
  assert.equal(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT', NOW), EXAMPLE)
  assert.equal(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT', NOW), EXAMPLE)
  assert.equal(parseHttpDate('Sun Nov  6 08:49:37 1994', NOW), EXAMPLE)
  assert.equal(parseHttpDate('Sunday, 06-Nov-70 08:49:37 GMT', NOW), Date.UTC(2070, 10, 6, 8, 49, 37))
  assert.equal(parseHttpDate('Sunday, 06-Nov-77 08:49:37 GMT', NOW), Date.UTC(1977, 10, 6, 8, 49, 37))
})

test('what is no date is none', () => {
  for (const text of [
    '',
    'yesterday',
    'Sun, 31 Feb 1994 08:49:37 GMT',
    'Sun, 06 Foo 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:49:37 GMT',
    '1994-11-06',
    'Sun, 06 Nov 1994 08:49:37 CET',
  ]) {
    assert.equal(parseHttpDate(text, NOW), undefined, text)
  }
})

test('a date that is written is read as the same second', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (second) => {
      assert.equal(parseHttpDate(formatHttpDate(second * 1000 + 999), NOW), second * 1000)
    }),
  )
})
