import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attributes } from '#metadata/attributes.ts'
import { readAll } from '#volume/volume-fixture.suite.ts'
import { type Bench, caller, type Mount, openBench } from './write-back-fixture.suite.ts'

/** How long the file is that an open gives, and how many requests that took. */
async function opened({ cluster }: Bench, { volume }: Mount, path: string): Promise<[number | undefined, number]> {
  const before = cluster.requests
  const file = await volume.openFile(path.split('/'))
  return [file?.attributes.sizeBytes, cluster.requests - before]
}

test('while changes are told, what was looked at or listed is opened without asking, as it was told last', async (t) => {
  const bench = await openBench(t)
  for (const name of ['f', 'g']) await bench.others(name, 'first')
  const mount = await bench.mount()
  assert.deepEqual(await opened(bench, mount, 'f'), [5, 1])
  assert.deepEqual(await opened(bench, mount, 'f'), [5, 0])
  await mount.volume.list([])
  assert.deepEqual(await opened(bench, mount, 'g'), [5, 0])
  await bench.others('f', 'second')
  mount.volume.changedByOthers({ kind: 'write', path: ['f'], from: undefined, type: 'file' })
  assert.deepEqual(await opened(bench, mount, 'f'), [6, 1])
  assert.deepEqual(await opened(bench, mount, 'g'), [5, 0])
})

test('what turns out to be of another version when it is read is asked for', async (t) => {
  const bench = await openBench(t)
  await bench.others('f', 'first')
  const mount = await bench.mount()
  await opened(bench, mount, 'f')
  await bench.others('f', 'second')
  await assert.rejects(readAll(await mount.volume.openFile(['f'])), { code: 'CONFLICT' })
  assert.equal((await readAll(await mount.volume.openFile(['f']))).toString(), 'second')
})

test('after a lock, a lock file or a further name each file is asked for once, and one that is about to be written each time', async (t) => {
  const bench = await openBench(t)
  for (const name of ['f', 'g']) await bench.others(name, 'first')
  const mount = await bench.mount()
  const { volume } = mount
  const conditions = { ifNoneMatch: '*' } as const
  const occasions = [
    async () => volume.doubt(),
    () => volume.writeFile(['index.lock'], Buffer.alloc(0), { caller, conditions }),
    () => volume.link(['g'], ['h'], caller),
  ]
  for (const [round, occasion] of occasions.entries()) {
    await opened(bench, mount, 'f')
    assert.deepEqual(await opened(bench, mount, 'f'), [round + 5, 0])
    await bench.others('f', 'first!!!!'.slice(0, round + 6))
    await occasion()
    assert.deepEqual(await opened(bench, mount, 'f'), [round + 6, 1])
    assert.deepEqual(await opened(bench, mount, 'f'), [round + 6, 0])
  }
  volume.doubt(['f'])
  assert.deepEqual(await opened(bench, mount, 'f'), [8, 1])
})

test('where it is wanted, each open asks', async (t) => {
  const bench = await openBench(t)
  await bench.others('f', 'first')
  const mount = await bench.mount({ asksOnOpen: true })
  for (let times = 0; times < 3; times += 1) assert.deepEqual(await opened(bench, mount, 'f'), [5, 1])
})

test('who asks at each open asks the feed, which is as good as asking the node, as long as it answers', async (t) => {
  const bench = await openBench(t)
  for (const name of ['f', 'g']) await bench.others(name, 'first')
  let asked = 0
  let answers = true
  let meanwhile = async (): Promise<void> => undefined
  const hears = async (): Promise<boolean> => {
    asked += 1
    await meanwhile()
    return answers
  }
  const mount = await bench.mount({ asksOnOpen: true, hears })
  const changed = (path: string) => mount.volume.changedByOthers({ kind: 'write', path: [path], from: undefined, type: 'file' })
  // Of what it has never looked at the node is asked, without a word to the feed.
  assert.deepEqual([await opened(bench, mount, 'f'), asked], [[5, 1], 0])
  assert.deepEqual([await opened(bench, mount, 'f'), asked], [[5, 0], 1])
  // What is told before the answer counts.
  meanwhile = async () => {
    await bench.others('f', 'second')
    changed('f')
  }
  assert.deepEqual([await opened(bench, mount, 'f'), asked], [[6, 1], 2])
  meanwhile = async () => undefined
  answers = false
  assert.deepEqual([await opened(bench, mount, 'f'), asked], [[6, 1], 3])
  answers = true
  // What is made pending meanwhile is shown.
  meanwhile = async () => {
    await mount.volume.writeAt(['f'], { offset: 6, bytes: Buffer.from('!') }, caller)
  }
  assert.deepEqual(await opened(bench, mount, 'f'), [7, 0])
})

test('what others change by way of a further name is asked for under the first one', async (t) => {
  const bench = await openBench(t)
  await bench.others('f', 'first')
  const mount = await bench.mount({ asksOnOpen: true, hears: async () => true })
  await opened(bench, mount, 'f')
  const { inode } = (await bench.cluster.volume.stat(['f'])) as Attributes
  await bench.cluster.volume.link(['f'], ['h'], caller)
  mount.volume.changedByOthers({ kind: 'link', path: ['h'], from: undefined, type: 'file', inode })
  await bench.others('h', 'second')
  mount.volume.changedByOthers({ kind: 'write', path: ['h'], from: undefined, type: 'file', inode })
  assert.deepEqual(await opened(bench, mount, 'f'), [6, 1])
})

test('as long as nothing changes anywhere, what is known is opened at once, and what is pending always', async (t) => {
  const bench = await openBench(t)
  for (const name of ['f', 'g']) await bench.others(name, 'first')
  let isSure = true
  const mount = await bench.mount({ asksOnOpen: true, isSure: () => isSure })
  const { volume } = mount
  assert.equal(volume.openNow(['f']), undefined)
  assert.deepEqual(await opened(bench, mount, 'f'), [5, 1])
  assert.equal(volume.openNow(['f'])?.attributes.sizeBytes, 5)
  assert.deepEqual(await opened(bench, mount, 'f'), [5, 0])
  isSure = false
  assert.equal(volume.openNow(['f']), undefined)
  assert.deepEqual(await opened(bench, mount, 'f'), [5, 1])
  await volume.writeAt(['f'], { offset: 5, bytes: Buffer.from('!') }, caller)
  assert.equal(volume.openNow(['f'])?.attributes.sizeBytes, 6)
  await volume.remove(['g'], { caller })
  assert.equal(volume.openNow(['g']), undefined)
  assert.equal(await volume.openFile(['g']), undefined)
})
