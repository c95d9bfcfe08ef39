import assert from 'node:assert/strict'
import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parsePath as p } from '#foundation/path.ts'
import { type Log, type LogFields, silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { readAll } from '#volume/volume-fixture.suite.ts'
import { type Bench, caller, create, type Mount, openBench, settled } from './write-back-fixture.suite.ts'

async function shown({ volume }: Mount, path: string): Promise<string> {
  const there = await volume.stat(p(path))
  if (there?.type !== 'file') return there === undefined ? '(absent)' : `(${there.type})`
  return (await readAll(await volume.openFile(p(path)))).toString()
}

const onlyName = async (bench: Bench, like: RegExp): Promise<string> => {
  const found = (await bench.names()).filter((name) => like.test(name))
  assert.equal(found.length, 1, found.join(' '))
  return found[0] as string
}

test('changes show at once while the cluster is out of reach, and are there when it is back', async (t) => {
  const bench = await openBench(t)
  await bench.others('old', 'old contents')
  await bench.others('gone', 'x')
  const mount = await bench.mount()
  const { volume } = mount
  for (const name of ['old', 'gone']) await volume.stat([name])
  bench.cluster.isReachable = false
  await volume.makeDirectory(['d'], { caller, mode: 0o700 })
  await create(mount, 'd/new', 'hello')
  await volume.rename(p('d/new'), p('d/final'), { caller, mode: 'no-replace' })
  await volume.makeSymlink(['l'], Buffer.from('old'), { caller })
  await volume.writeAt(['old'], { offset: 4, bytes: Buffer.from('CONTENTS and more') }, caller)
  await volume.truncate(['old'], 8)
  await volume.setAttributes(['old'], { mode: 0o600, mtimeNs: 1_000_000_007n }, caller)
  await volume.remove(['gone'], { caller })
  assert.deepEqual(
    [await shown(mount, 'd'), await shown(mount, 'd/final'), await shown(mount, 'd/new'), await shown(mount, 'gone')],
    ['(directory)', 'hello', '(absent)', '(absent)'],
  )
  assert.equal((await volume.readSymlink(['l'])).toString(), 'old')
  assert.equal((await volume.stat(['old']))?.sizeBytes, 8)
  assert.deepEqual(
    (await volume.list(['d'])).entries.map(({ path }) => path),
    [['final']],
  )
  await assert.rejects(volume.sync(['old']), { code: 'UNAVAILABLE' })
  bench.cluster.isReachable = true
  await settled(mount)
  assert.deepEqual(await bench.names(), ['d', 'd/final', 'l', 'old'])
  assert.deepEqual([await bench.stored('d/final'), await bench.stored('old')], ['hello', 'old CONT'])
  const [made, old] = [await bench.cluster.volume.stat(p('d/final')), await bench.cluster.volume.stat(['old'])]
  assert.deepEqual([made?.mode, made?.uid, made?.gid], [0o640, 3, 4])
  assert.deepEqual([old?.mode, old?.mtimeNs], [0o600, 1_000_000_007n])
  assert.deepEqual(
    (await volume.list([])).entries.map(({ path }) => path.join('/')),
    ['d', 'l', 'old'],
  )
})

test('a file that is made, written and given its times is one request, many files are one, and one that goes again is none', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  await mount.volume.makeDirectory(['d'], { caller })
  for (let at = 0; at < 200; at += 1) {
    await create(mount, `d/${at}`, `contents ${at}`)
    await mount.volume.setAttributes(p(`d/${at}`), { mode: 0o600, mtimeNs: 77n }, caller)
    await create(mount, `temporary ${at}`, 'x')
    await mount.volume.remove([`temporary ${at}`], { caller })
  }
  await settled(mount)
  // The directory comes before what is in it.
  assert.ok(bench.cluster.requests <= 12, String(bench.cluster.requests))
  assert.equal(await bench.stored('d/199'), 'contents 199')
  assert.equal((await bench.names()).length, 201)
  // What this mount has made it knows.
  const { requests } = bench.cluster
  assert.equal(await mount.volume.stat(p('d/never')), undefined)
  assert.equal((await mount.volume.stat(p('d/7')))?.sizeBytes, 10)
  assert.equal(bench.cluster.requests, requests)
})

