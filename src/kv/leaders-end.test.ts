import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ShoalError } from '#foundation/errors.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import type { MemoryLogCall } from '#sharedlog/memory.ts'
import type { LogEnd } from './quiet-time.ts'
import { openReplica, until } from './replicated-fixture.suite.ts'
import { bytes, fill } from './store-fixture.suite.ts'

const LEASE_MS = 600
const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

/** One that leads, and one that follows and asks it where the log ends. */
async function leaderAndFollower() {
  const log = new MemoryLog({ clock: nodeClock, leaseMs: LEASE_MS })
  const state = { questions: 0, asked: 0, isHeld: false, appends: 0 }
  const near = log.client({
    clock: nodeClock,
    fault: async (call: MemoryLogCall) => {
      if (call === 'append') state.appends += 1
      while (call === 'append' && state.isHeld) await delay(1)
      return undefined
    },
  })
  const far = log.client({
    clock: nodeClock,
    fault: (call: MemoryLogCall) => {
      if (call === 'bounds') state.questions += 1
      return undefined
    },
  })
  const leader = openReplica('a', { log: near })
  await until(() => leader.isLeading, 'it leads')
  const askLeader = async (): Promise<LogEnd> => {
    state.asked += 1
    const end = await leader.leadersEnd()
    if (end === undefined) throw new ShoalError('UNAVAILABLE', 'It does not lead')
    return end
  }
  const follower = openReplica('b', { log: far, askLeader })
  ends.push(async () => {
    state.isHeld = false
    near.partition(false)
    for (const part of [leader, follower, near, far]) await part.close()
  })
  await until(() => follower.leader?.id === 'a', 'it knows who leads')
  return { leader, follower, near, state }
}

test('a follower that asks the leader reads what was acknowledged before, and leaves the log alone', async () => {
  const { leader, follower, state } = await leaderAndFollower()
  const before = state.questions
  for (let at = 0; at < 50; at += 1) {
    await fill(leader, [`k${at}`])
    assert.deepEqual(await follower.get(bytes(`k${at}`)), bytes(`vk${at}`))
  }
  assert.equal(state.questions, before)
})

test('a leader waits for what is in flight, which others may have seen already', async () => {
  const { leader, state } = await leaderAndFollower()
  state.isHeld = true
  const { appends } = state
  const filling = fill(leader, ['a'])
  await until(() => state.appends > appends, 'it is in flight')
  const before = leader.position
  let end: LogEnd | undefined
  const asking = leader.leadersEnd().then((told) => (end = told))
  await delay(20)
  assert.equal(end, undefined)
  state.isHeld = false
  await filling
  await asking
  assert.deepEqual(end, { end: before + 1, quietMs: 0 })
})

test('a leader whose lease is over says nothing, and its followers ask the log', async () => {
  const { leader, follower, near, state } = await leaderAndFollower()
  await fill(leader, ['a'])
  near.partition(true)
  await until(async () => (await leader.leadersEnd()) === undefined, 'its lease is over')
  const before = state.questions
  assert.deepEqual(await follower.get(bytes('a')), bytes('va'))
  assert.ok(state.questions > before)
})

test('one that follows says nothing', async () => {
  const { follower } = await leaderAndFollower()
  assert.equal(await follower.leadersEnd(), undefined)
})

test('while nothing is written a follower asks seldom; a change then waits until it asks again, and is read by it at once', async () => {
  const { leader, follower, state } = await leaderAndFollower()
  await fill(leader, ['a'])
  await delay(220)
  const { asked } = state
  const beginMs = performance.now()
  let reads = 0
  for (; performance.now() < beginMs + 200; reads += 1) {
    await follower.get(bytes('a'))
    if (reads % 100 === 99) await delay(0)
  }
  assert.ok(state.asked - asked < 40 && reads > 400, `${state.asked - asked} questions for ${reads} reads`)
  for (let at = 0; at < 20; at += 1) {
    await delay(15)
    await follower.get(bytes('a'))
    await fill(leader, [`b${at}`])
    assert.deepEqual(await follower.get(bytes(`b${at}`)), bytes(`vb${at}`))
  }
})

test('a leader that resigns is not followed by another before its promises have passed', async () => {
  const { leader, follower } = await leaderAndFollower()
  await fill(leader, ['a'])
  await delay(220)
  await follower.get(bytes('a'))
  const { quietMs = 0 } = (await leader.leadersEnd()) ?? {}
  const promisedMs = performance.now()
  assert.ok(quietMs >= 10)
  await leader.resign()
  assert.ok(performance.now() - promisedMs >= quietMs - 1)
  assert.equal(await leader.leadersEnd(), undefined)
})

test('a leader that has resigned does not lead again before it is told to', async () => {
  const { leader, follower } = await leaderAndFollower()
  await leader.resign()
  await until(() => follower.isLeading, 'the other one leads')
  await follower.resign()
  await delay(LEASE_MS)
  assert.equal(leader.isLeading, false)
  leader.campaignAgain()
  await until(() => leader.isLeading, 'it leads again')
  await fill(leader, ['a'])
  assert.deepEqual(await leader.get(bytes('a')), bytes('va'))
})
