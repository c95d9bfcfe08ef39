import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { ManualClock } from './manual-clock.ts'

const anyStep = fc.oneof(
  fc.record({ kind: fc.constant('sleep' as const), delayMs: fc.nat(30), isCancelled: fc.boolean() }),
  fc.record({ kind: fc.constant('cancel' as const), of: fc.nat(50) }),
  fc.record({ kind: fc.constant('advance' as const), byMs: fc.nat(10) }),
)

test('whoever sleeps wakes once, when its time has come, the earliest first and of the same time the first that went to sleep; and not when it is cancelled before', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 400, size: 'max' }), async (steps) => {
      const clock = new ManualClock()
      const woken: string[] = []
      const expected: string[] = []
      const aborts: AbortController[] = []
      let sleeping: { readonly name: string; readonly dueMs: number; readonly at: number }[] = []
      for (const step of steps) {
        if (step.kind === 'sleep') {
          const name = String(aborts.length)
          const abort = new AbortController()
          aborts.push(abort)
          if (step.isCancelled) abort.abort()
          clock.sleep(step.delayMs, abort.signal).then(
            () => woken.push(name),
            (error: unknown) => woken.push(`${name} ${isShoalError(error) ? error.code : 'another error'}`),
          )
          if (step.isCancelled) expected.push(`${name} CANCELLED`)
          else sleeping.push({ name, dueMs: clock.monotonicMs() + step.delayMs, at: aborts.length })
        } else if (step.kind === 'cancel') {
          const name = String(step.of)
          if (sleeping.some((each) => each.name === name)) expected.push(`${name} CANCELLED`)
          sleeping = sleeping.filter((each) => each.name !== name)
          aborts[step.of]?.abort()
        } else {
          clock.advance(step.byMs)
          const due = sleeping.filter(({ dueMs }) => dueMs <= clock.monotonicMs())
          sleeping = sleeping.filter((each) => !due.includes(each))
          expected.push(...due.toSorted((a, b) => a.dueMs - b.dueMs || a.at - b.at).map(({ name }) => name))
        }
        for (let turns = 0; turns < 4; turns += 1) await Promise.resolve()
        assert.deepEqual(woken, expected)
      }
    }),
    { numRuns: 60 },
  )
})
