import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeState } from './node-state.ts'

test('how far a drain has come is said where it is known, and never that it is done before it is', () => {
  assert.equal(nodeState({ state: 'draining', drained: 0.9999 }), 'draining 99 %')
  assert.equal(nodeState({ state: 'draining', drained: null }), 'draining')
  assert.equal(nodeState({ state: 'draining' }), 'draining')
  assert.equal(nodeState({ state: 'drained', drained: 1 }), 'drained')
  assert.equal(nodeState({ state: 'alive', drained: null }), 'alive')
})
