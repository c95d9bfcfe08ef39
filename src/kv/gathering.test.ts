import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#platform/manual-clock.ts'
import type { CommitBase } from './commit-base.ts'
import { Gathering } from './gathering.ts'
import { GroupCommit } from './group-commit.ts'
import { WriteSet } from './write-set.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Commits that each take `commitMs`; how many writes each had. */
function open(commitMs: number) {
  const clock = new ManualClock()
  const begun: number[] = []
  const commit = async (writes: WriteSet): Promise<void> => {
    begun.push(writes.size)
    await clock.sleep(commitMs)
  }
  const commits = new GroupCommit({ commit } as unknown as CommitBase, { gathering: new Gathering(clock) })
  let keys = 0
  /** Transactions of one write each, begun now. */
  const add = (transactions: number): void => {
    for (let at = 0; at < transactions; at += 1) {
      const writes = new WriteSet()
      const key = Buffer.from(`${keys++}`)
      writes.set(key.toString('latin1'), { key, value: key })
      void commits.add(writes)
    }
  }
  const pass = async (ms: number): Promise<void> => {
    await turn()
    clock.advance(ms)
    await turn()
  }
  return { add, pass, begun, commits }
}

test('those whom a commit has answered share the next one with those that had to wait', async () => {
  const { add, pass, begun } = open(6)
  add(5)
  await pass(1)
  add(5)
  await pass(5)
  assert.deepEqual(begun, [5], 'the next one waits for those that are answered now')
  await pass(1)
  add(5)
  await pass(0)
  assert.deepEqual(begun, [5, 10], 'all are there')
  await pass(6)
  add(10)
  await pass(0)
  assert.deepEqual(begun, [5, 10, 10])
})

test('nobody waits for longer than the commit before took, or 10 ms', async () => {
  for (const [commitMs, waitMs] of [
    [2, 2],
    [5, 5],
    [100, 10],
  ] as const) {
    const { add, pass, begun } = open(commitMs)
    add(5)
    await pass(0)
    add(5)
    await pass(commitMs)
    assert.deepEqual(begun, [5])
    await pass(waitMs - 1)
    assert.deepEqual(begun, [5])
    await pass(1)
    assert.deepEqual(begun, [5, 5])
  }
})

test('whoever is alone, or comes long after the others, never waits', async () => {
  const { add, pass, begun } = open(6)
  for (let round = 1; round <= 3; round += 1) {
    add(1)
    await pass(0)
    assert.equal(begun.length, round)
    await pass(6)
  }
  add(8)
  await pass(0)
  await pass(6)
  await pass(100)
  add(1)
  await pass(0)
  assert.deepEqual(begun, [1, 1, 1, 8, 1])
})

test('where nobody comes back commits soon begin at once, nearly always', async () => {
  const { add, pass, begun } = open(2)
  let waited = 0
  add(5)
  await pass(0)
  for (let round = 0; round < 200; round += 1) {
    add(5)
    const before = begun.length
    await pass(2)
    if (begun.length > before) continue
    waited += 1
    await pass(2)
    assert.equal(begun.length, before + 1)
  }
  assert.ok(waited >= 2 && waited < 12, `${waited} waits`)
})
