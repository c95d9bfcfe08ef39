import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ManualClock } from '#platform/manual-clock.ts'
import { GivenBack } from './given-back.ts'

test('memory is given back once many inodes were let go of and no more go, and then again', async () => {
  const clock = new ManualClock()
  let collected = 0
  const givenBack = new GivenBack({ clock, collect: () => (collected += 1) })
  const letGo = (count: number): void => {
    for (let at = 0; at < count; at += 1) givenBack.forgotten()
  }
  const pass = async (): Promise<void> => {
    clock.advance(2_000)
    await turn()
  }
  letGo(19_999)
  await pass()
  assert.equal(collected, 0)
  letGo(1)
  await pass()
  assert.equal(collected, 1)
  letGo(20_000)
  letGo(1)
  await pass()
  assert.equal(collected, 1)
  await pass()
  assert.equal(collected, 2)
})
