import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#platform/manual-clock.ts'
import { BusyTimes } from './busy-times.ts'

function bench() {
  const clock = new ManualClock()
  const kept = { now: 0, times: 0 }
  const keepAwake = () => {
    kept.now += 1
    kept.times += 1
    return () => {
      kept.now -= 1
    }
  }
  /** At so many requests a second. */
  const run = async (busy: BusyTimes, { perSecond, ms }: { perSecond: number; ms: number }) => {
    for (let at = 0; at < ms; at += 1) {
      clock.advance(1)
      busy.served(perSecond / 1000)
      await new Promise<void>((resolve) => void setImmediate(resolve))
    }
  }
  return { clock, kept, keepAwake, run }
}

test('processors are kept awake while one request follows another, and let go soon after', async () => {
  const { clock, kept, keepAwake, run } = bench()
  const busy = new BusyTimes({ clock, keepAwake })
  await run(busy, { perSecond: 5_000, ms: 1_000 })
  assert.equal(kept.times, 0)
  await run(busy, { perSecond: 20_000, ms: 200 })
  assert.deepEqual(kept, { now: 1, times: 1 })
  await run(busy, { perSecond: 6_000, ms: 1_000 })
  assert.deepEqual(kept, { now: 1, times: 1 })
  await run(busy, { perSecond: 1_000, ms: 300 })
  assert.deepEqual(kept, { now: 0, times: 1 })
  await run(busy, { perSecond: 20_000, ms: 200 })
  assert.deepEqual(kept, { now: 1, times: 2 })
  busy.end()
  busy.end()
  await run(busy, { perSecond: 20_000, ms: 400 })
  assert.deepEqual(kept, { now: 0, times: 2 })
})

test('where they can’t be kept awake it isn’t asked for again', async () => {
  const { clock, run } = bench()
  let asked = 0
  const keepAwake = () => {
    asked += 1
    return undefined
  }
  await run(new BusyTimes({ clock, keepAwake }), { perSecond: 20_000, ms: 1_000 })
  assert.equal(asked, 1)
})
