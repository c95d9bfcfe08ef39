import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clockDifference, nodeState } from './node-state.ts'

test('how far a drain has come is said where it is known, and never that it is done before it is', () => {
  assert.equal(nodeState({ state: 'draining', drained: 0.9999 }), 'draining 99 %')
  assert.equal(nodeState({ state: 'draining', drained: null }), 'draining')
  assert.equal(nodeState({ state: 'draining' }), 'draining')
  assert.equal(nodeState({ state: 'drained', drained: 1 }), 'drained')
  assert.equal(nodeState({ state: 'alive', drained: null }), 'alive')
})

test('how far a clock is ahead is said as exactly as it matters', () => {
  assert.equal(clockDifference(12), '12 ms ahead')
  assert.equal(clockDifference(-3_249), '3.2 s behind')
  assert.equal(clockDifference(7_260_000), '2 h 01 min ahead')
})
