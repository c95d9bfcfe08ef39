import assert from 'node:assert/strict'
import { test } from 'node:test'
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
