import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InodeId } from '#foundation/ids.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { Change } from '#volume/volume.ts'
import { OwnChanges } from './own-changes.ts'

const renamed = { kind: 'rename', inode: 7 as unknown as InodeId, path: ['f'], from: ['new'], timeNs: 1n } as unknown as Change
const other = { ...renamed, from: ['other'] } as Change

/** Lets whoever waits go on. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}

test('a change is known as often as it was made', async () => {
  const own = new OwnChanges(new ManualClock())
  for (let round = 0; round < 2; round += 1) await own.rename([['new'], ['f']], Promise.resolve())
  await own.remove(['f'], Promise.resolve())
  assert.deepEqual(
    [1, 2, 3].map(() => own.knows(renamed)),
    [true, true, false],
  )
  const removed = { ...renamed, kind: 'remove', from: undefined } as Change
  assert.deepEqual(
    [1, 2].map(() => own.knows(removed)),
    [true, false],
  )
})

test('who tells of a renaming that is not answered yet waits for its answer, and of another one only for a while', async () => {
  const clock = new ManualClock()
  const own = new OwnChanges(clock)
  const answer = Promise.withResolvers<void>()
  const renaming = own.rename([['new'], ['f']], answer.promise)
  const settled: string[] = []
  void own.settled('names', 2_000, renamed).then(() => settled.push('itself'))
  void own.settled('names', 2_000, other).then(() => settled.push('other'))
  clock.advance(2_000)
  await turns()
  assert.deepEqual(settled, ['other'])
  answer.resolve()
  await renaming
  await turns()
  assert.deepEqual(settled, ['other', 'itself'])
  assert.equal(own.knows(renamed), true)
})

test('who begins to wait later waits for as long, whoever else waits', async () => {
  const clock = new ManualClock()
  const own = new OwnChanges(clock)
  const answer = Promise.withResolvers<void>()
  const renaming = own.rename([['new'], ['f']], answer.promise)
  const settled: string[] = []
  void own.settled('names', 2_000, other).then(() => settled.push('first'))
  clock.advance(1_500)
  void own.settled('names', 2_000, other).then(() => settled.push('second'))
  for (const [advanceMs, expected] of [
    [499, []],
    [1, ['first']],
    [1_499, ['first']],
    [1, ['first', 'second']],
  ] as const) {
    clock.advance(advanceMs)
    await turns()
    assert.deepEqual(settled, expected)
  }
  answer.resolve()
  await renaming
})
