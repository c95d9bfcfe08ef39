import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rejectsWith } from '#chunk/store.suite.ts'
import { TASKS } from './task-state.ts'
import { startWorld } from './tracker-world.suite.ts'
import type { TrackerWorld, WorldNode } from './tracker-world.suite.ts'
import type { TaskStatus } from './tracker.ts'

async function statusOf(world: TrackerWorld, task: string, isDryRun = false): Promise<TaskStatus> {
  const { tasks } = await world.tracker.status()
  const found = tasks.find(({ state }) => state.task === task && state.isDryRun === isDryRun)
  assert.ok(found !== undefined, `${task} has a status`)
  return found
}

/** A world in which a new node is to get copies, which takes a while. */
async function movingWorld(bytesPerSecond = 5_000, chunks = 400): Promise<TrackerWorld> {
  const world = await startWorld({ nodes: 4, tracker: { budgets: { rebalance: { bytesPerSecond } } } })
  Array.from({ length: chunks }, () => world.write())
  await world.pass(5_000)
  world.addNode('zone-9')
  world.relayout()
  await world.until(() => world.calls.some(({ kind }) => kind === 'copy'))
  return world
}

test('a pause is immediate: once it has resolved no call begins, until it is resumed', async () => {
  const world = await movingWorld()
  world.delayMsMax = 400
  await world.pass(1_000)
  await world.settle(world.tracker.pause())
  world.calls = []
  await world.pass(60_000)
  assert.deepEqual(world.calls, [])
  assert.equal((await statusOf(world, 'rebalance')).activity, 'paused')
  await world.settle(world.changeLeader())
  await world.pass(60_000)
  assert.deepEqual(world.calls, [], 'the next leader keeps to it')
  await world.settle(world.tracker.resume())
  await world.until(() => world.settled.length > 0)
  await world.stop()
})

test('one task is paused, and the others go on', async () => {
  const world = await movingWorld()
  await world.settle(world.tracker.pause('rebalance'))
  world.calls = []
  const [first] = world.list as [WorldNode]
  world.crash(first, 1_000)
  await world.until(() => world.calls.some(({ kind }) => kind === 'copy'))
  assert.deepEqual(world.settled, [])
  await world.stop()
})

test('a successor goes on where the walk was', async () => {
  const world = await movingWorld(20_000, 1_500)
  await world.until(async () => (await statusOf(world, 'rebalance')).progress.fraction > 0.5)
  const { state } = await statusOf(world, 'rebalance')
  await world.pass(1_500)
  await world.settle(world.changeLeader())
  const next = await statusOf(world, 'rebalance')
  assert.equal(next.state.walk, state.walk)
  assert.ok(next.state.cursor !== undefined && state.cursor !== undefined)
  assert.ok(next.progress.fraction > 0.5 && next.progress.fraction < 1)
  const from = next.state.cursor
  world.calls = []
  await world.until(() => world.settled.length > 0)
  for (const { kind, chunk } of world.calls) assert.ok(kind !== 'copy' || chunk === undefined || chunk >= from)
  await world.stop()
})

test('a dry run tells what would be done, and changes nothing', async () => {
  const world = await startWorld({ nodes: 4, timing: { sessionMs: 1_000 } })
  await world.pass(5_000)
  await world.settle(world.tracker.pause())
  Array.from({ length: 100 }, () => world.write('default', 1_000, 2))
  const garbage = Array.from({ length: 10 }, () => world.store())
  const stranger = world.write()
  for (const node of world.list) world.put(node.id, stranger, 1_000)
  await world.pass(5_000)
  const before = world.list.map(({ chunks }) => structuredClone(chunks))
  const suspects = await world.suspects()
  for (const task of TASKS) await world.settle(world.tracker.run(task, { isDryRun: true }))
  await world.pass(20_000)
  assert.deepEqual(
    world.list.map(({ chunks }) => chunks),
    before,
  )
  assert.deepEqual(await world.suspects(), suspects)
  assert.deepEqual(
    garbage.map((id) => world.intact(id).length),
    Array(10).fill(3),
  )
  const repair = (await statusOf(world, 'repair', true)).state
  assert.deepEqual([repair.counters.copies, repair.counters.copiedBytes], [100, 100_000])
  assert.equal((await statusOf(world, 'trim', true)).state.counters.removed, 1)
  assert.equal((await statusOf(world, 'repair')).state.counters.copies, 0)
  await world.stop()
})

