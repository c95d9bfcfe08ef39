import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { EventualNode } from './eventual-node.ts'
import { nodeId, openReplica } from './fixture.suite.ts'
import { NO_TIME } from './hybrid-clock.ts'
import { valueOf } from './simulation-history.suite.ts'

const GIVE_WAY_MS = 100

/** A node that others compare with; `answered` counts whom it has answered. */
async function comparedNode(changes: number) {
  const clock = new ManualClock()
  const replica = await openReplica({ clock })
  for (const letter of ['b', 'c', 'd']) await replica.admit(nodeId(letter))
  const node = new EventualNode({
    replica,
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    timing: { giveWayMs: GIVE_WAY_MS },
    peers: { running: () => [], call: () => assert.fail('Nobody is called') },
  })
  for (let at = 0; at < changes; at += 1)
    await replica.change((transaction) =>
      replica.table.write(transaction, { volume: 'docs', path: `${at}` }, { value: valueOf('text') }),
    )
  let answered = 0
  for (const letter of ['b', 'c', 'd']) {
    const message = {
      from: nodeId(letter),
      now: replica.clock.now(),
      floor: NO_TIME,
      body: { kind: 'compare', paths: [''] },
    } as const
    void node.answer(message).then(() => (answered += 1))
  }
  const after = async (ms: number): Promise<number> => {
    clock.advance(ms)
    await new Promise((resolve) => setImmediate(resolve))
    return answered
  }
  return { after }
}

test('a node that takes many writes takes one step of all exchanges at a time', async () => {
  const { after } = await comparedNode(30)
  assert.equal(await after(0), 0)
  assert.equal(await after(GIVE_WAY_MS), 1)
  assert.equal(await after(GIVE_WAY_MS - 1), 1)
  assert.equal(await after(1), 2)
  assert.equal(await after(GIVE_WAY_MS), 3)
})

test('a node that takes few writes lets nobody wait', async () => {
  const { after } = await comparedNode(10)
  assert.equal(await after(0), 3)
})
