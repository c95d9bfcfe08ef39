import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { watchInterrupts } from './watch-interrupts.ts'

test('an interrupt that comes twice at once, as under npm, stops a command in order; a later one ends it at once', () => {
  const source = new EventEmitter()
  const clock = new ManualClock()
  let ended = 0
  const interruption = watchInterrupts(source, { clock, endNow: () => (ended += 1) })
  assert.equal(interruption.signal.aborted, false)
  source.emit('SIGINT')
  source.emit('SIGINT')
  assert.ok(isShoalError(interruption.signal.reason, 'CANCELLED'))
  assert.equal(ended, 0)
  clock.advance(1_000)
  source.emit('SIGTERM')
  assert.equal(ended, 1)
  interruption.stop()
  assert.equal(source.listenerCount('SIGINT') + source.listenerCount('SIGTERM'), 0)
})
