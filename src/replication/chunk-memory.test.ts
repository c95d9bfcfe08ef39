import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkMemory } from './chunk-memory.ts'

const MIB = 1024 * 1024

function counted() {
  const made: Buffer[] = []
  const allocate = (sizeBytes: number): Buffer => {
    const buffer = Buffer.alloc(sizeBytes)
    made.push(buffer)
    return buffer
  }
  return { made, memory: new ChunkMemory({ allocate }) }
}

test('what was given back is used again for a chunk of the same length, and for no other', () => {
  const { made, memory } = counted()
  const first = memory.take(8 * MIB)
  memory.giveBack(first)
  assert.notEqual(memory.take(2 * MIB), first)
  assert.equal(memory.take(8 * MIB), first)
  assert.notEqual(memory.take(8 * MIB), first)
  assert.equal(made.length, 3)
})

test('at most 64 MiB are kept: the oldest go', () => {
  const { made, memory } = counted()
  const buffers = Array.from({ length: 9 }, () => memory.take(8 * MIB))
  for (const buffer of buffers) memory.giveBack(buffer)
  const again = Array.from({ length: 8 }, () => memory.take(8 * MIB))
  assert.deepEqual(new Set(again), new Set(buffers.slice(1)))
  assert.equal(made.length, 9)
  memory.take(8 * MIB)
  assert.equal(made.length, 10)
})

test('small buffers are not kept', () => {
  const { memory } = counted()
  const small = memory.take(64 * 1024)
  memory.giveBack(small)
  assert.notEqual(memory.take(64 * 1024), small)
})
