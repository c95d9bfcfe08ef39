import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCrashRounds } from './crash-rounds.ts'

// `npm run crash` has 200 rounds, or as many as it is told.
test(
  'a node killed at random moments under mixed load has every acknowledged write, and no half of any other',
  { timeout: 180_000 },
  async () => {
    const { acknowledged } = await runCrashRounds({ rounds: 20, workers: 6, lifeMsMax: 800, say: () => {} })
    assert.ok(acknowledged > 100, `only ${acknowledged} operations were acknowledged: that proves little`)
  },
)
