import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RemoteChange } from '#client/wire.ts'
import { ShoalError } from '#foundation/errors.ts'
import { Coherence } from '#gateway/fuse/coherence.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { Change } from '#volume/volume.ts'
import { ChangeFollower } from './change-follower.ts'

type Feed = (options: {
  cursor?: string
  onOpen?: (cursor?: string) => void
  signal?: AbortSignal | undefined
}) => AsyncGenerator<RemoteChange>

function change(cursor: number): RemoteChange {
  const time = '2026-11-26T12:00:00.000000001Z'
  return { cursor: String(cursor), time, kind: 'write', volume: 'docs', path: 'f', inode: 7, parent: 1, by: 'x' }
}

const turns = async () => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

function follow(feeds: Feed[], apply: (change: Change) => Promise<void> = async () => undefined, isEventual = false) {
  const clock = new ManualClock()
  const coherence = new Coherence()
  const seen = { applied: [] as string[], cursors: [] as (string | undefined)[], drops: 0 }
  const follower = new ChangeFollower({
    client: {
      status: async () => ({ changes: { cursor: '100' } }) as never,
      changes: (options) => {
        seen.cursors.push(options?.cursor)
        return (feeds.shift() ?? silent)(options as never)
      },
    },
    volume: 'docs',
    isEventual,
    coherence,
    changes: {
      apply: async (one) => {
        await apply(one)
        seen.applied.push(one.cursor)
      },
      dropAll: async () => {
        seen.drops += 1
      },
    },
    clock,
    log: silentLog,
  })
  follower.start()
  return { clock, coherence, seen, follower }
}

async function* silent({ onOpen, signal }: Parameters<Feed>[0]): AsyncGenerator<RemoteChange> {
  onOpen?.()
  yield* []
  await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('ended'))))
}

async function* thenCut({ onOpen }: Parameters<Feed>[0]): AsyncGenerator<RemoteChange> {
  onOpen?.()
  yield change(101)
  yield change(102)
  throw new ShoalError('UNAVAILABLE', 'The connection broke')
}

function unreachable(): AsyncGenerator<RemoteChange> {
  throw new ShoalError('UNAVAILABLE', 'Nobody there')
}

function tooOld(): AsyncGenerator<RemoteChange> {
  throw new ShoalError('CURSOR_TOO_OLD', 'Read everything anew')
}

test('a feed that is back soon goes on where it was, and nothing is dropped', async () => {
  const { clock, coherence, seen, follower } = follow([thenCut])
  await turns()
  assert.equal(coherence.isTold, false)
  clock.advance(150)
  await turns()
  assert.equal(coherence.isTold, true)
  clock.advance(60_000)
  await turns()
  assert.deepEqual(seen, { applied: ['101', '102'], cursors: ['100', '102'], drops: 0 })
  follower.stop()
})

test('while a feed stays lost, what the kernel has is dropped once, and it goes on where it was', async () => {
  const { clock, coherence, seen, follower } = follow([thenCut, unreachable, unreachable, unreachable, unreachable, unreachable])
  for (let step = 0; step < 40; step += 1) {
    await turns()
    clock.advance(100)
  }
  assert.equal(seen.drops, 1)
  assert.equal(coherence.isTold, false)
  clock.advance(10_000)
  await turns()
  assert.equal(coherence.isTold, true)
  assert.equal(seen.cursors.at(-1), '102')
  assert.equal(seen.drops, 1)
  follower.stop()
})

test('a cursor that is too old is given up, and everything dropped before answers are trusted again', async () => {
  const { clock, coherence, seen, follower } = follow([thenCut, tooOld])
  await turns()
  clock.advance(150)
  await turns()
  assert.equal(coherence.isTold, false)
  clock.advance(300)
  await turns()
  assert.deepEqual(seen.cursors, ['100', '102', '100'])
  assert.equal(seen.drops, 1)
  assert.equal(coherence.isTold, true)
  follower.stop()
})

test('a change that the kernel could not be told ends the trust in what it has', async () => {
  let tries = 0
  const { clock, coherence, seen, follower } = follow([thenCut], async () => {
    tries += 1
    if (tries === 1) throw new ShoalError('BUSY', 'Too many changes wait')
  })
  await turns()
  clock.advance(150)
  await turns()
  assert.equal(seen.drops, 1)
  assert.equal(coherence.isTold, true)
  follower.stop()
})

test('the feed of an eventual volume says where it begins, before what the kernel has is dropped', async () => {
  const from = (cursor: string): Feed =>
    async function* ({ onOpen }) {
      onOpen?.(cursor)
      yield* []
    }
  const { seen, clock, coherence, follower } = follow([from('a-1'), tooOld, from('b-7'), silent], undefined, true)
  await turns()
  assert.deepEqual(seen.cursors, [undefined, 'a-1'])
  clock.advance(300)
  await turns()
  assert.deepEqual(seen.cursors, [undefined, 'a-1', undefined, 'b-7'])
  assert.equal(seen.drops, 1)
  assert.equal(coherence.isTold, true)
  follower.stop()
})
