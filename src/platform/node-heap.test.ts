import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectHeap } from './node-heap.ts'

test('what isn’t used any more is given back to the system', () => {
  const used = (): number => process.memoryUsage().heapTotal
  let garbage: string[][] | undefined = Array.from({ length: 200_000 }, (_, at) => [String(at)])
  const before = used()
  assert.equal(garbage.length, 200_000)
  garbage = undefined
  collectHeap()
  assert.ok(used() < before - 8 * 1024 * 1024, `${before} bytes became ${used()}`)
  assert.equal('gc' in globalThis, false)
})
