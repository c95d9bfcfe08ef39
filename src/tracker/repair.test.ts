import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { startWorld } from './tracker-world.suite.ts'
import type { WorldNode } from './tracker-world.suite.ts'

test('the first copy begins within five seconds of a death, and every chunk gets back what its class asks for', async () => {
  const world = await startWorld({ nodes: 6 })
  const chunks = Array.from({ length: 200 }, () => world.write())
  await world.pass(10_000)
  const [victim] = world.list as [WorldNode]
  const held = [...victim.chunks.keys()]
  world.crash(victim, 3_000)
  await world.until(() => victim.state === 'dead')
  const diedMs = world.clock.monotonicMs()
  await world.until(() => world.calls.some(({ kind, atMs }) => kind === 'copy' && atMs >= diedMs))
  assert.ok(world.clock.monotonicMs() - diedMs <= 5_000)
  await world.until(() => chunks.every((id) => world.intact(id).length >= 3))
  // Nobody has copied what lacked nothing.
  const copied = new Set(world.calls.filter(({ kind }) => kind === 'copy').map(({ chunk }) => chunk))
  assert.deepEqual(copied, new Set(held))
  await world.stop()
})

test('chunks of one copy come before those of two, wherever they are among the ids', async () => {
  const world = await startWorld({ nodes: 5, tracker: { inFlightMax: 1 } })
  await world.settle(world.tracker.pause())
  const twice = Array.from({ length: 300 }, () => world.write('default', 1_000, 2))
  const once = Array.from({ length: 10 }, () => world.write('default', 1_000, 1))
  await world.settle(world.tracker.resume('repair'))
  await world.until(() => [...twice, ...once].every((id) => world.intact(id).length === 3))
  const copied = world.calls.flatMap(({ kind, chunk }) => (kind === 'copy' && chunk !== undefined ? [chunk] : []))
  const lastOfOnce = Math.max(...once.map((id) => copied.lastIndexOf(id)))
  // A few of two copies are taken along while nothing more urgent is known of.
  const before = copied.slice(0, lastOfOnce).filter((id) => twice.includes(id)).length
  assert.ok(before <= 100, `${before} copies of chunks of two were made before`)
  await world.stop()
})

test('of as many copies, what was reported comes before what walks have found, and its copies are read', async () => {
  const world = await startWorld({ nodes: 5, tracker: { inFlightMax: 1 } })
  await world.settle(world.tracker.pause())
  const chunks = Array.from({ length: 40 }, () => world.write('default', 1_000, 2))
  const rotten = world.write()
  const [holder] = world.intact(rotten) as [NodeId]
  ;(world.node(holder).chunks.get(rotten) as { isIntact: boolean }).isIntact = false
  world.tracker.report({ chunk: rotten, copies: 2 })
  await world.settle(world.tracker.resume('repair'))
  await world.until(() => chunks.every((id) => world.intact(id).length === 3) && world.intact(rotten).length === 3)
  const copied = world.calls.filter(({ kind }) => kind === 'copy')
  assert.equal(copied[0]?.chunk, rotten)
  // The disk took its copy for a good one, so that it had to go first.
  assert.deepEqual(
    world.calls.filter(({ kind }) => kind === 'remove').map(({ chunk }) => chunk),
    [rotten],
  )
  assert.deepEqual(world.violations, [])
  await world.stop()
})

test('a node that is silent is not taken for one without its chunks, until it is declared dead', async () => {
  const world = await startWorld({ nodes: 5 })
  Array.from({ length: 50 }, () => world.write())
  await world.pass(5_000)
  const [victim] = world.list as [WorldNode]
  world.crash(victim, 60_000)
  await world.pass(40_000)
  assert.equal(world.calls.filter(({ kind }) => kind === 'copy').length, 0)
  await world.until(() => world.calls.some(({ kind }) => kind === 'copy'))
  assert.equal(victim.state, 'dead')
  await world.stop()
})

test('with fewer than half of the members nothing is done', async () => {
  const world = await startWorld({ nodes: 5 })
  const chunks = Array.from({ length: 50 }, () => world.write())
  await world.pass(5_000)
  for (const node of world.list.slice(0, 3)) world.crash(node, 1_000)
  await world.pass(60_000)
  const kinds = new Set(world.calls.filter(({ atMs }) => atMs > 8_000).map(({ kind }) => kind))
  assert.deepEqual(
    [...kinds].filter((kind) => kind === 'copy' || kind === 'remove'),
    [],
  )
  for (const node of world.list) world.restore(node)
  await world.until(() => chunks.every((id) => world.intact(id).length === 3))
  await world.stop()
})

