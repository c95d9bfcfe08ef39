import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#platform/manual-clock.ts'
import type { FileLocks } from './file-locks.ts'
import { HIDDEN_PREFIX, mountOfHidden } from './hidden-names.ts'
import { caller, openFixture } from './volume-fixture.suite.ts'

const MINUTE_MS = 60_000
const [ALIVE, DEAD] = ['aa'.repeat(16), 'dd'.repeat(16)]

test('files that a mount has left behind are removed once it has had no session for ten minutes, and no others', async (t) => {
  const clock = new ManualClock()
  const { volumes, volume } = await openFixture({ clock: clock as never })
  const locks = volume.fileLocks as FileLocks
  const write = (name: string) => volume.writeFile([name], Buffer.from('x'), { caller })
  const hidden = { alive: `${HIDDEN_PREFIX}${ALIVE}-1`, dead: `${HIDDEN_PREFIX}${DEAD}-1` }
  const others = [`${HIDDEN_PREFIX}7-123456789abc`, '.shoal-removed', 'f', hidden.alive].toSorted()
  for (const name of [...others, hidden.dead, `${HIDDEN_PREFIX}${DEAD}-2`]) await write(name)
  await locks.begin({ caller, mount: DEAD, about: '', leaseMs: MINUTE_MS })
  volumes.start()
  t.after(() => volumes.stop())
  const { session } = await locks.begin({ caller, mount: ALIVE, about: '', leaseMs: MINUTE_MS })
  const names = async () => (await volume.list([])).entries.map(({ path }) => path.join('/'))
  const pass = async (minutes: number) => {
    for (let step = 0; step < minutes * 2; step += 1) {
      for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      clock.advance(MINUTE_MS / 2)
      await locks.renew(session, caller)
    }
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  await pass(10)
  assert.equal((await names()).length, others.length + 2)
  await pass(5)
  assert.deepEqual(await names(), others)
})

test('a hidden name says which mount has use for it', () => {
  assert.equal(mountOfHidden(`${HIDDEN_PREFIX}${DEAD}-2a-00`), DEAD)
  for (const name of [`${HIDDEN_PREFIX}2a-00`, `${HIDDEN_PREFIX}${DEAD}`, `${DEAD}-1`, 'f'])
    assert.equal(mountOfHidden(name), undefined)
})
