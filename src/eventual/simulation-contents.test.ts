import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runContents } from './simulation-contents.suite.ts'

const FIRST_SEED = Number(process.env['SHOAL_EVENTUAL_SEED'] ?? 1)
const SEEDS = Number(process.env['SHOAL_EVENTUAL_SEEDS'] ?? (process.env['SHOAL_EVENTUAL_SEED'] === undefined ? 3 : 1))

test('without a leader the space of what nobody has is given back, and nothing that anybody has written, copied or renamed is without its bytes', async () => {
  let collected = 0
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
    const run = await runContents({ nodes: 3 + (seed % 4), seed })
    assert.deepEqual(run.faults, [], `SHOAL_EVENTUAL_SEED=${seed}`)
    collected += run.collected
  }
  assert.ok(collected > 10 * SEEDS, `${collected} chunks only`)
})

test('canary: nodes that ask nobody before they forget lose what one has copied that was cut off', async () => {
  const { faults } = await runContents({ nodes: 5, seed: 1, asksNobody: true, rounds: 120 })
  assert.ok(faults.some((fault) => fault.includes('whose bytes are nowhere')))
})
