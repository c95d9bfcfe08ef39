import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { readAll } from '#volume/volume-fixture.suite.ts'
import { caller, create, openBench, settled } from './write-back-fixture.suite.ts'

test('what the cluster gets while a change of it is looked at is changed as what it is by then', async (t) => {
  const bench = await openBench(t)
  await bench.others('old', 'old contents')
  const mount = await bench.mount()
  const { volume } = mount
  const ask = bench.cluster.ask.bind(bench.cluster)
  let settles = false
  bench.cluster.ask = async (call) => {
    const answer = await ask(call)
    if (!settles) return answer
    settles = false
    await settled(mount)
    return answer
  }
  await volume.makeDirectory(['d'], { caller })
  await volume.makeNode(['d', 'p'], { type: 'fifo', mode: 0o644 }, caller)
  await volume.remove(['d', 'p'], { caller })
  await settled(mount)
  await volume.setAttributes(['d'], { mode: 0o700 }, caller)
  settles = true
  await volume.remove(['d'], { caller })
  assert.equal(settles, false)
  await create(mount, 'target', 'new')
  settles = true
  await volume.rename(['old'], ['target'], { caller })
  assert.equal(settles, false)
  mount.files.kill()
  const again = await bench.mount()
  await settled(again)
  assert.deepEqual([await bench.names(), await bench.stored('target')], [['target'], 'old contents'])
})

test('who waits until the cluster has a file goes on when the file is removed before it is sent', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const { volume } = mount
  await volume.makeDirectory(['d'], { caller })
  const held = Promise.withResolvers<void>()
  const ask = bench.cluster.ask.bind(bench.cluster)
  bench.cluster.ask = async (call) => {
    await held.promise
    return ask(call)
  }
  const made = volume.sync(['d'])
  await nodeClock.sleep(10)
  // It isn't sent before the directory is there.
  await create(mount, 'd/temporary', 'x')
  const waits = [volume.sync(['d', 'temporary']), volume.drain()]
  await volume.remove(['d', 'temporary'], { caller })
  held.resolve()
  await Promise.all([made, ...waits])
  assert.deepEqual(await bench.names(), ['d'])
})

test('a name that a file has left is free, also if the directory was listed before the cluster knew', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const { volume } = mount
  await volume.makeDirectory(['d'], { caller })
  for (const [name, act] of [
    ['renamed', () => volume.rename(['d', 'renamed'], ['d', 'other'], { caller })],
    ['removed', () => volume.remove(['d', 'removed'], { caller })],
  ] as const) {
    await create(mount, `d/${name}`, 'x')
    await settled(mount)
    await act()
    await volume.list(['d'])
    await settled(mount)
    assert.equal(await volume.stat(['d', name]), undefined)
  }
})

test('what others make of a file before the answer to what was sent of it comes is not taken for what is there', async (t) => {
  const bench = await openBench(t)
  await bench.others('f', 'first')
  const mount = await bench.mount({ asksOnOpen: true, hears: async () => true })
  const { volume } = mount
  const ask = bench.cluster.ask.bind(bench.cluster)
  let isFirst = true
  bench.cluster.ask = async (call) => {
    const answer = await ask(call)
    if (!isFirst) return answer
    isFirst = false
    await bench.others('f', 'of others')
    volume.changedByOthers({ kind: 'write', path: ['f'], from: undefined, type: 'file' })
    return answer
  }
  await volume.stat(['f'])
  isFirst = true
  await volume.writeAt(['f'], { offset: 0, bytes: Buffer.from('mine!!') }, caller)
  await settled(mount)
  assert.equal((await volume.openFile(['f']))?.attributes.sizeBytes, 'of others'.length)
})

test('a directory that others make before the cluster gets it from here stays what it was shown as', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const { volume } = mount
  bench.cluster.isReachable = false
  const shown = (await volume.makeDirectory(['d'], { caller })).inode
  await create(mount, 'f', 'mine')
  const { inode } = await bench.cluster.volume.makeDirectory(['d'], { caller })
  const common = { from: undefined, kind: 'create', inode } as const
  volume.changedByOthers({ ...common, path: ['f'], type: 'directory' })
  assert.equal(volume.shownInode(inode), inode, 'a file is another thing')
  volume.changedByOthers({ ...common, path: ['d'], type: 'directory' })
  assert.equal(volume.shownInode(inode), shown)
  bench.cluster.isReachable = true
  await settled(mount)
  assert.deepEqual([(await volume.stat(['d']))?.inode, volume.shownInode(inode)], [shown, shown])
})

