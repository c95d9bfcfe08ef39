import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeDigests } from '#platform/node-digests.ts'
import { ChunkBuffers } from './chunk-buffers.ts'

test('no more is lent than the limit; who comes later waits, first come first served', async () => {
  const buffers = new ChunkBuffers(30, nodeDigests)
  const first = await buffers.borrow(10)
  const second = await buffers.borrow(20)
  const order: string[] = []
  const third = buffers.borrow(20).then((buffer) => (order.push('third'), buffer))
  const fourth = buffers.borrow(10).then((buffer) => (order.push('fourth'), buffer))
  buffers.giveBack(first)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(order, [], 'the fourth does not overtake the third')
  buffers.giveBack(second)
  await Promise.all([third, fourth])
  assert.deepEqual(order, ['third', 'fourth'])
})

test('a buffer beyond the limit is lent when no other is', async () => {
  assert.equal((await new ChunkBuffers(5, nodeDigests).borrow(10)).length, 10)
})

test('who gives up waiting is passed over', async () => {
  const buffers = new ChunkBuffers(10, nodeDigests)
  const first = await buffers.borrow(10)
  const abort = new AbortController()
  const gone = buffers.borrow(10, abort.signal)
  const next = buffers.borrow(10)
  abort.abort()
  await assert.rejects(gone, { code: 'CANCELLED' })
  buffers.giveBack(first)
  assert.equal((await next).length, 10)
})

test('what comes back is lent again, until nobody has borrowed for a while', async () => {
  const buffers = new ChunkBuffers(10, nodeDigests)
  const first = await buffers.borrow(10)
  buffers.giveBack(first)
  assert.equal(await buffers.borrow(10), first)
  buffers.trim()
  buffers.giveBack(first)
  buffers.trim()
  assert.equal(await buffers.borrow(10), first, 'it was lent since the trim before')
  buffers.giveBack(first)
  buffers.trim()
  buffers.trim()
  assert.notEqual(await buffers.borrow(10), first)
})
