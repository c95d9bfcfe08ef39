import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import type { Clock } from '#platform/clock.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { QuietPromise } from '#platform/quiet-promise.ts'
import { QuietTime } from './quiet-time.ts'

const STEP_MS = 0.5

/** A clock that goes at another pace, and whose time of day says nothing. */
function paced(clock: ManualClock, pace: number): Clock {
  return {
    nowMs: () => 0,
    nowNs: () => 0n,
    monotonicMs: () => clock.monotonicMs() * pace,
    sleep: (delayMs, signal) => clock.sleep(delayMs / pace, signal),
  }
}

/** What happens in a step: a change is to be made, or a follower asks, and hears the answer so many steps later. */
type Step = 'change' | number | undefined

/** Changes that were made while somebody relied on there being none. */
async function brokenPromises(paces: { leader: number; follower: number }, steps: readonly Step[]): Promise<number> {
  const clock = new ManualClock()
  const time = new QuietTime(paced(clock, paces.leader))
  const followers = paced(clock, paces.follower)
  const promises = new Set<QuietPromise>()
  let broken = 0
  let changing: Promise<void> | undefined
  const change = async (): Promise<void> => {
    await time.over()
    for (const promise of promises) if (promise.lasts) broken += 1
    time.changed()
    changing = undefined
  }
  const ask = async (delaySteps: number): Promise<void> => {
    const promise = new QuietPromise(followers)
    const quietMs = changing === undefined ? time.promise(1_000) : 0
    await clock.sleep(delaySteps * STEP_MS)
    promise.given(quietMs)
    promises.add(promise)
  }
  for (const step of steps) {
    clock.advance(STEP_MS)
    await turn()
    if (step === 'change') changing ??= change()
    else if (step !== undefined) void ask(step)
  }
  return broken
}

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.constant('change' as const) },
  { weight: 4, arbitrary: fc.nat(40) },
  { weight: 40, arbitrary: fc.constant(undefined) },
)

test('nothing changes while a follower relies on it, though its clock is slower than that of the leader by a tenth', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.double({ min: 0.91, max: 1.2, noNaN: true }),
      fc.double({ min: 0.5, max: 2, noNaN: true }),
      fc.array(anyStep, { minLength: 200, maxLength: 600, size: 'max' }),
      async (ratio, leader, steps) => assert.equal(await brokenPromises({ leader, follower: leader * ratio }, steps), 0),
    ),
    { numRuns: 20 },
  )
})

test('canary: a follower whose clock is slower than that is found out', async () => {
  const steps: Step[] = Array.from({ length: 600 }, (_, at) => (at === 500 ? 0 : at === 510 ? 'change' : undefined))
  assert.equal(await brokenPromises({ leader: 1, follower: 1 }, steps), 0)
  assert.ok((await brokenPromises({ leader: 1, follower: 0.5 }, steps)) > 0)
})

test('a change waits for a tenth of the time since the one before, and for 20 ms at most', () => {
  const clock = new ManualClock()
  const time = new QuietTime(clock)
  const promised = [5, 5, 40, 50, 900].map((ms) => {
    clock.advance(ms)
    return time.promise(1_000)
  })
  assert.deepEqual(promised, [0, 1, 5, 10, 20])
  time.changed()
  assert.equal(time.promise(1_000), 0)
})

test('a leader promises nothing beyond its lease, and nothing any more once it ends', async () => {
  const clock = new ManualClock()
  const time = new QuietTime(clock)
  clock.advance(1_000)
  assert.equal(time.promise(7.5), 7)
  let isOver = false
  const closing = time.close().then(() => (isOver = true))
  assert.equal(time.promise(1_000), 0)
  clock.advance(6)
  await turn()
  assert.equal(isOver, false)
  clock.advance(1)
  await closing
})

test('a machine that slept, whose monotonic clock stood still meanwhile, relies on nothing', () => {
  const clock = new ManualClock()
  let sleptMs = 0
  const promise = new QuietPromise({ ...paced(clock, 1), nowMs: () => sleptMs })
  assert.equal(promise.lasts, false)
  promise.given(20)
  assert.equal(promise.lasts, true)
  sleptMs = 18
  assert.equal(promise.lasts, false)
})
