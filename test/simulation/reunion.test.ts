import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runReunion } from './reunion.ts'

const FIRST_SEED = Number(process.env['SHOAL_REUNION_SEED'] ?? 1)
const SEEDS = Number(process.env['SHOAL_REUNION_SEEDS'] ?? (process.env['SHOAL_REUNION_SEED'] === undefined ? 2 : 1))
const SIDES = { '2 + 5': [0, 0, 1, 1, 1, 1, 1], '1 + 6': [0, 1, 1, 1, 1, 1, 1], '7 singletons': [0, 1, 2, 3, 4, 5, 6] }
/** Gossip asks one of those that it has given up every 5 s, and each node compares with one other every 2.5 to 7.5 s. */
const KNOWN_MS_MAX = 20_000
const AGREED_MS_MAX = 40_000

for (const [name, sides] of Object.entries(SIDES))
  for (const cutMs of [10_000, 60_000])
    test(`cut into ${name} for ${cutMs / 1_000} s, nodes know of each other ${KNOWN_MS_MAX / 1_000} s after at the latest, and agree on everything within ${AGREED_MS_MAX / 1_000} s`, async () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
        const { knownMs, agreedMs, faults } = await runReunion({ sides, cutMs, seed })
        assert.deepEqual(faults, [], `SHOAL_REUNION_SEED=${seed}`)
        assert.ok(knownMs > 0 && knownMs <= KNOWN_MS_MAX, `SHOAL_REUNION_SEED=${seed}: known after ${knownMs} ms`)
        assert.ok(agreedMs <= AGREED_MS_MAX, `SHOAL_REUNION_SEED=${seed}: the same after ${agreedMs} ms`)
      }
    })

test('canary: gossip that hardly asks those that it has given up is found too slow', async () => {
  const { knownMs } = await runReunion({ sides: SIDES['2 + 5'], cutMs: 60_000, seed: 1, reconnectIntervalMs: 3_600_000 })
  assert.ok(knownMs === 0 || knownMs > KNOWN_MS_MAX, `known after ${knownMs} ms`)
})
