import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkId } from '#foundation/ids.ts'
import { TrackerWorld } from './tracker-world.suite.ts'
import type { WorldNode } from './tracker-world.suite.ts'

async function worldOf(options: Partial<ConstructorParameters<typeof TrackerWorld>[0]> = {}): Promise<TrackerWorld> {
  const world = new TrackerWorld({ nodes: 5, ...options })
  await world.settle(world.tracker.start())
  return world
}

test('the first copy begins within five seconds of a death, and every chunk gets back what its class asks for', async () => {
  const world = await worldOf({ nodes: 6 })
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
  assert.deepEqual([...copied].toSorted(), held.toSorted() as (ChunkId | undefined)[])
  await world.stop()
})
