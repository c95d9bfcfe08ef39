// npm test test/crash/mount.soak.ts: kills a mount that writes back a hundred times, or SHOAL_ROUNDS, from SHOAL_SEED on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { longFileRound } from './long-file-kills.ts'
import { killRound, openKillBench } from './mount-kills.ts'

const rounds = Number(process.env['SHOAL_ROUNDS'] ?? 100)
const first = Number(process.env['SHOAL_SEED'] ?? 1)

test(`what close and fsync have answered is there after each of ${rounds} kills of a mount`, { skip: noMounts }, async (t) => {
  const bench = await openKillBench(t)
  const model = new Map<string, string>()
  let [changes, synced] = [0, 0]
  for (let round = first; round < first + rounds; round += 1) {
    const facts = await killRound(bench, model, { seed: round * 7919, afterMs: 200 + ((round * 137) % 900) })
    changes += facts.changes
    synced += facts.synced
  }
  t.diagnostic(`${changes} changes, ${synced} files looked for in the cluster after their fsync`)
  assert.ok(synced > 0)
})

test(
  `what was answered of a long file is there after each of ${rounds / 4} kills of a mount of which a node takes parts`,
  { skip: noMounts },
  async (t) => {
    const bench = await openKillBench(t)
    let closed = 0
    for (let round = first; round < first + rounds / 4; round += 1) {
      const isSynced = round % 2 === 0
      if (await longFileRound(bench, { name: `long-${round}`, afterMs: 50 + ((round * 137) % 900), isSynced })) closed += 1
    }
    t.diagnostic(`${closed} of them had been closed`)
  },
)
