import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWorld } from './tracker-world.suite.ts'

const MIB = 1024 * 1024

test('every copy is read within the period, no faster than it takes', async () => {
  const scrubPeriodMs = 1_000_000
  // No trimming, which reads too.
  const world = await startWorld({ nodes: 4, timing: { scrubPeriodMs, trimEveryMs: 1e9 } })
  await world.settle(world.tracker.pause())
  const chunks = Array.from({ length: 300 }, () => world.write('default', 8 * MIB))
  await world.settle(world.tracker.run('scrub'))
  await world.settle(world.tracker.resume('scrub'))
  const beganMs = world.clock.monotonicMs()
  await world.pass(scrubPeriodMs * 0.95, 500)
  const verified = world.calls.filter(({ kind, atMs }) => kind === 'verify' && atMs >= beganMs)
  const first = new Set(verified.slice(0, 900).map(({ chunk }) => chunk))
  assert.equal(first.size, chunks.length)
  // 7,200 MiB in 900 s: 8 MiB/s; in no tenth of the period much more.
  for (const { atMs } of verified) {
    const within = verified
      .filter((call) => call.atMs >= atMs && call.atMs < atMs + 100_000)
      .reduce((sum, { bytes }) => sum + bytes, 0)
    assert.ok(within <= 100 * 8 * MIB * 1.15, `${within / MIB} MiB in 100 s`)
  }
  await world.stop()
})

test('bits that rot are found by the scrub and put right by the repair', async () => {
  const world = await startWorld({ nodes: 4 })
  const chunks = Array.from({ length: 20 }, () => world.write())
  for (const [index, id] of chunks.entries()) {
    const node = world.intact(id)[index % 3]
    if (node !== undefined) (world.node(node).chunks.get(id) as { isIntact: boolean }).isIntact = false
  }
  await world.until(() => chunks.every((id) => world.intact(id).length === 3), 150_000)
  assert.deepEqual(world.violations, [])
  await world.stop()
})
