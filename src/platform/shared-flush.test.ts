import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedFlush } from './shared-flush.ts'

test('callers share a flush that begins after they asked, never one that was running', async () => {
  const ends: (() => void)[] = []
  const shared = new SharedFlush(() => new Promise((resolve) => ends.push(resolve)))
  const answered: string[] = []
  const ask = (name: string): Promise<unknown> => shared.flush('folder').then(() => answered.push(name))
  const all = [ask('first'), ask('second'), ask('third')]
  assert.equal(ends.length, 1)
  ends[0]?.()
  await all[0]
  assert.deepEqual(answered, ['first'])
  while (ends.length < 2) await Promise.resolve()
  const late = ask('late')
  ends[1]?.()
  await Promise.all(all)
  assert.deepEqual(answered, ['first', 'second', 'third'])
  while (ends.length < 3) await Promise.resolve()
  ends[2]?.()
  await late
  assert.equal(ends.length, 3)
})

test('a failed flush fails those who shared it, and nobody after them', async () => {
  let runs = 0
  const shared = new SharedFlush(async () => {
    runs += 1
    if (runs === 1) throw new Error('failed')
  })
  const first = shared.flush('a')
  const second = shared.flush('a')
  await assert.rejects(first)
  await second
  await shared.flush('a')
  assert.equal(runs, 3)
})
