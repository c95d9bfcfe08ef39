import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from './simulation.ts'
import { runSeeds } from './some-seeds.suite.ts'

// `npm run sim` runs more of them, and one by itself with its trace. The other half is in `more-seeds.test.ts`, for another core.

test('a cluster under faults keeps its promises (seeds 1 to 100)', () => runSeeds({ from: 1, to: 100 }))

test('a seed gives the same every time', async () => {
  const [first, second] = [await simulate({ seed: 7 }), await simulate({ seed: 7 })]
  assert.deepEqual(first, second)
})
