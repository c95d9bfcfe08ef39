import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWorld } from './tracker-world.suite.ts'
import type { TrackerWorld, WorldNode } from './tracker-world.suite.ts'

function isAllInPlace(world: TrackerWorld): boolean {
  const pair = world.layouts.get('default')
  return [...world.referenced.keys()].every((id) => pair?.next.holders(id).every((node) => world.intact(id).includes(node)))
}

test('a new node gets its share, the layout is settled when it has, and only then others lose theirs', async () => {
  const world = await startWorld({ nodes: 4 })
  Array.from({ length: 100 }, () => world.write())
  await world.pass(10_000)
  world.addNode('zone-9')
  world.relayout()
  await world.until(() => world.settled.length > 0)
  assert.deepEqual(world.settled, ['default 2'])
  assert.ok(isAllInPlace(world))
  const settledMs = world.clock.monotonicMs()
  await world.until(() => [...world.referenced.keys()].every((id) => world.intact(id).length === 3))
  for (const { kind, atMs } of world.calls) assert.ok(kind !== 'remove' || atMs >= settledMs - 200)
  assert.deepEqual(world.violations, [])
  await world.stop()
})

test('a layout is not settled while a node that should have chunks does not answer', async () => {
  const world = await startWorld({ nodes: 5 })
  Array.from({ length: 40 }, () => world.write())
  await world.pass(10_000)
  const added = world.addNode('zone-9')
  world.crash(added, 1e9)
  world.relayout()
  await world.pass(60_000)
  assert.deepEqual(world.settled, [])
  world.restore(added)
  await world.until(() => world.settled.length > 0)
  assert.ok(isAllInPlace(world))
  await world.stop()
})

test('what is still being uploaded moves along with a layout', async () => {
  const world = await startWorld({ nodes: 4 })
  const uploaded = Array.from({ length: 30 }, () => world.store())
  for (let count = 0; count < 4; count += 1) world.addNode(`zone-${10 + count}`)
  world.relayout()
  await world.until(() => world.settled.length > 0)
  for (const id of uploaded) world.referenced.set(id, ['default'])
  assert.ok(isAllInPlace(world))
  await world.stop()
})

test('a node is drained when others have verified copies of all it holds, and no layout has it', async () => {
  const world = await startWorld({ nodes: 5 })
  Array.from({ length: 80 }, () => world.write())
  await world.pass(10_000)
  const [first] = world.list as [WorldNode]
  first.state = 'draining'
  await world.pass(20_000)
  assert.deepEqual(world.drained, [], 'writers go by a layout that has it yet')
  world.relayout()
  await world.until(() => world.drained.length > 0)
  assert.deepEqual(world.drained, [first.id])
  for (const id of world.referenced.keys()) assert.ok(world.intact(id).length >= 3)
  assert.deepEqual(world.violations, [])
  await world.stop()
})

test('of three nodes none is drained while a class asks for three copies', async () => {
  const world = await startWorld({ nodes: 3 })
  Array.from({ length: 20 }, () => world.write())
  const [first] = world.list as [WorldNode]
  first.state = 'draining'
  world.relayout()
  await world.pass(60_000)
  assert.deepEqual(world.drained, [])
  for (const id of world.referenced.keys()) assert.equal(world.intact(id).length, 3)
  await world.stop()
})

// SHOAL_SEED=55 of tracker-faults.test.ts.
test('a drain that came to nothing does not hold up for ever what is trimmed', async () => {
  const world = await startWorld({ nodes: 4, classes: { default: 4 } })
  world.addNode('zone-9')
  const id = world.write()
  const [first] = world.list as [WorldNode]
  first.state = 'draining'
  await world.pass(10_000)
  first.state = 'alive'
  const stranger = world.list.at(-1) as WorldNode
  world.put(stranger.id, id, 1_000)
  await world.until(() => !stranger.chunks.has(id), 60_000)
  assert.deepEqual(world.violations, [])
  await world.stop()
})

// SHOAL_SEED=20 of tracker-faults.test.ts.
test('a copy that has rotted elsewhere is replaced before a node counts as drained', async () => {
  const world = await startWorld({ nodes: 5, timing: { scrubPeriodMs: 1e9 } })
  Array.from({ length: 40 }, () => world.write())
  await world.pass(10_000)
  const [first, ...others] = world.list as [WorldNode, ...WorldNode[]]
  first.state = 'draining'
  for (const id of first.chunks.keys()) {
    const copy = others.find(({ chunks }) => chunks.has(id))?.chunks.get(id)
    if (copy !== undefined) copy.isIntact = false
  }
  world.relayout()
  await world.until(() => world.drained.length > 0)
  for (const id of world.referenced.keys()) assert.equal(world.intact(id).length, 3)
  assert.deepEqual(world.violations, [])
  await world.stop()
})