test('what is written over what the cluster has of a file since it was sent is no conflict after a kill', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  for (const path of ['punched', 'others', 'replaced']) await create(mount, path, 'abcdef')
  await settled(mount)
  await mount.volume.punch(['punched'], { offset: 4, length: 2 }, caller)
  await bench.others('others', 'theirs')
  mount.volume.changedByOthers({ path: ['others'], from: undefined, type: 'file', kind: 'write' })
  for (const path of ['punched', 'others']) {
    await mount.volume.stat([path])
    await mount.volume.writeAt([path], { offset: 0, bytes: Buffer.from('XY') }, caller)
  }
  await mount.volume.punch(['replaced'], { offset: 4, length: 2 }, caller)
  await mount.volume.stat(['replaced'])
  await create(mount, 'new', 'new')
  await mount.volume.rename(['new'], ['replaced'], { caller })
  mount.files.kill()
  await settled(await bench.mount())
  assert.deepEqual((await bench.names()).toSorted(), ['others', 'punched', 'replaced'])
  assert.equal(await bench.stored('punched'), 'XYcd\0\0')
  assert.equal(await bench.stored('others'), 'XYeirs')
  assert.equal(await bench.stored('replaced'), 'new')
})

test('what was looked at before is shown while the node is silent and nothing is told, and nothing else is made up', async (t) => {
  const bench = await openBench(t)
  await bench.others('old', 'old contents')
  await bench.others('unseen', 'x')
  // A minute is over soon.
  const clock = Object.create(nodeClock, {
    sleep: { value: (delayMs: number, signal?: AbortSignal) => nodeClock.sleep(delayMs / 100, signal) },
  }) as typeof nodeClock
  let isTold = true
  const { volume } = await bench.mount({ clock, isTold: () => isTold, asksOnOpen: true })
  await volume.stat(['old'])
  bench.cluster.isSilent = true
  const opening = volume.openFile(['old'])
  const early = await Promise.race([opening, nodeClock.sleep(200)])
  assert.equal(early, undefined, 'as long as changes are told the node is there')
  isTold = false
  assert.equal((await opening)?.attributes.sizeBytes, 12)
  assert.equal((await volume.stat(['old']))?.sizeBytes, 12)
  // Whoever writes asks first.
  volume.doubt(['old'])
  await volume.writeAt(['old'], { offset: 0, bytes: Buffer.from('new') }, caller)
  assert.equal((await volume.openFile(['old']))?.attributes.sizeBytes, 12)
  assert.equal(await Promise.race([volume.stat(['unseen']), nodeClock.sleep(200, undefined).then(() => 'waits')]), 'waits')
})

test('a file is opened to be written while the node says nothing, also where that shows only afterwards', async (t) => {
  const bench = await openBench(t)
  await bench.others('old', 'old contents')
  const clock = Object.create(nodeClock, {
    sleep: { value: (delayMs: number, signal?: AbortSignal) => nodeClock.sleep(delayMs / 100, signal) },
  }) as typeof nodeClock
  let isTold = true
  const { volume } = await bench.mount({ clock, isTold: () => isTold, asksOnOpen: true })
  await volume.stat(['old'])
  bench.cluster.isSilent = true
  volume.doubt(['old'])
  const opening = volume.openFile(['old'])
  assert.equal(await Promise.race([opening, nodeClock.sleep(100)]), undefined, 'others may have written to it')
  isTold = false
  assert.equal((await opening)?.attributes.sizeBytes, 12)
  await volume.writeAt(['old'], { offset: 0, bytes: Buffer.from('new') }, caller)
  assert.equal((await volume.stat(['old']))?.sizeBytes, 12)
  // It had none, and programs that copy a file ask for them.
  assert.deepEqual([await volume.listXattrs(['old']), await volume.readXattr(['old'], 'user.x')], [[], undefined])
  // What others are told to have written since isn't what was seen before.
  volume.doubt(['old'])
  bench.cluster.isSilent = false
  isTold = true
  await volume.drain()
  assert.equal(await bench.stored('old'), 'new contents')
})

test('what others have written since it was doubted is not shown as it was', async (t) => {
  const bench = await openBench(t)
  await bench.others('f', 'first')
  let isTold = true
  const { volume } = await bench.mount({ isTold: () => isTold })
  await volume.stat(['f'])
  volume.doubt(['f'])
  volume.changedByOthers({ path: ['f'], from: undefined, type: 'file', kind: 'write' })
  isTold = false
  bench.cluster.isReachable = false
  await assert.rejects(volume.stat(['f']), { code: 'UNAVAILABLE' })
})

test('who waits for what builds on something that the cluster does not take is told so', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const { volume } = mount
  await create(mount, 'f', 'x')
  await settled(mount)
  const ask = bench.cluster.ask.bind(bench.cluster)
  bench.cluster.ask = async () => {
    throw new ShoalError('QUOTA_EXCEEDED', 'Too much')
  }
  const append = (offset: number) => volume.writeAt(['f'], { offset, bytes: Buffer.from('more') }, caller)
  for (const offset of [1, 5, 9]) {
    await append(offset)
    const synced = volume.sync(['f']).then(
      () => 'stored',
      (error: { code: string }) => error.code,
    )
    assert.equal(await Promise.race([synced, nodeClock.sleep(5_000)]), 'QUOTA_EXCEEDED')
  }
  bench.cluster.ask = ask
  await settled(mount)
  assert.equal(await bench.stored('f'), 'xmoremoremore')
})

