import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { chunkIn } from '#placement/nodes.suite.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { IncomingCall } from '#wire/methods.ts'
import type { PeerAddress } from '#wire/peer-connections.ts'
import type { WirePeers } from '#wire/peers.ts'
import { RepairQueue } from './repair-queue.ts'
import { RepairReporter, repairMethods } from './repair-reports.ts'

const LEADER: PeerAddress = { host: 'leader', port: 1, nodeId: 'a'.repeat(32) as NodeId }

/** A node whose queue is reported to a leader's. */
function reporting() {
  const [mine, theirs] = [new RepairQueue(), new RepairQueue()]
  const clock = new ManualClock()
  const world = { leader: LEADER as PeerAddress | undefined, isDown: false, calls: 0 }
  const { handle } = repairMethods(theirs)['repair.report']!
  const wire = {
    call: async (_address: PeerAddress, _method: string, { header }: { header: unknown }) => {
      world.calls += 1
      if (world.isDown) throw new ShoalError('UNAVAILABLE', 'The test says so')
      await handle({ header: JSON.parse(JSON.stringify(header)) } as IncomingCall)
      return { header: null, body: { cancel() {} } }
    },
  } as unknown as Pick<WirePeers, 'call'>
  const reporter = new RepairReporter({ queue: mine, wire, leader: () => world.leader, clock, log: silentLog })
  const pass = async (ms: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += 50) {
      await new Promise((resolve) => void setImmediate(resolve))
      clock.advance(50)
    }
    await new Promise((resolve) => void setImmediate(resolve))
  }
  return { mine, theirs, reporter, world, pass, handle }
}

test('what a node has met the leader hears of, with how urgent it is', async () => {
  const { mine, theirs, reporter, world, pass } = reporting()
  reporter.start()
  for (let count = 0; count < 600; count += 1) mine.offer({ chunk: chunkIn(count), copies: count % 3 })
  await pass(1_000)
  assert.deepEqual([mine.size, theirs.size, world.calls], [0, 600, 3])
  assert.deepEqual(theirs.take(), { chunk: chunkIn(0), copies: 0 })
  await pass(2_000)
  assert.equal(world.calls, 3, 'nobody is called in vain')
  await reporter.stop()
})

test('while nobody leads, or the leader can not be told, what was met waits; and so does what a node has that leads itself', async () => {
  const { mine, theirs, reporter, world, pass } = reporting()
  world.leader = undefined
  reporter.start()
  mine.offer({ chunk: chunkIn(1), copies: 1 })
  await pass(3_000)
  assert.deepEqual([mine.size, world.calls], [1, 0])
  world.leader = LEADER
  world.isDown = true
  await pass(3_000)
  assert.equal(mine.size, 1)
  assert.ok(world.calls >= 2 && world.calls <= 4)
  await reporter.stop()
  world.isDown = false
  await pass(3_000)
  assert.deepEqual([mine.size, theirs.size], [1, 0])
  reporter.start()
  await pass(500)
  assert.deepEqual([mine.size, theirs.take()?.chunk], [0, chunkIn(1)])
  await reporter.stop()
})

test('reports that make no sense are refused', async () => {
  const { handle, theirs } = reporting()
  const id = chunkIn(1)
  const senseless = [
    null,
    {},
    { repairs: [[id]] },
    { repairs: [['no chunk', 1]] },
    { repairs: [[id, -1]] },
    { repairs: [[id, 1e9]] },
  ]
  for (const header of [...senseless, { repairs: Array.from({ length: 257 }, () => [id, 1]) }]) {
    await assert.rejects(handle({ header } as IncomingCall), { code: 'INVALID_ARGUMENT' })
  }
  assert.equal(theirs.size, 0)
})
