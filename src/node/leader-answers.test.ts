import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError, type ErrorCode } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { WireReply } from '#wire/caller-connection.ts'
import { LeaderAnswers } from './leader-answers.ts'

const LEADER = { nodeId: 'a'.repeat(32) as NodeId, host: '127.0.0.1', nodePort: 7402 }

/** A leader that answers with `failure`, or well, or not before its deadline. */
function asked({
  failure,
  isSilent = false,
  isRunning = true,
}: {
  failure?: ErrorCode
  isSilent?: boolean
  isRunning?: boolean
}) {
  const clock = new ManualClock()
  const calls: number[] = []
  const answers = new LeaderAnswers({
    leadership: { isLeading: false, leader: () => LEADER },
    isRunning: () => isRunning,
    clock,
    peers: {
      async call(_peer, _method, { deadlineMs = 0 } = {}) {
        calls.push(clock.monotonicMs())
        await clock.sleep(isSilent ? deadlineMs : 5)
        const code = isSilent ? 'TIMEOUT' : failure
        if (code !== undefined) throw new ShoalError(code, 'Not now')
        return {} as WireReply
      },
    },
  })
  const ask = async () => {
    const beganMs = clock.monotonicMs()
    let isDone = false
    const asking = answers.isThere().finally(() => (isDone = true))
    await new Promise((resolve) => setImmediate(resolve))
    while (!isDone) {
      clock.advance(5)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return { isThere: await asking, tookMs: clock.monotonicMs() - beganMs }
  }
  return { clock, calls, ask, answers }
}

test('a leader that answers is there, whatever it says', async () => {
  assert.equal((await asked({}).ask()).isThere, true)
  assert.equal((await asked({ failure: 'BUSY' }).ask()).isThere, true)
  assert.equal((await asked({ failure: 'UNAVAILABLE' }).ask()).isThere, false)
})

test('a silent leader is waited for a second, and then for a second not at all', async () => {
  const { clock, calls, ask } = asked({ isSilent: true })
  assert.deepEqual(await ask(), { isThere: false, tookMs: 1_000 })
  assert.deepEqual(await ask(), { isThere: false, tookMs: 0 })
  clock.advance(1_000)
  assert.deepEqual(await ask(), { isThere: false, tookMs: 1_000 })
  assert.equal(calls.length, 2)
})

test('many who ask at once have one question asked, and none of whom gossip says that it does not run', async () => {
  const { clock, calls, answers } = asked({})
  const asking = Promise.all([answers.isThere(), answers.isThere(), answers.isThere()])
  await new Promise((resolve) => setImmediate(resolve))
  clock.advance(5)
  assert.deepEqual(await asking, [true, true, true])
  assert.equal(calls.length, 1)
  const gone = asked({ isRunning: false })
  assert.deepEqual(await gone.ask(), { isThere: false, tookMs: 0 })
  assert.equal(gone.calls.length, 0)
})
