import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ChunkMemory } from './chunk-memory.ts'

const MIB = 1024 * 1024

function counted() {
  const made: Buffer[] = []
  const allocate = (sizeBytes: number): Buffer => {
    const buffer = Buffer.from(new ArrayBuffer(sizeBytes))
    made.push(buffer)
    return buffer
  }
  return { made, memory: new ChunkMemory({ allocate }) }
}

const memoryOf = (buffers: Iterable<Buffer>): Set<ArrayBufferLike> => new Set([...buffers].map(({ buffer }) => buffer))

test('what was given back is used again for a chunk of about the same length, and for no other', () => {
  const { made, memory } = counted()
  const first = memory.take(8 * MIB)
  memory.giveBack(first)
  assert.notEqual(memory.take(2 * MIB).buffer, first.buffer)
  const again = memory.take(7 * MIB + 1)
  assert.equal(again.buffer, first.buffer)
  assert.deepEqual([again.length, again.byteOffset], [7 * MIB + 1, 0])
  assert.notEqual(memory.take(8 * MIB).buffer, first.buffer)
  assert.equal(made.length, 3)
})

test('a chunk has exactly as many bytes as it asks for, in at most a quarter more memory', () => {
  const { memory } = counted()
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 96 * MIB }), (sizeBytes) => {
      const taken = memory.take(sizeBytes)
      assert.equal(taken.length, sizeBytes)
      assert.ok(taken.buffer.byteLength <= Math.max(sizeBytes * 1.25, 256 * 1024), `${taken.buffer.byteLength}`)
    }),
    { numRuns: 50 },
  )
})

test('at most 128 MiB are kept: the oldest go', () => {
  const { made, memory } = counted()
  const buffers = Array.from({ length: 17 }, () => memory.take(8 * MIB))
  for (const buffer of buffers) memory.giveBack(buffer)
  const again = Array.from({ length: 16 }, () => memory.take(8 * MIB))
  assert.deepEqual(memoryOf(again), memoryOf(buffers.slice(1)))
  assert.equal(made.length, 17)
  memory.take(8 * MIB)
  assert.equal(made.length, 18)
})

test('what nobody has taken since the trim before is dropped', () => {
  const { made, memory } = counted()
  memory.giveBack(memory.take(MIB))
  memory.trim()
  memory.giveBack(memory.take(MIB))
  assert.equal(made.length, 1)
  memory.trim()
  memory.trim()
  memory.take(MIB)
  assert.equal(made.length, 2)
})

test('small buffers are not kept', () => {
  const { memory } = counted()
  const small = memory.take(64 * 1024)
  memory.giveBack(small)
  assert.notEqual(memory.take(64 * 1024).buffer, small.buffer)
})

test('nothing is given back twice', () => {
  const { memory } = counted()
  const chunk = memory.take(MIB)
  memory.giveBack(chunk)
  assert.throws(() => memory.giveBack(chunk), /twice/)
})
