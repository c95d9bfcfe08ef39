import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { parsePath as p } from '#foundation/path.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { type Bench, caller, create, type Mount, openBench, settled } from './write-back-fixture.suite.ts'

const OVER = { code: 'QUOTA_EXCEEDED' }

/** A volume with room for a hundred bytes, of which "old" takes eighty. */
async function openFull(t: TestContext): Promise<{ bench: Bench; mount: Mount }> {
  const bench = await openBench(t)
  await bench.quota(100)
  await bench.others('old', 'o'.repeat(80))
  const mount = await bench.mount()
  await mount.volume.stat(['old'])
  return { bench, mount }
}

const removed = async ({ volume }: Mount, path: string): Promise<void> => {
  if (!volume.removeNow(p(path))) await volume.remove(p(path), { caller })
}

/** Is refused. */
async function overfill(mount: Mount, path: string, text = 'x'.repeat(50)): Promise<void> {
  await create(mount, path, text)
  await assert.rejects(mount.volume.sync(p(path)), OVER)
}

test('what the cluster has no room for is not sent any more once it is removed', async (t) => {
  const { bench, mount } = await openFull(t)
  await overfill(mount, 'f')
  await removed(mount, 'f')
  await mount.volume.drain()
  // The same of one that lies there already, and whatever was done to it since.
  await mount.volume.writeAt(['old'], { offset: 80, bytes: Buffer.alloc(50, 'x') }, caller)
  await assert.rejects(mount.volume.sync(['old']), OVER)
  await mount.volume.writeAt(['old'], { offset: 130, bytes: Buffer.alloc(50, 'y') }, caller)
  await mount.volume.setAttributes(['old'], { mode: 0o600 }, caller)
  await removed(mount, 'old')
  await mount.volume.drain()
  assert.deepEqual(await bench.names(), [])
  await create(mount, 'g', 'g'.repeat(90))
  await mount.volume.drain()
  assert.equal((await bench.stored('g')).length, 90)
})

test('what the cluster has no room for is sent as it was cut or written over, without what it was before', async (t) => {
  const { bench, mount } = await openFull(t)
  await overfill(mount, 'f')
  await mount.volume.truncate(['f'], 0)
  await mount.volume.writeAt(['f'], { offset: 0, bytes: Buffer.from('short') }, caller)
  await mount.volume.drain()
  assert.equal(await bench.stored('f'), 'short')
  // An editor writes anew, and gives that the name.
  await overfill(mount, 'g')
  await create(mount, 'g~', 'shorter')
  await mount.volume.rename(['g~'], ['g'], { caller })
  await mount.volume.drain()
  assert.deepEqual([await bench.stored('g'), (await bench.names()).join()], ['shorter', 'f,g,old'])
})

test('what took the place of another file and has no room goes with it when it is removed', async (t) => {
  const { bench, mount } = await openFull(t)
  await overfill(mount, 'new', 'n'.repeat(30))
  await mount.volume.rename(['new'], ['old'], { caller })
  await assert.rejects(mount.volume.sync(['old']), OVER)
  await removed(mount, 'old')
  await mount.volume.drain()
  assert.deepEqual(await bench.names(), [])
  // A file of the cluster that is moved before it is removed.
  await bench.others('kept', 'k'.repeat(80))
  await mount.volume.stat(['kept'])
  await mount.volume.writeAt(['kept'], { offset: 80, bytes: Buffer.alloc(50, 'x') }, caller)
  await assert.rejects(mount.volume.sync(['kept']), OVER)
  await mount.volume.makeDirectory(['trash'], { caller })
  await mount.volume.rename(['kept'], p('trash/kept'), { caller })
  await removed(mount, 'trash/kept')
  await mount.volume.drain()
  assert.deepEqual(await bench.names(), ['trash'])
})

