import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePath as p } from '#foundation/path.ts'
import { caller, create, openBench, settled } from './write-back-fixture.suite.ts'

const owned = { mode: 0o600, uid: 3, gid: 4 }

test('a file is made, written and given its attributes without waiting, survives the death of the mount, and is sent', async (t) => {
  const bench = await openBench(t)
  bench.cluster.isReachable = false
  const first = await bench.mount()
  await first.volume.makeDirectory(['d'], { caller, mode: 0o700 })
  assert.equal(first.volume.createNow(p('d/f'), owned)?.sizeBytes, 0)
  assert.equal(first.volume.writeNow(p('d/f'), { offset: 0, bytes: Buffer.from('hello') })?.sizeBytes, 5)
  assert.equal(first.volume.setAttributesNow(p('d/f'), { mode: 0o644, mtimeNs: 7n })?.mode, 0o644)
  first.files.kill()
  const second = await bench.mount()
  bench.cluster.isReachable = true
  await settled(second)
  assert.equal(await bench.stored('d/f'), 'hello')
  const { mode, uid, gid, mtimeNs } = (await bench.cluster.volume.stat(p('d/f'))) ?? {}
  assert.deepEqual([mode, uid, gid, mtimeNs], [0o644, 3, 4, 7n])
})

test('a directory is made and a file removed without waiting, and what is in a directory is looked for before that goes', async (t) => {
  const bench = await openBench(t)
  await bench.others('old', 'x')
  const mount = await bench.mount()
  const { volume } = mount
  assert.equal(volume.removeNow(['old']), false)
  await volume.stat(['old'])
  await volume.stat([])
  bench.cluster.isReachable = false
  assert.equal(volume.makeDirectoryNow(['d'], { ...owned, mode: 0o2750 })?.mode, 0o2750)
  assert.equal(volume.makeDirectoryNow(['d'], owned), undefined)
  assert.equal(volume.makeDirectoryNow(p('d/e.lock'), owned), undefined)
  await create(mount, 'd/f')
  assert.deepEqual([volume.removeNow(p('d/f')), volume.removeNow(['old']), volume.removeNow(['old'])], [true, true, false])
  assert.equal(volume.removeNow(['d']), false)
  bench.cluster.isReachable = true
  await settled(mount)
  assert.deepEqual(await bench.names(), ['d'])
  const { mode, uid, gid } = (await bench.cluster.volume.stat(['d'])) ?? {}
  assert.deepEqual([mode, uid, gid], [0o2750, 3, 4])
})

test('a link is made without waiting, survives the death of the mount, and is sent', async (t) => {
  const bench = await openBench(t)
  await bench.others('old', 'x')
  const first = await bench.mount()
  await first.volume.stat(['old'])
  await first.volume.stat([])
  bench.cluster.isReachable = false
  const target = Buffer.from([0x2e, 0x2f, 0xff])
  const { type, uid, gid, sizeBytes } = first.volume.makeSymlinkNow(['link'], target, { uid: 3, gid: 4 }) ?? {}
  assert.deepEqual([type, uid, gid, sizeBytes], ['symlink', 3, 4, 3])
  for (const taken of ['link', 'old', 'link.lock']) assert.equal(first.volume.makeSymlinkNow([taken], target, owned), undefined)
  first.files.kill()
  const second = await bench.mount()
  assert.deepEqual(await second.volume.readSymlink(['link']), target)
  bench.cluster.isReachable = true
  await settled(second)
  assert.deepEqual(await bench.cluster.volume.readSymlink(['link']), target)
})

test('a file is renamed without waiting where it is known what is there, and what nobody knows is asked for', async (t) => {
  const bench = await openBench(t)
  await bench.others('old', 'theirs')
  const mount = await bench.mount()
  const { volume } = mount
  await volume.makeDirectory(['d'], { caller, mode: 0o700 })
  await create(mount, 'd/f', 'mine')
  await create(mount, 'd/g', 'other')
  // Nobody has looked yet what is there, nor at the file.
  assert.deepEqual(
    [volume.renameNow(p('d/f'), ['old'], 'replace'), volume.renameNow(['old'], p('d/f'), 'replace')],
    [false, false],
  )
  await volume.stat(['old'])
  bench.cluster.isReachable = false
  for (const mode of ['no-replace', 'exchange'] as const) assert.equal(volume.renameNow(p('d/f'), p('d/g'), mode), false)
  for (const [from, to] of [
    ['d', 'e'],
    ['d/f', 'd'],
    ['d/f', 'd/f'],
  ] as const)
    assert.equal(volume.renameNow(p(from), p(to), 'replace'), false)
  assert.throws(() => volume.renameNow(p('d/f'), p('d/..'), 'replace'), { code: 'INVALID_PATH' })
  assert.ok(volume.renameNow(p('d/g'), p('d/h'), 'no-replace'))
  assert.ok(volume.renameNow(p('d/f'), p('d/h'), 'replace'))
  assert.ok(volume.renameNow(p('d/h'), ['old'], 'replace'))
  bench.cluster.isReachable = true
  await settled(mount)
  assert.deepEqual(await bench.names(), ['d', 'old'])
  assert.equal(await bench.stored('old'), 'mine')
})

test('what has to be asked or waited for is left alone', async (t) => {
  const bench = await openBench(t)
  await bench.others('old', 'x')
  const { volume } = await bench.mount()
  // Nobody has looked yet whether the root hands a list of access down, nor at the file.
  assert.equal(volume.createNow(['f'], owned), undefined)
  assert.equal(volume.setAttributesNow(['old'], { mode: 0o600 }), undefined)
  assert.equal(volume.setAttributesNow([], { mode: 0o600 }), undefined)
  await volume.makeDirectory(['d'], { caller, mode: 0o700 })
  assert.equal(volume.createNow(p('d/yarn.lock'), owned), undefined)
  assert.notEqual(volume.createNow(p('d/f'), owned), undefined)
  assert.equal(volume.createNow(p('d/f'), owned), undefined)
  assert.deepEqual(
    (await volume.list(['d'])).entries.map(({ path }) => path.join('/')),
    ['f'],
  )
  assert.throws(() => volume.createNow(p('d/..'), owned), { code: 'INVALID_PATH' })
})

test('a full journal takes nothing at once but what makes room', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount({ journalBytesMax: 1 })
  const { volume } = mount
  await volume.makeDirectory(['d'], { caller, mode: 0o700 })
  await settled(mount)
  bench.cluster.isReachable = false
  await create(mount, 'd/f')
  assert.equal(volume.createNow(p('d/g'), owned), undefined)
  assert.equal(volume.setAttributesNow(p('d/f'), { mode: 0o600 }), undefined)
  assert.equal(volume.makeDirectoryNow(p('d/e'), owned), undefined)
  assert.equal(volume.renameNow(p('d/f'), p('d/g'), 'replace'), false)
  assert.equal(volume.removeNow(p('d/f')), true)
})

test('what was changed under a lock file is in the cluster before that is removed, unless it can’t be sent', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  await create(mount, 'lockfile')
  await create(mount, 'counted', '1')
  await mount.volume.remove(['lockfile'], { caller })
  assert.equal(await bench.stored('counted'), '1')
  await create(mount, 'lockfile')
  bench.cluster.cannotRead = () => true
  await create(mount, 'second', '2')
  await mount.volume.remove(['lockfile'], { caller })
  assert.equal(await bench.stored('second'), '(absent)')
  bench.cluster.cannotRead = () => false
  await settled(mount)
  assert.deepEqual(await bench.names(), ['counted', 'second'])
})
