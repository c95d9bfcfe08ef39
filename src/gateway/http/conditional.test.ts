import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { ifRangeHolds, judgeConditions, readConditions } from './conditional.ts'
import type { ConditionHeaders, Representation } from './conditional.ts'

const NOW = Date.UTC(2026, 10, 20, 12, 0, 0)
const SAME = 'Fri, 20 Nov 2026 11:00:00 GMT'
const BEFORE = 'Fri, 20 Nov 2026 10:00:00 GMT'
const AFTER = 'Fri, 20 Nov 2026 11:30:00 GMT'
const FILE: Representation = { etag: '"a"', lastModifiedMs: Date.UTC(2026, 10, 20, 11, 0, 0, 700) }

const TABLE: readonly (readonly [ConditionHeaders, Representation | undefined, string, string])[] = [
  // headers, target, verdict of GET, verdict of PUT
  [{ 'if-match': '"a"' }, FILE, 'proceed', 'proceed'],
  [{ 'if-match': '"b", "a"' }, FILE, 'proceed', 'proceed'],
  [{ 'if-match': '"b"' }, FILE, 'failed', 'failed'],
  [{ 'if-match': 'W/"a"' }, FILE, 'failed', 'failed'],
  [{ 'if-match': '*' }, FILE, 'proceed', 'proceed'],
  [{ 'if-match': '*' }, undefined, 'failed', 'failed'],
  [{ 'if-match': '"a"' }, undefined, 'failed', 'failed'],
  [{ 'if-none-match': '"a"' }, FILE, 'not-modified', 'failed'],
  [{ 'if-none-match': 'W/"a"' }, FILE, 'not-modified', 'failed'],
  [{ 'if-none-match': '"b"' }, FILE, 'proceed', 'proceed'],
  [{ 'if-none-match': '*' }, FILE, 'not-modified', 'failed'],
  [{ 'if-none-match': '*' }, undefined, 'proceed', 'proceed'],
  [{ 'if-modified-since': SAME }, FILE, 'not-modified', 'proceed'],
  [{ 'if-modified-since': AFTER }, FILE, 'not-modified', 'proceed'],
  [{ 'if-modified-since': BEFORE }, FILE, 'proceed', 'proceed'],
  [{ 'if-modified-since': 'yesterday' }, FILE, 'proceed', 'proceed'],
  [{ 'if-unmodified-since': SAME }, FILE, 'proceed', 'proceed'],
  [{ 'if-unmodified-since': BEFORE }, FILE, 'failed', 'failed'],
  [{ 'if-unmodified-since': BEFORE }, undefined, 'proceed', 'proceed'],
  // Precedence: tags go before dates.
  [{ 'if-match': '"a"', 'if-unmodified-since': BEFORE }, FILE, 'proceed', 'proceed'],
  [{ 'if-none-match': '"b"', 'if-modified-since': AFTER }, FILE, 'proceed', 'proceed'],
  [{ 'if-none-match': '"a"', 'if-modified-since': BEFORE }, FILE, 'not-modified', 'failed'],
  // If-Match is judged before If-None-Match.
  [{ 'if-match': '"b"', 'if-none-match': '"a"' }, FILE, 'failed', 'failed'],
]

test('conditions have the precedence of RFC 9110, section 13.2.2', () => {
  for (const [headers, target, reading, writing] of TABLE) {
    const conditions = readConditions(headers, NOW)
    assert.ok(conditions !== undefined)
    assert.equal(judgeConditions(conditions, target, true), reading, `GET ${JSON.stringify(headers)}`)
    assert.equal(judgeConditions(conditions, target, false), writing, `PUT ${JSON.stringify(headers)}`)
  }
  assert.equal(readConditions({}, NOW), undefined)
})

test('a list of tags that is none is refused rather than ignored', () => {
  for (const value of ['abc', '"a" "b"', '"a', '', '*, "a"']) {
    assert.throws(
      () => readConditions({ 'if-match': value }, NOW),
      (error) => isShoalError(error, 'INVALID_ARGUMENT'),
      value,
    )
  }
})

test('If-Range holds for the same strong tag or the exact date', () => {
  assert.equal(ifRangeHolds('"a"', FILE, NOW), true)
  assert.equal(ifRangeHolds('W/"a"', FILE, NOW), false)
  assert.equal(ifRangeHolds('"b"', FILE, NOW), false)
  assert.equal(ifRangeHolds(SAME, FILE, NOW), true)
  assert.equal(ifRangeHolds(AFTER, FILE, NOW), false)
  assert.equal(ifRangeHolds('nonsense', FILE, NOW), false)
})
