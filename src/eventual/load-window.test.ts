import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#platform/manual-clock.ts'
import { LoadWindow } from './load-window.ts'

test('many changes at once count as load for a while, and few never', () => {
  const clock = new ManualClock()
  const load = new LoadWindow(clock)
  for (let at = 0; at < 30; at += 1) {
    load.count()
    clock.advance(20)
  }
  assert.equal(load.isHigh, false)
  for (let at = 0; at < 30; at += 1) load.count()
  assert.equal(load.isHigh, true)
  clock.advance(250)
  assert.equal(load.isHigh, true)
  clock.advance(500)
  assert.equal(load.isHigh, false)
})