test('a change that the node can not take holds up nothing but itself, however many go with it', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  bench.cluster.cannotRead = ({ path }) => path === 'odd'
  for (let at = 0; at < 100; at += 1) await create(mount, at === 50 ? 'odd' : `${at}`, 'x')
  while ((await bench.names()).length < 99) await nodeClock.sleep(10)
  assert.equal(await bench.stored('odd'), '(absent)')
  assert.ok(bench.cluster.requests < 60, String(bench.cluster.requests))
  await assert.rejects(mount.volume.sync(['odd']), { code: 'INVALID_ARGUMENT' })
  await mount.volume.sync(['99'])
  bench.cluster.cannotRead = () => false
  await settled(mount)
  assert.equal(await bench.stored('odd'), 'x')
})

test('numbers of inodes stay as they were shown', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  await create(mount, 'f', 'one')
  const before = (await mount.volume.stat(['f']))?.inode
  await settled(mount)
  const stored = (await bench.cluster.volume.stat(['f']))?.inode
  assert.notEqual(stored, before)
  const listed = (await mount.volume.list([])).entries[0]?.attributes.inode
  const opened = (await mount.volume.openFile(['f']))?.attributes.inode
  assert.deepEqual([(await mount.volume.stat(['f']))?.inode, listed, opened], [before, before, before])
  assert.equal(mount.volume.shownInode(stored as never), before)
})

test('what was changed survives the death of the mount, and what the cluster had got is not done twice', async (t) => {
  const bench = await openBench(t)
  await bench.others('old', '0123456789')
  let mount = await bench.mount()
  await create(mount, 'sent', 'sent before')
  await settled(mount)
  bench.cluster.isReachable = false
  await create(mount, 'a', 'first ')
  await mount.volume.writeAt(['a'], { offset: 6, bytes: Buffer.from('second') }, caller)
  await mount.volume.writeAt(['sent'], { offset: 0, bytes: Buffer.from('SENT') }, caller)
  await mount.volume.rename(['a'], ['b'], { caller })
  mount.files.kill()
  mount = await bench.mount()
  assert.equal(await shown(mount, 'b'), 'first second')
  bench.cluster.isReachable = true
  await settled(mount)
  assert.equal(await shown(mount, 'a'), '(absent)')
  assert.deepEqual([await bench.stored('b'), await bench.stored('sent')], ['first second', 'SENT before'])
  // Done, and the answer is lost with the process: the next one finds it as it wanted it.
  await mount.volume.stat(['old'])
  bench.cluster.losesAnswers = true
  await create(mount, 'c', 'in doubt')
  await mount.volume.writeAt(['old'], { offset: 0, bytes: Buffer.from('AB') }, caller)
  await mount.volume.writeAt(['old'], { offset: 8, bytes: Buffer.from('CDEF') }, caller)
  await mount.volume.rename(['sent'], ['moved'], { caller })
  await mount.volume.remove(['b'], { caller })
  await assert.rejects(mount.volume.drain(), { code: 'UNAVAILABLE' })
  await create(mount, 'd', 'after')
  await mount.volume.writeAt(['c'], { offset: 8, bytes: Buffer.from('!') }, caller)
  mount.files.kill()
  bench.cluster.losesAnswers = false
  mount = await bench.mount()
  await settled(mount)
  assert.deepEqual(await bench.names(), ['c', 'd', 'moved', 'old'])
  assert.deepEqual([await bench.stored('c'), await bench.stored('old')], ['in doubt!', 'AB234567CDEF'])
  await mount.close()
  assert.match(readFileSync(join(bench.folder, 'status'), 'utf8'), /"pending":0,"journalBytes":0,"conflicts":0/)
})

