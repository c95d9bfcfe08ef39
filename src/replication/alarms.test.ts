import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { Alarms } from './alarms.ts'
import { limitedCall } from './limited-call.ts'

test('every alarm goes off once, in its time, unless it is called off', async () => {
  const plan = fc.array(
    fc.record({ atMs: fc.nat(300), delayMs: fc.nat(200), calledOffMs: fc.option(fc.nat(300), { nil: undefined }) }),
  )
  await fc.assert(
    fc.asyncProperty(plan, async (planned) => {
      const clock = new ManualClock()
      const alarms = new Alarms(clock)
      const rung = planned.map((): number[] => [])
      const callOffs: (() => void)[] = []
      for (let nowMs = 0; nowMs <= 520; nowMs += 1) {
        for (const [index, { atMs, delayMs, calledOffMs }] of planned.entries()) {
          if (atMs === nowMs) callOffs[index] = alarms.set(delayMs, () => rung[index]?.push(clock.monotonicMs()))
          if (calledOffMs === nowMs) callOffs[index]?.()
        }
        clock.advance(1)
        await turn()
      }
      for (const [index, { atMs, delayMs, calledOffMs }] of planned.entries()) {
        const dueMs = atMs + delayMs
        const times = rung[index] as number[]
        assert.ok(times.length <= 1)
        if (times.length === 1)
          assert.ok((times[0] as number) >= dueMs && (times[0] as number) <= dueMs + 5, `${times} for ${dueMs}`)
        const isCalledOff = calledOffMs !== undefined && calledOffMs >= atMs && calledOffMs <= dueMs
        if (isCalledOff && calledOffMs < dueMs) assert.equal(times.length, 0)
        if (calledOffMs === undefined || calledOffMs < atMs) assert.equal(times.length, 1)
      }
    }),
    { numRuns: 50 },
  )
})

test('alarms that are called off leave no sleeps behind', async () => {
  const clock = new ManualClock()
  let sleeps = 0
  const counting: Clock = {
    nowMs: () => clock.nowMs(),
    nowNs: () => clock.nowNs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (delayMs, signal) => {
      sleeps += 1
      return clock.sleep(delayMs, signal)
    },
  }
  const alarms = new Alarms(counting)
  for (let round = 0; round < 1_000; round += 1) {
    alarms.set(100, () => assert.fail('called off'))()
    clock.advance(1)
    await turn()
  }
  assert.ok(sleeps <= 20, `${sleeps} sleeps for 1,000 alarms`)
})

test('a call that takes too long fails, and is told to stop', async () => {
  const clock = new ManualClock()
  const alarms = new Alarms(clock)
  let told: AbortSignal | undefined
  const call = limitedCall({ alarms, limitMs: 100 }, (signal) => {
    told = signal
    return new Promise(() => {})
  })
  clock.advance(50)
  await turn()
  assert.equal(told?.aborted, false)
  clock.advance(60)
  await assert.rejects(call, (error) => isShoalError(error, 'UNAVAILABLE'))
  assert.equal(told?.aborted, true)
  assert.equal(await limitedCall({ alarms, limitMs: 100 }, async () => 7), 7)
})
