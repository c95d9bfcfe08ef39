import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePath } from '#foundation/path.ts'
import { type Bench, caller, create, type Mount, openBench, settled } from './write-back-fixture.suite.ts'

/** What lies in a directory with lengths, and how many requests it took to say so. */
async function listed({ cluster }: Bench, { volume }: Mount, path: string): Promise<[string, number]> {
  const before = cluster.requests
  const { entries } = await volume.list(parsePath(path), { limit: 4 })
  const shown = entries.map(({ path: [name], attributes }) => `${name} ${attributes.sizeBytes}`)
  return [shown.join(', '), cluster.requests - before]
}

/** A directory `d` with two files and a directory in it, all of them in the cluster. */
async function unpacked(bench: Bench): Promise<Mount> {
  const mount = await bench.mount()
  await mount.volume.makeDirectory(['d'], { caller })
  await create(mount, 'd/b', 'two')
  await create(mount, 'd/a', 'three')
  await mount.volume.makeDirectory(['d', 'b-'], { caller })
  await settled(mount)
  return mount
}

test('a directory that this mount has made is listed without a request, in the cluster’s order', async (t) => {
  const bench = await openBench(t)
  const mount = await unpacked(bench)
  const { entries } = await bench.cluster.volume.list(['d'])
  const shown = entries.map(({ path, attributes }) => `${path.at(-1)} ${attributes.sizeBytes}`).join(', ')
  assert.deepEqual(await listed(bench, mount, 'd'), [shown, 0])
  assert.deepEqual(await listed(bench, mount, 'd/b-'), ['', 0])
  bench.cluster.isReachable = false
  await mount.volume.remove(['d', 'b'], { caller })
  await create(mount, 'd/c', 'new')
  assert.deepEqual((await listed(bench, mount, 'd'))[0], 'a 5, b- 0, c 3')
})

test('what others put into it is asked for once they have told', async (t) => {
  const bench = await openBench(t)
  const mount = await unpacked(bench)
  await bench.others('d/z', 'theirs')
  mount.volume.changedByOthers({ kind: 'create', path: ['d', 'z'], from: undefined, type: 'file' })
  assert.deepEqual(await listed(bench, mount, 'd'), ['a 5, b 3, b- 0, z 6', 1])
})

test('a directory of more entries than are asked for is asked of the cluster, as is one of which something isn’t remembered', async (t) => {
  const bench = await openBench(t)
  const mount = await unpacked(bench)
  for (const name of ['e', 'f']) await create(mount, `d/${name}`)
  await settled(mount)
  assert.equal((await listed(bench, mount, 'd'))[1], 1)
  await mount.volume.link(['d', 'a'], ['a'], caller)
  await mount.volume.remove(['d', 'f'], { caller })
  await settled(mount)
  const [shown, requests] = await listed(bench, mount, 'd')
  assert.deepEqual([shown, requests], ['a 5, b 3, b- 0, e 0', 1])
})

test('in a directory that others have made before lies what they have put into it', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  bench.cluster.isReachable = false
  await mount.volume.makeDirectory(['d'], { caller })
  await bench.cluster.volume.makeDirectory(['d'], { caller })
  await bench.others('d/theirs', 'theirs')
  bench.cluster.isReachable = true
  await settled(mount)
  assert.deepEqual(await listed(bench, mount, 'd'), ['theirs 6', 1])
  assert.equal((await mount.volume.stat(['d', 'theirs']))?.sizeBytes, 6)
})