test('a chunk without an intact copy is said to be lost, and what is left of it stays', async () => {
  const world = await startWorld({ nodes: 4 })
  const id = world.write()
  for (const node of world.intact(id)) (world.node(node).chunks.get(id) as { isIntact: boolean }).isIntact = false
  world.tracker.report({ chunk: id, copies: 0 })
  await world.pass(300_000)
  assert.equal(world.list.filter(({ chunks }) => chunks.has(id)).length, 3)
  await world.stop()
})

test('where a node has no room for a copy the next one gets it, and it belongs there again once there is some', async () => {
  const world = await startWorld({ nodes: 6 })
  const [first, second] = world.list as [WorldNode, WorldNode]
  const chunks = Array.from({ length: 60 }, () => world.write())
  await world.pass(5_000)
  first.isFull = true
  const before = first.chunks.size
  world.crash(second, 1_000)
  await world.until(() => chunks.every((id) => world.intact(id).length === 3))
  assert.equal(first.chunks.size, before)
  const refused = world.calls.filter(({ kind, node }) => kind === 'copy' && node === first.id).length
  assert.ok(refused > 0 && refused <= 8, 'it is asked by those that are under way, then spared')
  first.isFull = false
  world.nodes.delete(second.id)
  world.relayout()
  const pair = () => world.layouts.get('default')
  await world.until(() => pair()?.isChanging === false && chunks.every((id) => world.intact(id).length === 3))
  await world.until(() =>
    chunks.every((id) =>
      pair()
        ?.next.holders(id)
        .every((node) => world.intact(id).includes(node)),
    ),
  )
  assert.deepEqual(world.violations, [])
  await world.stop()
})

test('what is written while a node is readonly lies elsewhere, and goes to it once it no longer is; nothing else is copied', async () => {
  const world = await startWorld({ nodes: 6, zones: 3 })
  const [first] = world.list as [WorldNode]
  const before = Array.from({ length: 60 }, () => world.write())
  await world.pass(5_000)
  first.state = 'readonly'
  const kept = first.chunks.size
  const after = Array.from({ length: 60 }, () => world.write())
  await world.pass(300_000, 100)
  assert.equal(first.chunks.size, kept)
  assert.deepEqual(
    world.calls.filter(({ kind }) => kind === 'copy' || kind === 'remove'),
    [],
  )
  first.state = 'alive'
  const holders = (id: ChunkId) => world.layouts.get('default')?.next.holders(id) ?? []
  await world.until(() =>
    [...before, ...after].every((id) => world.intact(id).toSorted().join() === [...holders(id)].toSorted().join()),
  )
  assert.ok(first.chunks.size > kept)
  assert.deepEqual(world.violations, [])
  await world.stop()
})

test('what is written while a node is away goes to it when it is back, and what stood in for it goes', async () => {
  const world = await startWorld({ nodes: 6, zones: 2, classes: { default: 2 }, timing: { rebalanceEveryMs: 1_000_000_000 } })
  const [first] = world.list as [WorldNode]
  const before = Array.from({ length: 60 }, () => world.write())
  await world.pass(10_000)
  world.crash(first, 1_000)
  await world.until(() => first.state === 'dead')
  // More of them than are taken along while more urgent repairs are looked for.
  const meanwhile = Array.from({ length: 400 }, () => world.write())
  await world.pass(30_000)
  world.restore(first)
  const holders = (id: ChunkId) => world.layouts.get('default')?.next.holders(id) ?? []
  await world.until(() =>
    [...before, ...meanwhile].every((id) => world.intact(id).toSorted().join() === [...holders(id)].toSorted().join()),
  )
  assert.deepEqual(world.violations, [])
  await world.stop()
})

test('readonly nodes keep what they have and get nothing', async () => {
  const world = await startWorld({ nodes: 5 })
  const [first, second] = world.list as [WorldNode, WorldNode]
  const chunks = Array.from({ length: 60 }, () => world.write())
  await world.pass(5_000)
  const before = [...first.chunks.keys()]
  first.state = 'readonly'
  await world.pass(20_000)
  assert.equal(world.calls.filter(({ kind }) => kind === 'copy').length, 0)
  world.crash(second, 1_000)
  await world.until(() => chunks.every((id) => world.intact(id).length === 3))
  assert.deepEqual([...first.chunks.keys()], before)
  await world.stop()
})
