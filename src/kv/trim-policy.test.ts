import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrimPolicy } from './trim-policy.ts'

function noted(policy: TrimPolicy, from: number, to: number, bytes = 1): TrimPolicy {
  for (let index = from; index <= to; index += 1) policy.note(index, bytes)
  return policy
}

test('as many entries are kept as may be, and trimming waits until it is worth a call', () => {
  const policy = new TrimPolicy({ entries: 80, bytes: 1_000_000 })
  assert.equal(noted(policy, 1, 89).due(1_000), undefined)
  assert.equal(noted(policy, 90, 90).due(1_000), 10)
  policy.trimmed(10)
  assert.equal(noted(policy, 91, 99).due(1_000), undefined)
  assert.equal(noted(policy, 100, 100).due(1_000), 20)
})

test('large entries are fewer', () => {
  const policy = noted(new TrimPolicy({ entries: 1_000, bytes: 800 }), 1, 20, 100)
  assert.equal(policy.due(1_000), 12)
})

test('what this node would need after a crash is kept, and so is what is not known to be too much', () => {
  assert.equal(noted(new TrimPolicy({ entries: 80, bytes: 1_000 }), 1, 200).due(25), 24)
  assert.equal(noted(new TrimPolicy({ entries: 80, bytes: 1_000 }), 501, 510).due(505), 430)
  assert.equal(noted(new TrimPolicy({ entries: 800, bytes: 1_000 }), 501, 510).due(505), undefined)
})