test('removals make room for what waits, also behind the times of a directory that wait for it', async (t) => {
  const { bench, mount } = await openFull(t)
  await mount.volume.makeDirectory(['d'], { caller })
  for (const name of ['a', 'b']) await create(mount, `d/${name}`, 'ten bytes.')
  await mount.volume.drain()
  await create(mount, 'd/f', 'x'.repeat(20))
  await mount.volume.setAttributes(['d'], { mtimeNs: 1_000_000_000n }, caller)
  await assert.rejects(mount.volume.sync(['d']), OVER)
  for (const name of ['a', 'b']) await removed(mount, `d/${name}`)
  await settled(mount)
  assert.equal((await bench.stored('d/f')).length, 20)
  const { mtimeNs } = (await bench.cluster.volume.stat(['d'])) ?? assert.fail()
  assert.ok(mtimeNs > 1_000_000_000n, 'The removals came after that time was set')
  await overfill(mount, 'd/g')
  await mount.volume.setAttributes(['d'], { mtimeNs: 2_000_000_000n }, caller)
  for (const name of ['d/f', 'd/g', 'd']) await removed(mount, name)
  await mount.volume.drain()
  assert.deepEqual(await bench.names(), ['old'])
})

test('a file that the cluster has no room for is removed also where the mount dies before or after', async (t) => {
  const { bench, mount } = await openFull(t)
  await overfill(mount, 'f')
  await overfill(mount, 'new', 'n'.repeat(30))
  await mount.volume.rename(['new'], ['old'], { caller })
  mount.files.kill()
  const next = await bench.mount()
  await removed(next, 'f')
  await removed(next, 'old')
  // It has been told that it is refused, or not.
  next.files.kill()
  const last = await bench.mount()
  await settled(last)
  assert.deepEqual(await bench.names(), [])
  // What was sent as one is one for whoever reads the journal next, though the cluster has it.
  await bench.others('old', 'o'.repeat(80))
  await last.volume.stat(['old'])
  await overfill(last, 'g')
  await create(last, 'g~', 'short')
  bench.cluster.losesAnswersAfter = 1
  await last.volume.rename(['g~'], ['g'], { caller })
  while ((await bench.stored('g')) !== 'short') await nodeClock.sleep(10)
  last.files.kill()
  bench.cluster.losesAnswersAfter = Infinity
  await bench.quota(undefined)
  await settled(await bench.mount())
  assert.deepEqual([await bench.stored('g'), (await bench.names()).join()], ['short', 'g,old'])
})

test('a part of what has no room that the cluster has got is cut again, and goes with the file', async (t) => {
  const { bench, mount } = await openFull(t)
  await removed(mount, 'old')
  await mount.volume.drain()
  await bench.quota(20)
  await create(mount, 'holes', 'begin')
  // Sent in its parts, of which the second one has no room.
  await mount.volume.writeAt(['holes'], { offset: 3 * 1024 * 1024, bytes: Buffer.from('end') }, caller)
  await assert.rejects(mount.volume.sync(['holes']), OVER)
  assert.equal(await bench.stored('holes'), 'begin')
  await mount.volume.truncate(['holes'], 3)
  await settled(mount)
  assert.equal(await bench.stored('holes'), 'beg')
  await mount.volume.writeAt(['holes'], { offset: 3 * 1024 * 1024, bytes: Buffer.from('end') }, caller)
  await assert.rejects(mount.volume.sync(['holes']), OVER)
  await removed(mount, 'holes')
  await settled(mount)
  assert.deepEqual(await bench.names(), [])
})

test('removals and cuts go into a full journal, which gets room by them', async (t) => {
  const bench = await openBench(t)
  await bench.quota(100)
  const mount = await bench.mount({ journalBytesMax: 1024 * 1024, isSoft: true })
  const much = Buffer.alloc(600 * 1024, 'x')
  for (const name of ['f', 'g']) {
    await create(mount, name)
    await mount.volume.writeAt([name], { offset: 0, bytes: much.subarray(0, name === 'f' ? undefined : 400 * 1024) }, caller)
  }
  await assert.rejects(mount.volume.sync(['f']), OVER)
  await assert.rejects(mount.volume.writeAt(['g'], { offset: 0, bytes: much }, caller), { code: 'NO_SPACE' })
  await mount.volume.truncate(['g'], 10)
  await mount.volume.remove(['f'], { caller })
  await settled(mount)
  assert.deepEqual([await bench.names(), (await bench.stored('g')).length], [['g'], 10])
  await mount.volume.writeAt(['g'], { offset: 0, bytes: much.subarray(0, 50) }, caller)
  await settled(mount)
})