test('a budget of bytes is kept to over any window of time', async () => {
  const bytesPerSecond = 4_000
  const world = await movingWorld(bytesPerSecond)
  await world.settle(world.tracker.pause())
  await world.settle(world.tracker.resume('rebalance'))
  world.calls = []
  await world.pass(60_000)
  const copies = world.calls.filter(({ kind }) => kind === 'copy')
  assert.ok(copies.length >= 150, 'what it may use it uses')
  for (const { atMs } of copies) {
    for (const windowMs of [1_000, 5_000, 20_000]) {
      const bytes = copies
        .filter((call) => call.atMs >= atMs && call.atMs < atMs + windowMs)
        .reduce((sum, call) => sum + call.bytes, 0)
      assert.ok(bytes <= (bytesPerSecond * (windowMs + 1_000)) / 1_000 + 1_000)
    }
  }
  await world.stop()
})

test('a budget of calls is kept to as well, and can be set while the task is under way', async () => {
  const world = await movingWorld(20_000, 1_500)
  await world.settle(world.tracker.pause())
  await world.settle(world.tracker.run('rebalance', { budget: { opsPerSecond: 10 } }))
  await world.settle(world.tracker.resume('rebalance'))
  world.calls = []
  await world.pass(20_000)
  assert.ok(world.calls.length >= 150)
  for (const { atMs } of world.calls) {
    const calls = world.calls.filter((call) => call.atMs >= atMs && call.atMs < atMs + 5_000)
    // A chunk is asked for at five nodes at most.
    assert.ok(calls.length <= 10 * 6 + 5)
  }
  assert.deepEqual((await statusOf(world, 'rebalance')).state.budget, { opsPerSecond: 10 })
  await world.stop()
})

test('with a share of the time a task rests for the rest of it', async () => {
  const world = await startWorld({ nodes: 4, tracker: { budgets: { repair: { share: 0.2 } }, inFlightMax: 1 } })
  await world.settle(world.tracker.pause())
  Array.from({ length: 400 }, () => world.write('default', 1_000, 2))
  world.delayMsMax = 200
  await world.settle(world.tracker.resume('repair'))
  world.calls = []
  await world.pass(200_000, 100)
  const busy = new Set(world.calls.map(({ atMs }) => Math.floor(atMs / 1_000)))
  assert.ok(busy.size >= 30 && busy.size <= 60, `it was busy in ${busy.size} of 200 seconds`)
  await world.stop()
})

test('progress says how much is done, at what rate, and how much there is', async () => {
  const world = await movingWorld(20_000, 1_500)
  await world.until(async () => (await statusOf(world, 'rebalance')).progress.fraction > 0.5)
  const { progress, activity } = await statusOf(world, 'rebalance')
  assert.equal(activity, 'running')
  assert.ok(Math.abs((progress.chunksExpected ?? 0) - 1_500) < 150)
  assert.ok(progress.bytesPerSecond > 10_000 && progress.bytesPerSecond < 25_000)
  assert.ok((progress.secondsLeft ?? 0) > 1)
  await world.until(() => world.settled.length > 0)
  assert.equal((await statusOf(world, 'rebalance')).progress.fraction, 1)
  await world.stop()
})

test('every copy and every removal is on record before it is made', async () => {
  const world = await movingWorld(1e6)
  await world.until(() => world.settled.length > 0)
  await world.until(() => world.calls.some(({ kind }) => kind === 'remove'))
  const decisions = await world.decisions()
  const startMs = world.clock.nowMs() - world.clock.monotonicMs()
  const changes = world.calls.filter(({ kind }) => kind === 'copy' || kind === 'remove')
  assert.ok(changes.length > 100)
  for (const { kind, node, chunk, atMs } of changes) {
    const made = decisions.find((decision) => {
      return decision.kind === kind && decision.chunk === chunk && (decision.to ?? decision.from) === node
    })
    assert.ok(made !== undefined && made.atMs - startMs <= atMs)
  }
  assert.deepEqual((await world.tracker.status()).decisions, decisions.slice(0, 20))
  await world.stop()
})

test('a tracker that does not run has nothing to be told', async () => {
  const world = await startWorld({ nodes: 3 })
  await world.stop()
  await rejectsWith('UNAVAILABLE', world.tracker.pause())
  await rejectsWith('UNAVAILABLE', world.tracker.run('repair'))
  assert.deepEqual((await world.tracker.status()).tasks, [])
})
