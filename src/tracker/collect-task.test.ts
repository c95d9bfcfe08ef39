import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWorld, WORLD_TIMING } from './tracker-world.suite.ts'

const { sessionMs, collectEveryMs } = WORLD_TIMING

test('what nothing refers to goes after the longest session, when two walks have seen it so, from every node', async () => {
  const world = await startWorld({ nodes: 5 })
  const kept = world.write()
  const garbage = world.store()
  await world.pass(sessionMs - 1_000)
  assert.equal(world.intact(garbage).length, 3)
  await world.until(() => world.intact(garbage).length === 0, 1_000 + 3 * collectEveryMs)
  assert.ok(world.clock.monotonicMs() >= sessionMs + collectEveryMs - 1_000, 'one walk is not enough')
  assert.equal(world.intact(kept).length, 3)
  assert.deepEqual(world.violations, [])
  await world.stop()
})

test('what was seen unreferenced once is remembered by the next leader', async () => {
  const world = await startWorld({ nodes: 5, timing: { collectEveryMs: 200_000, sessionMs: 10_000 } })
  const garbage = world.store()
  await world.pass(20_000)
  await world.settle(world.tracker.run('collect'))
  await world.pass(5_000)
  await world.settle(world.changeLeader())
  await world.pass(5_000)
  assert.equal(world.intact(garbage).length, 3)
  await world.settle(world.tracker.run('collect'))
  await world.pass(5_000)
  assert.equal(world.intact(garbage).length, 0)
  await world.stop()
})

test('a chunk that is used again, or written again, stays', async () => {
  const world = await startWorld({ nodes: 5 })
  const [used, touched] = [world.store(), world.store()]
  const nodes = world.intact(touched)
  await world.pass(sessionMs + collectEveryMs / 2)
  world.referenced.set(used, ['default'])
  for (const node of nodes) world.put(node, touched, 1_000)
  await world.pass(sessionMs - 5_000)
  assert.equal(world.intact(used).length, 3)
  assert.equal(world.intact(touched).length, 3)
  assert.deepEqual(world.violations, [])
  await world.stop()
})

test('while a shard does not answer nothing is collected', async () => {
  const world = await startWorld({ nodes: 5 })
  const garbage = world.store()
  world.isShardAway = true
  await world.pass(sessionMs + 4 * collectEveryMs)
  assert.equal(world.intact(garbage).length, 3)
  world.isShardAway = false
  await world.until(() => world.intact(garbage).length === 0)
  await world.stop()
})
