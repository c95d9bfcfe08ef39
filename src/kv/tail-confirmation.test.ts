import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ShoalError } from '#foundation/errors.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { LogBounds, SharedLog } from '#sharedlog/log.ts'
import { MemoryBase, MemoryDisk } from './memory.ts'
import type { LogEnd } from './quiet-time.ts'
import { ReplicatedState } from './replicated-state.ts'
import { hasCode } from './store-fixture.suite.ts'
import { TailConfirmation } from './tail-confirmation.ts'
import { WriteSet } from './write-set.ts'

/** A copy, and a log whose answers the test gives. */
function copy() {
  const clock = new ManualClock()
  const state = new ReplicatedState(new MemoryBase(new MemoryDisk()), clock)
  const questions: PromiseWithResolvers<LogBounds>[] = []
  const bounds = (): Promise<LogBounds> => {
    const question = Promise.withResolvers<LogBounds>()
    questions.push(question)
    return question.promise
  }
  const tail = new TailConfirmation({ log: { bounds } as SharedLog, state, clock })
  const answer = async (last: number): Promise<void> => {
    questions.at(-1)?.resolve({ first: 1, last })
    await setImmediate()
  }
  return { clock, state, tail, questions, answer }
}

function ending(end: number, quietMs = 0): LogEnd {
  return { end, quietMs }
}

async function isOver(promise: Promise<void>): Promise<boolean> {
  let over = false
  void promise.then(() => (over = true))
  await setImmediate()
  return over
}

test('any number that ask at once cost one question; those who come meanwhile share the next', async () => {
  const { tail, questions, answer } = copy()
  const first = Array.from({ length: 100 }, () => tail.confirm())
  await setImmediate()
  assert.equal(questions.length, 1)
  assert.equal(await isOver(first[0] as Promise<void>), false)
  await answer(0)
  assert.equal(await isOver(first[0] as Promise<void>), true, 'the one that began is answered by its own question')
  assert.equal(questions.length, 2)
  assert.equal(await isOver(first[1] as Promise<void>), false, 'its question may be older than what the others have to see')
  await answer(0)
  await Promise.all(first)
  assert.equal(questions.length, 2)
})

test('a copy that is behind is up to date when it has seen the end that was asked for', async () => {
  const { tail, state, answer } = copy()
  const asked = tail.confirm()
  await answer(2)
  state.pass(1)
  assert.equal(await isOver(asked), false)
  state.pass(2)
  assert.equal(await isOver(asked), true)
})

test('who is satisfied with less asks nobody for that time, counted from before the question; past half of it one is asked in the background', async () => {
  const { tail, clock, questions, answer } = copy()
  const first = tail.confirm(1_000)
  assert.equal(questions.length, 1, 'nothing is known at first')
  clock.advance(100)
  await answer(0)
  await first
  clock.advance(300)
  await tail.confirm(1_000)
  assert.equal(questions.length, 1)
  clock.advance(200)
  await tail.confirm(1_000)
  assert.equal(questions.length, 2)
  clock.advance(399)
  await tail.confirm(1_000)
  clock.advance(1)
  const late = tail.confirm(1_000)
  assert.equal(await isOver(late), false, 'what was asked for 1,000 ms ago is too old, and the question since has no answer')
  await answer(0)
  await answer(0)
  assert.equal(await isOver(late), true)
})

test('a question without an answer fails, and proves nothing', async () => {
  const { tail, clock, questions, answer } = copy()
  const first = tail.confirm(1_000)
  questions[0]?.reject(new ShoalError('UNAVAILABLE', 'It is gone'))
  await assert.rejects(first, hasCode('UNAVAILABLE'))
  clock.advance(1)
  const second = tail.confirm(1_000)
  assert.equal(questions.length, 2)
  await answer(0)
  await second
})

test('whoever leads is asked instead of the log; where that fails, or makes no sense, the log is, and for a second nobody else', async () => {
  const { clock, state, questions, answer } = copy()
  let word: () => Promise<LogEnd> | undefined = () => Promise.resolve(ending(0))
  let asked = 0
  const bounds = (): Promise<LogBounds> => {
    const question = Promise.withResolvers<LogBounds>()
    questions.push(question)
    return question.promise
  }
  const askLeader = (): Promise<LogEnd> | undefined => {
    asked += 1
    return word()
  }
  const tail = new TailConfirmation({ log: { bounds } as SharedLog, state, clock, askLeader })
  await tail.confirm()
  assert.deepEqual([asked, questions.length], [1, 0])
  word = () => Promise.resolve(ending(1))
  const behind = tail.confirm()
  assert.equal(await isOver(behind), false)
  state.take(new WriteSet(), 1, Buffer.alloc(16))
  await behind
  for (const bad of [() => Promise.reject(new ShoalError('TIMEOUT', 'Too late')), () => Promise.resolve(ending(0))]) {
    const before = { asked, questions: questions.length }
    word = bad
    for (let at = 1; at <= 2; at += 1) {
      const late = tail.confirm()
      await setImmediate()
      await answer(1)
      await late
      assert.deepEqual([asked, questions.length], [before.asked + 1, before.questions + at])
    }
    clock.advance(1_000)
  }
  word = () => undefined
  const alone = tail.confirm()
  await setImmediate()
  await answer(1)
  await alone
})

test('who waits for the word of a leader goes on by the log when another one leads', async () => {
  const { clock, state, questions } = copy()
  const bounds = (): Promise<LogBounds> => {
    questions.push(Promise.withResolvers())
    return Promise.resolve({ first: 1, last: 0 })
  }
  let asked = 0
  const askLeader = (): Promise<LogEnd> => {
    asked += 1
    return asked === 1 ? new Promise(() => {}) : Promise.resolve(ending(0))
  }
  const tail = new TailConfirmation({ log: { bounds } as SharedLog, state, clock, askLeader })
  const first = tail.confirm()
  assert.equal(await isOver(first), false)
  tail.leaderChanged()
  await first
  assert.deepEqual([asked, questions.length], [1, 1])
  await tail.confirm()
  assert.deepEqual([asked, questions.length], [2, 1], 'the next one is asked at once')
})

test('nobody asks while a leader has promised that nothing is appended, counted from before the question; who waited then goes on with it', async () => {
  const { clock, state } = copy()
  const questions: PromiseWithResolvers<LogEnd>[] = []
  const askLeader = (): Promise<LogEnd> => {
    const question = Promise.withResolvers<LogEnd>()
    questions.push(question)
    return question.promise
  }
  const log = { bounds: () => Promise.reject(new Error('It is not asked')) } as Partial<SharedLog> as SharedLog
  const tail = new TailConfirmation({ log, state, clock, askLeader })
  const first = tail.confirm()
  clock.advance(1)
  const second = tail.confirm()
  questions[0]?.resolve(ending(1, 20))
  assert.equal(await isOver(first), false, 'the copy is not there yet')
  assert.equal(tail.isConfirmed, false)
  state.take(new WriteSet(), 1, Buffer.alloc(16))
  await Promise.all([first, second])
  clock.advance(16)
  await tail.confirm()
  assert.equal(questions.length, 1)
  assert.equal(tail.isConfirmed, true)
  clock.advance(1)
  assert.equal(tail.isConfirmed, false)
  const third = tail.confirm()
  assert.equal(questions.length, 2, 'a tenth is not relied on')
  questions[1]?.resolve(ending(1, 20))
  await third
  await tail.confirm()
  assert.equal(tail.isConfirmed, true)
  tail.leaderChanged()
  assert.equal(tail.isConfirmed, false)
  void tail.confirm()
  assert.equal(questions.length, 3, 'another leader has promised nothing')
})
