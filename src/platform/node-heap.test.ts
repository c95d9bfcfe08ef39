import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'
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

/** Keeps a million objects, and of others the last 600,000; says how large the heap has become. */
const MAKES_GARBAGE = `
  import { markSeldom } from ${JSON.stringify(new URL('./node-heap.ts', import.meta.url).href)}
  if (process.argv[1] === 'told') markSeldom()
  const kept = Array.from({ length: 1_000_000 }, (_, at) => ({ at }))
  const recent = []
  for (let at = 0; at < 12_000_000; at += 1) recent[at % 600_000] = { at }
  console.log(process.memoryUsage().heapTotal, kept.length)
`

function heapBytes(how: 'told' | 'untold'): number {
  return parseInt(execFileSync(process.execPath, [...NODE_FLAGS, '--input-type=module', '--eval', MAKES_GARBAGE, how]).toString())
}

test('a process that marks seldom has a heap that grows by what lives in it, and no more', () => {
  const [untold, told] = [heapBytes('untold'), heapBytes('told')]
  assert.ok(told < 0.9 * untold, `${told} of ${untold} bytes`)
})
