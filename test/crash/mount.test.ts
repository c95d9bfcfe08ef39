import { test } from 'node:test'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { killRound, openKillBench } from './mount-kills.ts'

// `npm test test/crash/mount.soak.ts` has a hundred rounds.
test('what close and fsync have answered is there after a mount was killed', { skip: noMounts, timeout: 60_000 }, async (t) => {
  const bench = await openKillBench(t)
  const model = new Map<string, string>()
  for (const round of [1, 2]) await killRound(bench, model, { seed: round * 104_729, afterMs: 300 + round * 100 })
})
