import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeDigests } from '#platform/node-digests.ts'
import { ReadBuffers } from './read-buffers.ts'

test('what came back is lent again, up to a number, and dropped when nobody reads for a while', () => {
  const buffers = new ReadBuffers(nodeDigests, { sizeBytes: 10, keptMax: 2 })
  const first = [buffers.take(), buffers.take(), buffers.take()]
  assert.equal(new Set(first).size, 3)
  for (const each of first) buffers.giveBack(each)
  const again = [buffers.take(), buffers.take(), buffers.take()]
  assert.equal(first.filter((each) => again.includes(each)).length, 2)
  for (const each of again) buffers.giveBack(each)
  buffers.trim()
  const kept = buffers.take()
  assert.ok(again.includes(kept))
  buffers.giveBack(kept)
  buffers.trim()
  buffers.trim()
  assert.ok(!again.includes(buffers.take()))
})
