import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionShares } from './connection-shares.ts'

test('while one thread has hardly any connections, those that have more than the mean do without what is above it', () => {
  const first = ConnectionShares.for(4)
  const other = new ConnectionShares(first.memory)
  assert.equal(first.note(0, 40, 1), 0)
  assert.equal(first.note(0, 40, 2), 20)
  assert.equal(other.note(1, 12, 2), 0)
  assert.equal(first.note(0, 28, 2), 0)
  assert.equal(other.note(1, 18, 2), 0)
  assert.equal(first.note(0, 22, 2), 0)
  assert.equal(other.note(2, 0, 3), 0)
  assert.equal(first.note(0, 22, 3), 8)
  assert.equal(other.note(1, 18, 3), 4)
})

test('of a few connections each thread gets one, as far as they go', () => {
  const shares = ConnectionShares.for(3)
  assert.equal(shares.note(0, 1, 2), 0)
  assert.equal(shares.note(0, 2, 2), 1)
  assert.equal(shares.note(1, 1, 2), 0)
  assert.equal(shares.note(0, 1, 2), 0)
})