test('who comes second finds his version beside the first one, and nothing is lost', async (t) => {
  const bench = await openBench(t)
  for (const name of ['whole', 'part', 'removed', 'renamed over']) await bench.others(name, 'before before')
  await bench.cluster.volume.makeDirectory(['d'], { caller })
  const warnings: string[] = []
  const log = { warn: (message: string) => warnings.push(message), error: () => undefined } as never
  const mount = await bench.mount({ log })
  const { volume } = mount
  for (const name of ['whole', 'part', 'removed', 'renamed over', 'd']) await volume.stat([name])
  bench.cluster.isReachable = false
  await create(mount, 'new', 'mine')
  await create(mount, 'same', 'the same')
  await create(mount, 'd/in', 'homeless')
  await volume.truncate(['whole'], 0)
  await volume.writeAt(['whole'], { offset: 0, bytes: Buffer.from('mine') }, caller)
  await volume.writeAt(['part'], { offset: 7, bytes: Buffer.from('MINE') }, caller)
  await volume.writeAt(['removed'], { offset: 0, bytes: Buffer.from('mine') }, caller)
  await create(mount, 'editing', 'mine')
  await volume.rename(['editing'], ['renamed over'], { caller })
  for (const name of ['new', 'whole', 'part', 'renamed over']) await bench.others(name, 'theirs theirs')
  await bench.others('same', 'the same')
  await bench.cluster.volume.remove(['removed'], { caller })
  await bench.cluster.volume.remove(['d'], { caller })
  bench.cluster.isReachable = true
  await settled(mount)
  for (const name of ['new', 'whole', 'part', 'renamed over']) {
    assert.equal(await bench.stored(name), 'theirs theirs')
    const mine = await bench.stored(await onlyName(bench, new RegExp(`^${name}.conflict-here-\\d{8}T\\d{6}Z$`)))
    assert.equal(mine, name === 'part' ? 'theirs MINErs' : 'mine')
  }
  assert.match(await bench.stored(await onlyName(bench, /^removed.conflict/)), /^mine/)
  assert.equal(await bench.stored(await onlyName(bench, /^in.conflict/)), 'homeless')
  assert.equal((await bench.names()).filter((name) => name.startsWith('same')).length, 1)
  assert.equal(warnings.filter((message) => message.startsWith('Somebody else was first')).length, 6)
  assert.ok(mount.lost.length >= 6)
  assert.equal(await shown(mount, 'whole'), 'theirs theirs')
})

test('several writes of which the cluster had some when the mount died go on, and are no conflict', async (t) => {
  const bench = await openBench(t)
  await bench.others('f', 'x'.repeat(100))
  let mount = await bench.mount()
  await mount.volume.stat(['f'])
  for (const offset of [10, 30, 50]) await mount.volume.writeAt(['f'], { offset, bytes: Buffer.from('AAA') }, caller)
  bench.cluster.losesAnswers = true
  await assert.rejects(mount.volume.drain(), { code: 'UNAVAILABLE' })
  mount.files.kill()
  bench.cluster.losesAnswers = false
  assert.equal((await bench.stored('f')).replaceAll('x', ''), 'AAA')
  mount = await bench.mount()
  await settled(mount)
  assert.deepEqual(await bench.names(), ['f'])
  assert.equal((await bench.stored('f')).replaceAll(/x+/g, '-'), '-AAA-AAA-AAA-')
})

test('of a file with holes only what was written is sent, also when the mount dies on the way', async (t) => {
  const bench = await openBench(t)
  const terabyte = 2 ** 40
  const write = async (mount: Mount, path: string): Promise<void> => {
    await create(mount, path)
    for (const at of [5_000_000, 1, terabyte - 3])
      await mount.volume.writeAt([path], { offset: at, bytes: Buffer.from('AAA') }, caller)
    await mount.volume.truncate([path], 2 * terabyte)
    await mount.volume.setAttributes([path], { mtimeNs: 7n }, caller)
  }
  const see = async (path: string): Promise<void> => {
    const file = await bench.cluster.volume.openFile([path])
    assert.deepEqual([file?.attributes.sizeBytes, file?.attributes.mtimeNs], [2 * terabyte, 7n])
    for (const at of [1, 5_000_000, terabyte - 3]) {
      const read = file?.read({ offset: at - 1, length: 5 }) ?? []
      assert.equal(Buffer.concat(await Array.fromAsync(read)).toString(), '\0AAA\0')
    }
  }
  let mount = await bench.mount()
  await write(mount, 'f')
  await settled(mount)
  await see('f')
  // Made, and the answer is lost; then the first of its parts.
  for (const path of ['g', 'h']) {
    bench.cluster.losesAnswers = path === 'g'
    await write(mount, path)
    if (path === 'g') await assert.rejects(mount.volume.drain(), { code: 'UNAVAILABLE' })
    else {
      bench.cluster.losesAnswersAfter = 1
      await assert.rejects(mount.volume.drain(), { code: 'UNAVAILABLE' })
    }
    mount.files.kill()
    bench.cluster.losesAnswers = false
    bench.cluster.losesAnswersAfter = Infinity
    mount = await bench.mount()
    await settled(mount)
    await see(path)
  }
  assert.deepEqual(await bench.names(), ['f', 'g', 'h'])
})

