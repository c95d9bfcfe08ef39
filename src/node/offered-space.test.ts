import assert from 'node:assert/strict'
import { test } from 'node:test'
import { offeredSpace } from './offered-space.ts'

test('a node offers its disk with all that lies on it, or so much of it as it is told, with its own chunks', () => {
  const usage = { storedBytes: 10, capacityBytes: 100, freeBytes: 30 }
  assert.deepEqual(offeredSpace(usage, undefined), { capacityBytes: 100, usedBytes: 70 })
  assert.deepEqual(offeredSpace(usage, 50), { capacityBytes: 50, usedBytes: 10 })
  assert.deepEqual(offeredSpace(usage, 5), { capacityBytes: 5, usedBytes: 5 })
  const unknown = { storedBytes: 10, capacityBytes: undefined, freeBytes: undefined }
  assert.deepEqual(offeredSpace(unknown, undefined), { capacityBytes: 0, usedBytes: 0 })
})
