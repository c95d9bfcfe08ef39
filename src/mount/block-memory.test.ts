import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeClock } from '#platform/node-clock.ts'
import { BlockMemory } from './block-memory.ts'
import { BLOCK_BYTES } from './large-files.ts'

test('memory is used again once it was dropped as often as it was held', () => {
  const memory = new BlockMemory(nodeClock)
  const bytes = memory.hold(memory.take(BLOCK_BYTES))
  memory.hold(bytes)
  memory.drop(bytes)
  assert.notEqual(memory.take(BLOCK_BYTES), bytes)
  memory.drop(bytes)
  assert.equal(memory.take(BLOCK_BYTES), bytes)
  assert.notEqual(memory.take(BLOCK_BYTES), bytes)
})

test('what is dropped without being held, or is no whole block, is left to the collector', () => {
  const memory = new BlockMemory(nodeClock)
  const [whole, short] = [memory.take(BLOCK_BYTES), memory.hold(memory.take(100))]
  memory.drop(whole)
  memory.drop(short)
  assert.notEqual(memory.take(BLOCK_BYTES), whole)
  assert.notEqual(memory.take(100), short)
})

test('what is dropped soon can be used again when all that waited has had its turn', async () => {
  const memory = new BlockMemory(nodeClock)
  const bytes = memory.hold(memory.take(BLOCK_BYTES))
  memory.dropSoon(bytes)
  // A chain of promises that are settled already, however long.
  for (let link = 0; link < 1_000; link += 1) await Promise.resolve()
  assert.notEqual(memory.take(BLOCK_BYTES), bytes)
  for (let turn = 0; turn < 20; turn += 1) await nodeClock.sleep(1)
  assert.equal(memory.take(BLOCK_BYTES), bytes)
})

test('no more than some blocks are kept', () => {
  const memory = new BlockMemory(nodeClock)
  const all = Array.from({ length: 100 }, () => memory.hold(memory.take(BLOCK_BYTES)))
  for (const bytes of all) memory.drop(bytes)
  const again = Array.from({ length: 100 }, () => memory.take(BLOCK_BYTES))
  assert.equal(again.filter((bytes) => all.includes(bytes)).length, 16)
})