test('what the cluster would refuse for good is refused at once', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  await create(mount, 'f')
  const bytes = Buffer.from('x')
  await assert.rejects(mount.volume.truncate(['f'], 2 ** 53), { code: 'TOO_LARGE' })
  await assert.rejects(mount.volume.writeAt(['f'], { offset: 2 ** 53, bytes }, caller), { code: 'TOO_LARGE' })
  const deep = Array.from({ length: 80 }, () => 'd'.repeat(250))
  await assert.rejects(mount.volume.rename(['f'], deep, { caller }), { code: 'NAME_TOO_LONG' })
  const down = async (): Promise<void> => {
    for (let depth = 1; depth <= deep.length; depth += 1) await mount.volume.makeDirectory(deep.slice(0, depth), { caller })
  }
  await assert.rejects(down(), { code: 'NAME_TOO_LONG' })
  await settled(mount)
  assert.equal(await bench.stored('f'), '')
})

test('what was written under one name of a file is read under another', async (t) => {
  const bench = await openBench(t)
  await bench.others('f', 'before')
  await bench.cluster.volume.link(['f'], ['g'], caller)
  const mount = await bench.mount()
  await mount.volume.writeAt(['f'], { offset: 0, bytes: Buffer.from('AFTER!') }, caller)
  assert.equal(await shown(mount, 'g'), 'AFTER!')
  await mount.volume.writeAt(['f'], { offset: 0, bytes: Buffer.from('one') }, caller)
  await mount.volume.writeAt(['g'], { offset: 3, bytes: Buffer.from('two') }, caller)
  await settled(mount)
  assert.equal(await bench.stored('f'), 'onetwo')
  assert.deepEqual(await bench.names(), ['f', 'g'])
  // A name that is renamed over is one link less.
  await bench.others('h', 'other')
  await mount.volume.rename(['h'], ['f'], { caller })
  assert.equal((await mount.volume.stat(['g']))?.links, 1)
  assert.equal(await shown(mount, 'f'), 'other')
})

test('what could not be made touches nothing that others have made in its place', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  bench.cluster.isReachable = false
  await mount.volume.makeDirectory(['d'], { caller })
  await create(mount, 'd/f', 'mine')
  await create(mount, 'e')
  await bench.others('d', 'theirs')
  await bench.others('e', 'theirs')
  await assert.rejects(mount.volume.drain(), { code: 'UNAVAILABLE' })
  await mount.volume.writeAt(['e'], { offset: 0, bytes: Buffer.from('mine') }, caller)
  await mount.volume.remove(p('d/f'), { caller })
  await mount.volume.remove(['d'], { caller })
  bench.cluster.isReachable = true
  await settled(mount)
  assert.deepEqual([await bench.stored('d'), await bench.stored('e')], ['theirs', 'theirs'])
  assert.equal(await bench.stored(await onlyName(bench, /^e.conflict/)), 'mine')
})

test('a directory has the links of the directories in it, whichever of them the cluster has', async (t) => {
  const bench = await openBench(t)
  await bench.cluster.volume.makeDirectory(['d'], { caller })
  const mount = await bench.mount()
  const links = async (): Promise<number | undefined> => (await mount.volume.stat(['d']))?.links
  const seen = [await links()]
  for (const act of ['makeDirectory', 'remove'] as const) {
    await mount.volume[act](['d', 'e'], { caller })
    seen.push(await links())
    await settled(mount)
    seen.push(await links())
  }
  assert.deepEqual(seen, [2, 3, 3, 2, 2])
})

