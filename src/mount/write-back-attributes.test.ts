import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_ACL, encodeAcl } from '#metadata/posix-acl.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { caller, create, openBench, settled } from './write-back-fixture.suite.ts'

test('a FIFO or a symbolic link with several names has as many links as names, whichever of them is taken away', async (t) => {
  const bench = await openBench(t)
  const { volume } = await bench.mount()
  await volume.makeNode(['fifo'], { type: 'fifo', mode: 0o600 }, caller)
  await volume.makeSymlink(['symlink'], Buffer.from('to'), { caller })
  for (const name of ['fifo', 'symlink']) {
    for (const further of ['second', 'third']) await volume.link([name], [`${name} ${further}`], caller)
    assert.equal((await volume.stat([`${name} third`]))?.links, 3)
    await volume.makeNode(['over'], { type: 'fifo', mode: 0o600 }, caller)
    await volume.rename(['over'], [name], { caller })
    assert.equal((await volume.stat([`${name} third`]))?.links, 2)
    await volume.remove([`${name} second`], { caller })
    assert.equal((await volume.stat([`${name} third`]))?.links, 1)
  }
})

test('a file is listed with as many links as it has names, and as it was written, also where that was changed under another name', async (t) => {
  const bench = await openBench(t)
  await bench.cluster.volume.makeDirectory(['d'], { caller })
  await bench.others('f', 'x')
  await bench.cluster.volume.link(['f'], ['g'], caller)
  await bench.cluster.volume.link(['f'], ['d', 'h'], caller)
  const { volume } = await bench.mount()
  const listed = async (): Promise<unknown> => {
    const { entries } = await volume.list(['d'])
    return entries.map(({ attributes: { links, sizeBytes } }) => [links, sizeBytes])
  }
  assert.deepEqual(await listed(), [[3, 1]])
  await volume.remove(['g'], { caller })
  assert.deepEqual(await listed(), [[2, 1]])
  await volume.writeAt(['f'], { offset: 1, bytes: Buffer.from('y') }, caller)
  assert.deepEqual(await listed(), [[2, 2]])
})

test('a file that gets a further name right after one was removed has as many links as it has names', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const { volume } = mount
  await create(mount, 'f', 'x')
  await volume.link(['f'], ['tried'], caller)
  await volume.remove(['tried'], { caller })
  // As programs lock that look whether their file has two names then.
  assert.equal((await volume.link(['f'], ['lock'], caller)).links, 2)
  await create(mount, 'g', 'y')
  await volume.rename(['g'], ['lock'], { caller })
  assert.equal((await volume.link(['f'], ['again'], caller)).links, 2)
})

test('a directory has a link of each directory in it while these are sent, asked for or listed, and after that', async (t) => {
  const bench = await openBench(t)
  await bench.cluster.volume.makeDirectory(['d'], { caller })
  const { volume } = await bench.mount()
  // What is made or removed is there before its answer comes.
  let answer = Promise.withResolvers<void>()
  let asked = Promise.withResolvers<void>()
  bench.cluster.onStored = () => {
    asked.resolve()
    return answer.promise
  }
  const links = async (): Promise<unknown> => {
    const [stat, list] = await Promise.all([volume.stat(['d']), volume.list([])])
    return [stat?.links, list.entries[0]?.attributes.links]
  }
  for (const [act, expected] of [
    ['makeDirectory', [3, 3]],
    ['remove', [2, 2]],
  ] as const) {
    ;[answer, asked] = [Promise.withResolvers(), Promise.withResolvers()]
    await volume[act](['d', 'e'], { caller })
    const drained = volume.drain()
    await asked.promise
    const asking = links()
    await nodeClock.sleep(20)
    answer.resolve()
    assert.deepEqual(await asking, expected)
    await drained
    assert.deepEqual(await links(), expected)
  }
})

test('a directory that is given times has a link of what was made in it, also once the cluster has that and not the times', async (t) => {
  const bench = await openBench(t)
  await bench.cluster.volume.makeDirectory(['d'], { caller })
  const { volume } = await bench.mount()
  const last = Promise.withResolvers<void>()
  bench.cluster.onStored = async () => {
    if ((await bench.cluster.volume.stat(['d']))?.mtimeNs === 7n) await last.promise
  }
  await volume.makeDirectory(['d', 'e'], { caller })
  await volume.setAttributes(['d'], { mtimeNs: 7n }, caller)
  const drained = volume.drain()
  while ((await bench.cluster.volume.stat(['d']))?.mtimeNs !== 7n) await nodeClock.sleep(1)
  assert.equal((await volume.stat(['d']))?.links, 3)
  last.resolve()
  await drained
  assert.equal((await volume.stat(['d']))?.links, 3)
})

test('a symbolic link that was renamed is read under its new name before the cluster has that', async (t) => {
  const bench = await openBench(t)
  await bench.cluster.volume.makeSymlink(['old'], Buffer.from('to'), { caller })
  const { volume } = await bench.mount()
  await volume.rename(['old'], ['new'], { caller, mode: 'replace' })
  assert.equal((await volume.readSymlink(['new'])).toString(), 'to')
})

test('what was made in a directory before it was given a default access control list has none', async (t) => {
  const bench = await openBench(t)
  await bench.cluster.volume.makeDirectory(['d'], { caller })
  const { volume } = await bench.mount()
  const entries = { owner: 7, user: 5, group: 5, mask: 5, other: 0 } as const
  const list = encodeAcl(
    Object.entries(entries).map(([tag, permissions]) => ({
      tag: tag as 'user',
      permissions,
      id: tag === 'user' ? 7 : 0xffff_ffff,
    })),
  )
  await volume.makeDirectory(['d', 'before'], { caller })
  await volume.writeXattr(['d'], { name: DEFAULT_ACL, value: list }, caller)
  await volume.makeDirectory(['d', 'after'], { caller })
  await volume.drain()
  const stored = bench.cluster.volume
  assert.deepEqual(await stored.listXattrs(['d', 'before']), [])
  assert.equal((await stored.stat(['d', 'before']))?.mode, 0o755)
  assert.deepEqual(await stored.listXattrs(['d', 'after']), ['system.posix_acl_access', 'system.posix_acl_default'])
})

