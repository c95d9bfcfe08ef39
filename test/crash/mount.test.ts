import { test } from 'node:test'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { longFileRound } from './long-file-kills.ts'
import { killRound, openKillBench } from './mount-kills.ts'

// `npm test test/crash/mount.soak.ts` has a hundred rounds.
test('what close and fsync have answered is there after a mount was killed', { skip: noMounts, timeout: 60_000 }, async (t) => {
  const bench = await openKillBench(t)
  const model = new Map<string, string>()
  for (const round of [1, 2]) await killRound(bench, model, { seed: round * 104_729, afterMs: 300 + round * 100 })
})

test(
  'a long file that a node takes parts of is there when its mount was killed, as far as was answered',
  { skip: noMounts, timeout: 60_000 },
  async (t) => {
    const bench = await openKillBench(t)
    await longFileRound(bench, { name: 'early', afterMs: 150, isSynced: false })
    await longFileRound(bench, { name: 'closed', afterMs: 30_000, isSynced: false })
  },
)
