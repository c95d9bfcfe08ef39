import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { HybridClock, hybridTimeOf, msOf } from './hybrid-clock.ts'

test('times only grow, also when the machine’s clock goes back, and follow it when it goes on', () => {
  const machine = new ManualClock()
  const clock = new HybridClock(machine)
  const first = clock.tick()
  machine.advance(-60_000)
  const second = clock.tick()
  assert.ok(second > first)
  machine.advance(120_000)
  assert.equal(msOf(clock.tick()), machine.nowMs())
})

test('a time comes after all that the node was told of, and after what it overwrites', () => {
  const machine = new ManualClock()
  const clock = new HybridClock(machine)
  const other = hybridTimeOf(machine.nowMs() + 3_600_000)
  clock.observe(other, 'b')
  assert.ok(clock.tick() > other)
  const known = hybridTimeOf(machine.nowMs() + 7_200_000)
  assert.ok(clock.tick(known) > known)
})

test('a node whose clock is far ahead drags nobody along, and is told why', () => {
  const machine = new ManualClock()
  const clock = new HybridClock(machine, { driftMsMax: 1000 })
  const before = clock.tick()
  assert.throws(
    () => clock.observe(hybridTimeOf(machine.nowMs() + 600_000), 'b'),
    (error) => isShoalError(error, 'UNAVAILABLE') && error.message.includes('The clock of node b is 10 minutes ahead'),
  )
  assert.equal(clock.tick(), before + 1)
  clock.observe(hybridTimeOf(machine.nowMs() + 1000), 'b')
})

test('more than a thousand times a millisecond go on into the next one', () => {
  const clock = new HybridClock(new ManualClock())
  const times = Array.from({ length: 5000 }, () => clock.tick())
  assert.ok(times.every((time, at) => at === 0 || time > times[at - 1]!))
  assert.equal(msOf(times[4999]!) - msOf(times[0]!), 4)
})