test('a directory shows at once when something was made in it, and the time that it was given afterwards', async (t) => {
  const bench = await openBench(t)
  await bench.cluster.volume.makeDirectory(['d'], { caller })
  const { volume } = await bench.mount()
  const makes = [
    () => volume.makeSymlink(['d', 'symlink'], Buffer.from('to'), { caller }),
    () => volume.makeNode(['d', 'fifo'], { type: 'fifo', mode: 0o600 }, caller),
    () => volume.remove(['d', 'fifo'], { caller }),
  ]
  for (const make of makes) {
    const before = await volume.stat(['d'])
    await make()
    const after = await volume.stat(['d'])
    assert.ok(after !== undefined && before !== undefined && after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs)
    await volume.drain()
  }
  assert.equal((await volume.setAttributes(['d'], { mtimeNs: 7n }, caller)).mtimeNs, 7n)
  await volume.drain()
  assert.equal((await volume.stat(['d']))?.mtimeNs, 7n)
})

test('a directory shows the time that it was given, however long ago, and a change in it afterwards, however far ahead it lies', async (t) => {
  const bench = await openBench(t)
  await bench.cluster.volume.makeDirectory(['d'], { caller })
  const { volume } = await bench.mount()
  const mtimeNs = async (): Promise<bigint | undefined> => (await volume.stat(['d']))?.mtimeNs
  for (const given of [-5n, 2n ** 62n]) {
    await volume.makeDirectory(['d', 'e'], { caller })
    await volume.setAttributes(['d'], { mtimeNs: given }, caller)
    assert.equal(await mtimeNs(), given)
    await volume.remove(['d', 'e'], { caller })
    const changed = (await mtimeNs()) ?? 0n
    assert.ok(changed > 0n && changed < 2n ** 62n, String(changed))
    await volume.drain()
  }
})

test('attributes of many files and directories go to the node together, or one by one where it is older', async (t) => {
  const bench = await openBench(t)
  const { cluster } = bench
  const names = Array.from({ length: 20 }, (_, at) => [`${at % 2 === 0 ? 'f' : 'd'}${at}`])
  for (const [name = ''] of names)
    await (name.startsWith('f') ? bench.others(name, 'x') : cluster.volume.makeDirectory([name], { caller }))
  const { volume } = await bench.mount()
  for (const path of names) await volume.stat(path)
  for (const takes of [true, false]) {
    cluster.takesAttributes = takes
    const before = cluster.requests
    const mtimeNs = takes ? 5n : 7n
    await Promise.all(names.map((path) => volume.setAttributes(path, { mtimeNs, mode: 0o700, uid: 3 }, caller)))
    await volume.drain()
    const requests = cluster.requests - before
    assert.ok(takes ? requests < 5 : requests > 20, `${requests} requests`)
    for (const path of names) {
      const there = await cluster.volume.stat(path)
      assert.deepEqual([there?.mtimeNs, there?.mode, there?.uid], [mtimeNs, 0o700, 3])
    }
  }
})

test('a directory has the time at which something was made and removed in it before it was sent, in the cluster and in other mounts too', async (t) => {
  const bench = await openBench(t)
  const { cluster } = bench
  const mount = await bench.mount()
  const { volume } = mount
  for (const name of ['d', 'e']) await volume.makeDirectory([name], { caller })
  await volume.drain()
  const stored = async (path: readonly string[]): Promise<bigint> => (await cluster.volume.stat(path))?.mtimeNs ?? 0n
  for (const folder of [['d'], []]) {
    await volume.stat(folder)
    const [before, beganNs] = [await stored(folder), nodeClock.nowNs()]
    cluster.isReachable = false
    volume.createNow([...folder, 'f'], { mode: 0o600, uid: 0, gid: 0 })
    assert.ok(volume.removeNow([...folder, 'f']))
    const shown = (await volume.stat(folder))?.mtimeNs ?? 0n
    if (folder.length > 0) assert.ok(shown >= beganNs, 'shown at once')
    assert.equal(await stored(folder), before)
    cluster.isReachable = true
    await settled(mount)
    assert.ok((await stored(folder)) >= beganNs)
    if (folder.length > 0) assert.equal(await stored(folder), shown)
  }
  // By itself, too; and what is made elsewhere before it is sent was here as well.
  const beganNs = nodeClock.nowNs()
  volume.createNow(['d', 'f'], { mode: 0o600, uid: 0, gid: 0 })
  assert.ok(volume.renameNow(['d', 'f'], ['e', 'f'], 'replace'))
  while ((await stored(['d'])) < beganNs) await nodeClock.sleep(20)
  // A time that is given afterwards stays, and so does what others do.
  volume.createNow(['d', 'g'], { mode: 0o600, uid: 0, gid: 0 })
  assert.ok(volume.removeNow(['d', 'g']))
  await volume.setAttributes(['d'], { mtimeNs: 7n }, caller)
  volume.createNow(['e', 'g'], { mode: 0o600, uid: 0, gid: 0 })
  assert.ok(volume.removeNow(['e', 'g']))
  await cluster.volume.setAttributes(['e'], { mtimeNs: 2n ** 62n }, caller)
  await volume.drain()
  await nodeClock.sleep(400)
  assert.deepEqual([await stored(['d']), await stored(['e'])], [7n, 2n ** 62n])
})
