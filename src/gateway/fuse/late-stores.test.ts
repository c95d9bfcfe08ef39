import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ManualClock } from '#platform/manual-clock.ts'
import { LateStores } from './late-stores.ts'

test('what is collected is stored within two seconds, and once for all that was collected in one', async () => {
  const clock = new ManualClock()
  const stored: string[] = []
  const late = new LateStores<string>(clock, async (file) => void stored.push(file))
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await setImmediate()
  }
  late.collected('a')
  await pass(900)
  late.collected('a')
  late.collected('b')
  assert.deepEqual(stored, [])
  await pass(100)
  assert.deepEqual(stored, ['a'])
  await pass(1_000)
  assert.deepEqual(stored, ['a', 'a', 'b'])
  await pass(10_000)
  late.collected('c')
  await pass(1_000)
  assert.deepEqual(stored, ['a', 'a', 'b', 'c'])
})

test('what could not be stored keeps nothing else from it', async () => {
  const clock = new ManualClock()
  const stored: string[] = []
  const late = new LateStores<string>(clock, async (file) => {
    if (file === 'bad') throw new Error('full')
    stored.push(file)
  })
  late.collected('bad')
  late.collected('good')
  for (const _ of [1, 2]) {
    clock.advance(1_000)
    await setImmediate()
  }
  assert.deepEqual(stored, ['good'])
})

test('those of which something was collected are known until they are closed, also where nothing is stored before that', () => {
  for (const store of [undefined, async (): Promise<void> => undefined]) {
    const late = new LateStores<string>(new ManualClock(), store)
    for (const file of ['a', 'b', 'a']) late.collected(file)
    assert.deepEqual(late.files, ['a', 'b'])
    late.closed('a')
    assert.deepEqual(late.files, ['b'])
  }
})