test('a directory that takes the place of a removed one has links of its own', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const links = async (): Promise<number | undefined> => (await mount.volume.stat(['d']))?.links
  const make = async (): Promise<void> => {
    for (const path of ['d', 'd/e']) await mount.volume.makeDirectory(p(path), { caller })
  }
  await make()
  await settled(mount)
  for (const path of ['d/e', 'd']) await mount.volume.remove(p(path), { caller })
  await make()
  assert.equal(await links(), 3)
  await settled(mount)
  assert.equal(await links(), 3)
})

test('a lock file is made in the cluster at once, and refused where one is', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  await create(mount, 'index.lock')
  assert.equal(await bench.stored('index.lock'), '')
  await bench.others('HEAD.lock', '')
  await assert.rejects(create(mount, 'HEAD.lock'), { code: 'PRECONDITION_FAILED' })
})

test('a full journal lets changes wait until the cluster takes what it holds, or fail', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount({ journalBytesMax: 1024 * 1024 })
  bench.cluster.isReachable = false
  const megabyte = Buffer.alloc(1024 * 1024, 'm')
  await create(mount, 'f')
  await mount.volume.writeAt(['f'], { offset: 0, bytes: megabyte.subarray(1024) }, caller)
  let isDone = false
  const waiting = mount.volume.writeAt(['f'], { offset: megabyte.length, bytes: megabyte }, caller).then(() => (isDone = true))
  await nodeClock.sleep(100)
  assert.equal(isDone, false)
  bench.cluster.isReachable = true
  await waiting
  await settled(mount)
  assert.equal((await bench.stored('f')).length, 2 * megabyte.length)
  await mount.close()
  const soft = await bench.mount({ journalBytesMax: 1024 * 1024, isSoft: true })
  bench.cluster.isReachable = false
  await create(soft, 'g')
  await soft.volume.writeAt(['g'], { offset: 0, bytes: megabyte.subarray(1024) }, caller)
  await assert.rejects(soft.volume.writeAt(['g'], { offset: 0, bytes: megabyte }, caller), { code: 'NO_SPACE' })
})

test('a journal of a newer version, of another volume, in use or damaged is refused, and a torn end is cut off', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  bench.cluster.isReachable = false
  await create(mount, 'kept', 'kept')
  const folder = join(bench.folder, 'journal')
  const file = join(folder, readdirSync(folder).find((name) => name.endsWith('.journal')) as string)
  for (let tries = 0; tries < 500 && !readFileSync(file).includes('"flushed"'); tries += 1) await nodeClock.sleep(20)
  await create(mount, 'torn', 'torn')
  mount.files.kill()
  const good = readFileSync(file)
  await assert.rejects(bench.mount({ identity: 'others' }), { code: 'DATA_FORMAT', message: /changes to docs, not to others/ })
  writeFileSync(file, good.toString('latin1').replace('"format":3', '"format":4'), 'latin1')
  await assert.rejects(bench.mount(), { code: 'DATA_FORMAT', message: /has format 4, and this version reads 3/ })
  const damaged = Buffer.from(good)
  damaged[good.indexOf('"kept"') + 2] = 0x2e
  writeFileSync(file, damaged)
  await assert.rejects(bench.mount(), { code: 'CORRUPT', message: /damaged at byte \d+/ })
  writeFileSync(file, good)
  truncateSync(file, good.length - 2)
  const warned: [message: string, fields: LogFields][] = []
  const log: Log = { ...silentLog, warn: (message, fields = {}) => void warned.push([message, fields]) }
  const again = await bench.mount({ log })
  assert.deepEqual([await shown(again, 'kept'), await shown(again, 'torn')], ['kept', ''])
  const [message, fields] = warned.find(([text]) => text.includes('cut off')) ?? []
  assert.match(message ?? '', /end of the journal/)
  assert.equal(fields?.['path'], file)
  // A record whose end is missing, as far as it was there.
  assert.ok(Number(fields?.['bytes']) > 100 && Number(fields?.['bytes']) < good.length)
  again.files.kill()
  appendFileSync(file, Buffer.from('trailing'))
  const third = await bench.mount()
  assert.equal(await shown(third, 'kept'), 'kept')
})
