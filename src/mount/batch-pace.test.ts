import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchPace, BURST_BATCHES, GATHER_MS } from './batch-pace.ts'

/** When batches go for which something is due in each millisecond. */
function going(pace: BatchPace, fromMs: number, lengthMs: number): number[] {
  const times: number[] = []
  for (let nowMs = fromMs; nowMs < fromMs + lengthMs; nowMs += 1) {
    if (pace.nextMs > nowMs) continue
    times.push(nowMs)
    pace.gone(nowMs)
  }
  return times
}

test('what follows in a hurry goes in few batches, none of which waits long, and what is changed at rest goes at once', () => {
  const pace = new BatchPace()
  const times = going(pace, 1_000, 2_000)
  assert.deepEqual(
    times.slice(0, BURST_BATCHES),
    times.slice(0, BURST_BATCHES).map((_, at) => 1_000 + at),
  )
  assert.ok(times.length <= BURST_BATCHES + 2_000 / GATHER_MS + 1, `${times.length} batches`)
  for (const [at, time] of times.entries()) assert.ok(time - (times[at - 1] ?? 999) <= GATHER_MS)
  assert.equal(going(pace, 10_000, 1)[0], 10_000)
})

test('batches that were worth it are counted, and hold up no longer than others', () => {
  const pace = new BatchPace()
  for (let count = 0; count < 100; count += 1) pace.gone(7)
  assert.equal(pace.nextMs, 7 + GATHER_MS)
})
