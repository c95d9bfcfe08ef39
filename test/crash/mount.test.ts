import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { nodeClock } from '../../src/platform/node-clock.ts'
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

test(
  'what was written to a file that is never closed is there when its mount was killed two seconds later',
  { skip: noMounts, timeout: 60_000 },
  async (t) => {
    const { mounted } = await openKillBench(t)
    await mounted.mount()
    const file = join(mounted.directory, 'log')
    const writer = spawn('sh', ['-c', 'exec 3>>"$0"; echo first >&3; echo second >&3; echo written; read -r end', file], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    await once(writer.stdout, 'data')
    await nodeClock.sleep(2_000)
    await mounted.kill()
    writer.kill('SIGKILL')
    await mounted.mount()
    assert.equal(readFileSync(file, 'utf8'), 'first\nsecond\n')
  },
)
