import assert from 'node:assert/strict'
import { test } from 'node:test'
import { caller, openBench } from './write-back-fixture.suite.ts'

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
