import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#platform/manual-clock.ts'
import type { ForwardTarget } from './forward-target.ts'
import { TargetWatch } from './target-watch.ts'
import type { WatchedTry } from './target-watch.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function start() {
  const clock = new ManualClock()
  const tries = new Set<WatchedTry>()
  const watch = new TargetWatch(tries, clock)
  const asked: string[] = []
  const givenUp: string[] = []
  const target = (name: string, isAlive: () => Promise<boolean>): ForwardTarget => ({
    name,
    isAlive: () => {
      asked.push(name)
      return isAlive()
    },
    send: () => assert.fail('nothing is sent here'),
  })
  const begin = (name: string, to: ForwardTarget): WatchedTry => {
    const giveUp = ({ message }: Error): void => {
      givenUp.push(`${name}: ${message}`)
      tries.delete(one)
    }
    const one: WatchedTry = { target: to, giveUp }
    tries.add(one)
    watch.begin()
    return one
  }
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await turn()
  }
  return { tries, asked, givenUp, target, begin, pass }
}

test('what waits for a silent target is given up, and what waits for others is not', async () => {
  const { asked, givenUp, target, begin, pass } = start()
  const silent = target('silent', async () => false)
  begin('one', silent)
  begin('two', silent)
  begin(
    'other',
    target('slow', async () => true),
  )
  await pass(2_000)
  const told = 'The node that it was sent to has gone silent'
  assert.deepEqual([asked, givenUp], [['silent'], [`one: ${told}`]], 'what has waited for less may be answered yet')
  begin('late', silent)
  await pass(2_000)
  assert.deepEqual(asked, ['silent', 'silent', 'slow'], 'one question for all that wait')
  assert.deepEqual(givenUp, [`one: ${told}`, `two: ${told}`])
})

test('what is answered in time has nobody asked, also when something waits again later', async () => {
  const { tries, asked, target, begin, pass } = start()
  const slow = target('slow', async () => true)
  const first = begin('first', slow)
  await pass(1_000)
  tries.delete(first)
  await pass(1_000)
  assert.deepEqual(asked, [])
  begin('second', slow)
  await pass(2_000)
  assert.deepEqual(asked, ['slow'])
})

test('an answer that came before the sign of life is not given up', async () => {
  const { tries, givenUp, target, begin, pass } = start()
  const answer = Promise.withResolvers<boolean>()
  const one = begin(
    'one',
    target('silent', () => answer.promise),
  )
  await pass(2_000)
  tries.delete(one)
  answer.resolve(false)
  await turn()
  assert.deepEqual(givenUp, [])
})
