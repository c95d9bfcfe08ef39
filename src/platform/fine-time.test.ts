import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FineTime } from './fine-time.ts'

/** Clocks over one true time, of which the monotonic one runs faster or slower by `drift` parts of a million. */
function clocks(drift: number) {
  const state = { trueMs: 1_790_000_000_000.3 }
  const time = new FineTime({
    wallMs: () => Math.floor(state.trueMs),
    monotonicMs: () => (state.trueMs - 1_790_000_000_000) * (1 + drift / 1e6) + 12.7,
  })
  return { state, time }
}

test('each time is later than the one before, and within the millisecond of the wall clock, however the clocks drift', () => {
  const steps = fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { minLength: 2, maxLength: 200 })
  fc.assert(
    fc.property(fc.integer({ min: -50_000, max: 50_000 }), steps, (drift, stepsMs) => {
      const { state, time } = clocks(drift)
      let lastNs = 0n
      for (const stepMs of stepsMs) {
        state.trueMs += stepMs
        const nowNs = time.nowNs()
        assert.ok(nowNs > lastNs, `${nowNs} after ${lastNs}`)
        const withinNs = nowNs - BigInt(Math.floor(state.trueMs)) * 1_000_000n
        // A few nanoseconds more than the millisecond where time was asked for several times at its end.
        assert.ok(withinNs >= 0n && withinNs < 1_000_000n + BigInt(stepsMs.length), `${withinNs} ns into the millisecond`)
        lastNs = nowNs
      }
    }),
  )
})

test('a wall clock that is set back sets the time back', () => {
  const { state, time } = clocks(0)
  const before = time.nowNs()
  state.trueMs -= 3_600_000
  const after = time.nowNs()
  assert.ok(before - after > 3_599_000_000_000n)
  assert.ok(time.nowNs() > after)
})
