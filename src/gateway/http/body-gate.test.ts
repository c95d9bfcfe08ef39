import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#platform/manual-clock.ts'
import { BodyGate } from './body-gate.ts'

const never = new AbortController().signal

/** Lets everything that can go on do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

test('bodies beyond the limit wait in order, and get in as others leave', async () => {
  const clock = new ManualClock()
  const gate = new BodyGate(2)
  const entered: string[] = []
  const enter = async (name: string) => {
    await gate.enterInTurn(clock, never)
    entered.push(name)
  }
  const all = ['a', 'b', 'c', 'd'].map(enter)
  await settle()
  assert.deepEqual(entered, ['a', 'b'])
  assert.throws(() => gate.enter(), { code: 'BUSY' })
  gate.leave()
  await settle()
  assert.deepEqual(entered, ['a', 'b', 'c'])
  gate.leave()
  await Promise.all(all)
  gate.leave()
  gate.leave()
  gate.enter()
})

test('who waits for too long, or finds too many waiting, is told to come back', async () => {
  const clock = new ManualClock()
  const gate = new BodyGate(1)
  gate.enter()
  const waiting = gate.enterInTurn(clock, never)
  await assert.rejects(gate.enterInTurn(clock, never), { code: 'BUSY' })
  clock.advance(10_000)
  await assert.rejects(waiting, { code: 'BUSY' })
  gate.leave()
  await gate.enterInTurn(clock, never)
})

test('who goes away while waiting takes no place', async () => {
  const clock = new ManualClock()
  const gate = new BodyGate(1)
  gate.enter()
  const gone = new AbortController()
  const waiting = gate.enterInTurn(clock, gone.signal)
  gone.abort(new Error('gone'))
  await assert.rejects(waiting, { message: 'gone' })
  gate.leave()
  gate.enter()
})