test('a directory that stays, since others have put something into it, is there again where it was removed', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const { volume } = mount
  await volume.makeDirectory(['above'], { caller })
  await volume.makeDirectory(['above', 'd'], { caller })
  await settled(mount)
  await bench.others('above/d/f', 'theirs')
  await volume.remove(['above', 'd'], { caller })
  assert.equal(await volume.stat(['above', 'd']), undefined)
  await settled(mount)
  assert.deepEqual(mount.lostAt, ['above/d'])
  assert.equal((await volume.stat(['above', 'd']))?.type, 'directory')
  assert.deepEqual(
    (await volume.list(['above'])).entries.map(({ path }) => path.join('/')),
    ['d'],
  )
})

test('what lies beside shows where it lies, also in a directory that was listed before', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const { volume } = mount
  await bench.others('f', 'before')
  await volume.list([])
  await volume.writeAt(['f'], { offset: 0, bytes: Buffer.from('mine') }, caller)
  await bench.others('f', 'theirs')
  await settled(mount)
  const names = (await volume.list([])).entries.map(({ path }) => path.join('/'))
  assert.equal(names.length, 2)
  assert.deepEqual(mount.lostAt.toSorted(), names)
})

test('a file that others have written to while it was renamed here is what they wrote, and no version that was shown', async (t) => {
  const bench = await openBench(t)
  await bench.others('f', 'before')
  const mount = await bench.mount()
  const { volume } = mount
  const shown = await volume.stat(['f'])
  await volume.rename(['f'], ['g'], { caller })
  await bench.others('f', 'theirs')
  await settled(mount)
  assert.deepEqual(mount.lost, [shown?.inode])
  assert.equal((await readAll(await volume.openFile(['g']))).toString(), 'theirs')
})

test('what is written to a file after it was renamed takes the place of nothing that others had written before that was sent', async (t) => {
  for (const change of ['rename', 'attributes'] as const) {
    const bench = await openBench(t)
    await bench.others('f', 'before')
    const mount = await bench.mount()
    const { volume } = mount
    await volume.stat(['f'])
    const at = change === 'rename' ? 'g' : 'f'
    if (change === 'rename') await volume.rename(['f'], [at], { caller })
    else await volume.setAttributes([at], { mode: 0o600 }, caller)
    const held = Promise.withResolvers<void>()
    const ask = bench.cluster.ask.bind(bench.cluster)
    bench.cluster.ask = async (call) => {
      await held.promise
      return ask(call)
    }
    const sent = volume.sync([at])
    await nodeClock.sleep(10)
    await volume.truncate([at], 0)
    await volume.writeAt([at], { offset: 0, bytes: Buffer.from('mine') }, caller)
    await bench.others('f', 'theirs')
    held.resolve()
    await sent
    await settled(mount)
    const names = await bench.names()
    assert.deepEqual([names.length, await bench.stored(at)], [2, 'theirs'])
    assert.equal(await bench.stored(names.find((name) => name !== at) as string), 'mine')
  }
})

test('a directory that others have made before, and were not heard of, is listed anew', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const { volume } = mount
  await bench.cluster.volume.makeDirectory(['d'], { caller })
  await bench.others('d/f', 'theirs')
  const { inode } = await volume.makeDirectory(['d'], { caller })
  await settled(mount)
  assert.deepEqual(mount.shared, [inode])
  assert.deepEqual(
    (await volume.list(['d'])).entries.map(({ path }) => path.join('/')),
    ['f'],
  )
})

test('a mount that has sent all leaves a directory to one of another volume', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  await create(mount, 'f', 'text')
  await mount.close()
  assert.equal(await bench.stored('f'), 'text')
  const other = await bench.mount({ identity: 'others' })
  assert.equal((await other.volume.stat(['f']))?.sizeBytes, 4)
  await other.close()
})

test('what the cluster does not take is not in the way of its own removal, also after a kill', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const { volume } = mount
  await create(mount, 'there', 'stored')
  await settled(mount)
  const refuse = (): never => {
    throw new ShoalError('QUOTA_EXCEEDED', 'Too much')
  }
  Object.assign(bench.cluster.volume, { makeDirectory: refuse, writeFile: refuse, writeAt: refuse })
  await volume.makeDirectory(['d'], { caller })
  await create(mount, 'd/new', 'x')
  await create(mount, 'new', 'x'.repeat(2_000_000))
  await volume.writeAt(['there'], { offset: 0, bytes: Buffer.from('too much') }, caller)
  await assert.rejects(volume.sync(['new']), { code: 'QUOTA_EXCEEDED' })
  await assert.rejects(volume.sync(['there']), { code: 'QUOTA_EXCEEDED' })
  for (const path of [['d', 'new'], ['d'], ['new'], ['there']]) await volume.remove(path, { caller })
  mount.files.kill()
  const again = await bench.mount()
  await settled(again)
  assert.deepEqual(await bench.names(), [])
})
