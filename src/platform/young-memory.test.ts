import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'

/** Takes in 1 GiB in pieces as a socket gives them out, and says how often V8 has marked its whole heap. */
const SCRIPT = `
  import { constants, PerformanceObserver } from 'node:perf_hooks'
  import { countArrived } from ${JSON.stringify(new URL('./young-memory.ts', import.meta.url).href)}
  let marked = 0
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) marked += 1
  }).observe({ entryTypes: ['gc'] })
  const pieces = []
  for (let at = 0; at < 65536; at += 1) {
    const piece = Buffer.from(new ArrayBuffer(16384))
    pieces[at % 64] = piece
    if (process.argv[1] === 'told') countArrived(piece.length)
    if (at % 256 === 0) await new Promise(setImmediate)
  }
  setTimeout(() => console.log(marked), 50)
`

function markedWhole(how: 'told' | 'untold'): number {
  return Number(execFileSync(process.execPath, [...NODE_FLAGS, '--input-type=module', '--eval', SCRIPT, how]).toString())
}

test('a gigabyte that passes through sockets has V8 mark its whole heap less often than if nobody were told', () => {
  // Where its threads for marking have to wait for a processor, it goes over the heap once or twice only.
  let [untold, told] = [0, 0]
  for (let rounds = 0; rounds < 6 && untold < 6; rounds += 1) {
    untold += markedWhole('untold')
    told += markedWhole('told')
  }
  assert.ok(untold >= 6, `${untold}`)
  assert.ok(told < untold / 2, `${told} of ${untold}`)
})
