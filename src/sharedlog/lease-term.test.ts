import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import type { Clock } from '#platform/clock.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryLog } from './memory.ts'
import type { Fault } from './memory.ts'

/** A clock that goes at another pace, whose time of day is set back now and then besides. */
function paced(clock: ManualClock, pace: number): Clock {
  return {
    nowMs: () => -1e9 * Math.floor(clock.monotonicMs() / 50),
    nowNs: () => 0n,
    monotonicMs: () => clock.monotonicMs() * pace,
    sleep: (delayMs, signal) => clock.sleep(delayMs / pace, signal),
  }
}

/** Moments at which a node said that it had the lease when another one led. */
async function falseClaims(pace: number, faults: readonly (Fault | undefined)[], delaysMs: readonly number[]): Promise<number> {
  const clock = new ManualClock()
  const log = new MemoryLog({ clock, leaseMs: 100 })
  let calls = 0
  const old = log.client({
    clock: paced(clock, pace),
    fault: async () => {
      calls += 1
      await clock.sleep(delaysMs[calls % delaysMs.length] as number)
      return calls === 1 ? undefined : faults[calls % faults.length]
    },
  })
  const other = log.client({ clock })
  const never = new AbortController().signal
  const electing = old.lead({ id: 'old', address: '' }, never)
  let claims = 0
  for (let ms = 0; ms < 400; ms += 1) {
    clock.advance(1)
    await turn()
    if (ms === 60) void other.lead({ id: 'other', address: '' }, never).catch(() => {})
    const term = log.leader?.id === 'old' ? undefined : await Promise.race([electing, turn(undefined)])
    if (log.leader?.id === 'other' && term?.isLeased() === true) claims += 1
  }
  await Promise.all([old.close(), other.close()])
  return claims
}

const anyFault = fc.constantFrom<Fault | undefined>(undefined, 'request-lost', 'answer-lost')

test('a node that says it has the lease is the leader, though its clock is slow by a tenth, its time of day is set back again and again, and renewals are lost or late', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.double({ min: 0.91, max: 1.1, noNaN: true }),
      fc.array(anyFault, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(30), { minLength: 1, maxLength: 6 }),
      async (pace, faults, delaysMs) => assert.equal(await falseClaims(pace, faults, delaysMs), 0),
    ),
    { numRuns: 15 },
  )
})

test('canary: a clock that is slower than that is found out', async () => {
  assert.ok((await falseClaims(0.5, ['request-lost'], [1])) > 0)
})

test('a machine that slept, whose monotonic clock stood still meanwhile, does not have the lease', async () => {
  const clock = new ManualClock()
  const log = new MemoryLog({ clock, leaseMs: 100 })
  let sleptMs = 0
  const asleep: Clock = { ...paced(clock, 1), nowMs: () => clock.nowMs() + sleptMs }
  const client = log.client({ clock: asleep })
  const term = await client.lead({ id: 'a', address: '' }, new AbortController().signal)
  assert.ok(term.isLeased())
  sleptMs = 95
  assert.ok(!term.isLeased() && !term.lost.aborted)
  await client.close()
})

test('a term that ends while the log cannot be reached is given back when it can', async () => {
  const clock = new ManualClock()
  const log = new MemoryLog({ clock, leaseMs: 100_000 })
  const client = log.client({ clock })
  const term = await client.lead({ id: 'a', address: '' }, new AbortController().signal)
  client.partition(true)
  await term.resign()
  assert.equal(log.leader?.id, 'a')
  client.partition(false)
  clock.advance(25_000)
  await turn()
  assert.equal(log.leader, undefined)
  await client.close()
})
