import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionShares } from './connection-shares.ts'

test('who has far more connections than the mean is to do without what is above it, and nobody else', () => {
  const first = ConnectionShares.for(4)
  const other = new ConnectionShares(first.memory)
  assert.equal(first.note(0, 40, 1), 0)
  assert.equal(first.note(0, 40, 2), 20)
  assert.equal(other.note(1, 18, 2), 0)
  assert.equal(first.note(0, 22, 2), 0)
  assert.equal(other.note(2, 0, 3), 0)
  assert.equal(first.note(0, 22, 3), 8)
})

test('a few connections are left where they are', () => {
  const shares = ConnectionShares.for(2)
  assert.equal(shares.note(0, 1, 2), 0)
  assert.equal(shares.note(0, 2, 2), 0)
  assert.equal(shares.note(0, 3, 2), 1)
})
