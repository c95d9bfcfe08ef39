import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { startWorld } from './tracker-world.suite.ts'
import type { WorldNode } from './tracker-world.suite.ts'

test('what tasks have done, what waits and when a walk was last complete can be collected', async () => {
  const metrics = new PromMetrics({ ofProcess: false })
  const valueOf = async (series: string): Promise<number | undefined> => {
    const { body } = await metrics.expose()
    const line = body.split('\n').find((each) => each.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.slice(series.length))
  }
  // A budget that lets repairs wait.
  const world = await startWorld({ nodes: 5, tracker: { metrics, budgets: { repair: { bytesPerSecond: 2_000 } } } })
  const chunks = Array.from({ length: 60 }, () => world.write())
  await world.pass(5_000)
  assert.equal(await valueOf('shoal_tracker_under_replicated_chunks'), 0)
  const completedS = (await valueOf('shoal_tracker_complete_walk_timestamp_seconds{task="repair"}')) ?? 0
  assert.ok(completedS > 0)
  const [victim] = world.list as [WorldNode]
  const lost = victim.chunks.size
  world.crash(victim, 1_000)
  await world.until(() => world.calls.some(({ kind }) => kind === 'copy'))
  assert.ok(((await valueOf('shoal_tracker_under_replicated_chunks')) ?? 0) > 0)
  await world.until(() => chunks.every((id) => world.intact(id).length === 3))
  await world.pass(30_000)
  assert.equal(await valueOf('shoal_tracker_under_replicated_chunks'), 0)
  assert.equal(await valueOf('shoal_tracker_work_total{task="repair",work="copies"}'), lost)
  assert.equal(await valueOf('shoal_tracker_bytes_total{task="repair",work="copied"}'), lost * 1_000)
  await world.settle(world.tracker.run('trim', { isDryRun: true }))
  await world.settle(world.tracker.pause('scrub'))
  assert.equal(await valueOf('shoal_tracker_paused{task="scrub"}'), 1)
  assert.equal(await valueOf('shoal_tracker_paused{task="trim"}'), 0)
  assert.ok(((await valueOf('shoal_tracker_complete_walk_timestamp_seconds{task="repair"}')) ?? 0) >= completedS)
  await world.stop()
  assert.equal(await valueOf('shoal_tracker_walking{task="repair"}'), undefined, 'it runs on another node')
})
