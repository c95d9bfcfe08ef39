import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAmzDate, requestTimeMs } from './amz-date.ts'

const NOW_MS = Date.UTC(2026, 4, 24, 12, 0, 1)

test('a request says its time as Amazon writes it, as HTTP does, or as mail does', () => {
  for (const amzDate of ['20260524T120001Z', 'Sun, 24 May 2026 12:00:01 GMT', 'Sun, 24 May 2026 12:00:01 -0000'])
    assert.equal(requestTimeMs({ amzDate, date: undefined }, NOW_MS), NOW_MS, amzDate)
  assert.equal(requestTimeMs({ amzDate: undefined, date: 'Sun, 24 May 2026 12:00:01 +0000' }, NOW_MS), NOW_MS)
  for (const amzDate of ['', '20260524', 'Sun, 24 May 2026 12:00:01 +0200', 'today'])
    assert.equal(requestTimeMs({ amzDate, date: undefined }, NOW_MS), undefined, amzDate)
})

test('a time that no clock shows is none, whatever was read before', () => {
  assert.equal(parseAmzDate('20260524T120001Z'), NOW_MS)
  for (const text of ['20260524T120061Z', '20260532T120001Z', '20260524t120001z', '20260524T120001Z ', ''])
    assert.equal(parseAmzDate(text), undefined, text)
  assert.equal(parseAmzDate('20260524T120001Z'), NOW_MS)
  assert.equal(parseAmzDate('20260524T120002Z'), NOW_MS + 1000)
})
