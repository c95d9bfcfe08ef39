import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '#observe/log.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { Journal } from './journal.ts'
import { leftBehind } from './left-behind.ts'
import { create, openBench, settled } from './write-back-fixture.suite.ts'

test('changes that an earlier mount has not sent are told to one that writes none back, as long as nobody sends them', async (t) => {
  const bench = await openBench(t)
  const folder = join(bench.folder, 'journal')
  const options = { files: nodeAppendFiles, folder, identity: 'docs' }
  assert.equal(leftBehind(options), undefined)
  assert.deepEqual(readdirSync(bench.folder), [])
  const mount = await bench.mount()
  bench.cluster.isReachable = false
  await create(mount, 'f', 'x')
  assert.equal(leftBehind(options), undefined)
  mount.files.kill()
  const told = leftBehind(options)
  assert.match(told?.message ?? '', /journal" has 2 changes of an earlier mount/)
  bench.cluster.isReachable = true
  await settled(await bench.mount())
})

test('a journal of another volume is in nobody’s way when all that was in it has been sent', async (t) => {
  const bench = await openBench(t)
  const folder = join(bench.folder, 'journal')
  const other = { files: nodeAppendFiles, folder, volume: 'photos' }
  const mount = await bench.mount()
  bench.cluster.isReachable = false
  await create(mount, 'f', 'x')
  mount.files.kill()
  assert.throws(() => Journal.open(other, 0), { code: 'DATA_FORMAT', message: /holds changes to docs, not to photos/ })
  bench.cluster.isReachable = true
  const again = await bench.mount()
  await settled(again)
  again.files.kill()
  const { journal, pending } = Journal.open(other, 0)
  assert.deepEqual(pending, [])
  journal.append({ op: 'mkdir', path: 'd', inode: journal.newInode(), timeNs: 1n, mode: 0o700, uid: 0, gid: 0 })
  journal.close()
  assert.throws(() => Journal.open({ ...other, volume: 'docs' }, 0), { message: /holds changes to photos, not to docs/ })
})

test('files of a journal that somebody removes are missed within a second or two, and what comes then is kept', async (t) => {
  const bench = await openBench(t)
  const errors: string[] = []
  const log = { ...silentLog, error: (message: string) => errors.push(message) }
  const mount = await bench.mount({ log })
  bench.cluster.isReachable = false
  await create(mount, 'lost', 'x')
  rmSync(join(bench.folder, 'journal'), { recursive: true })
  for (let tries = 0; errors.length === 0 && tries < 50; tries += 1) await nodeClock.sleep(100)
  assert.match(errors.join(), /removed files of the journal/)
  await nodeClock.sleep(1_100)
  assert.match(readFileSync(join(bench.folder, 'status'), 'utf8'), /removed files of the journal/)
  await create(mount, 'kept', 'y')
  assert.throws(() => Journal.open({ files: nodeAppendFiles, folder: join(bench.folder, 'journal'), volume: 'docs' }, 0), {
    code: 'DATA_IN_USE',
  })
  mount.files.kill()
  bench.cluster.isReachable = true
  await settled(await bench.mount())
  assert.deepEqual(await bench.names(), ['kept'])
  assert.equal(errors.length, 1)
})
