import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Heard, RemoteChange } from '#client/wire.ts'
import { ShoalError } from '#foundation/errors.ts'
import { Coherence } from '#gateway/fuse/coherence.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { Change } from '#volume/volume.ts'
import { ChangeFollower } from './change-follower.ts'
import { HeardChanges } from './heard-changes.ts'

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

interface Following {
  readonly apply?: (change: Change) => Promise<void>
  readonly isEventual?: boolean
  /** A feed that answers questions, in place of the first ones. */
  readonly asked?: (questions: AsyncIterable<number>, options: Parameters<Feed>[0]) => AsyncGenerator<RemoteChange | Heard>
  readonly judged?: () => Promise<unknown> | undefined
}

function follow(feeds: Feed[], { apply = async () => undefined, isEventual = false, asked, judged }: Following = {}) {
  const clock = new ManualClock()
  const heard = new HeardChanges(clock)
  const coherence = new Coherence()
  const seen = { applied: [] as string[], cursors: [] as (string | undefined)[], drops: 0, kept: 0, forgot: 0 }
  const follower = new ChangeFollower({
    client: {
      status: async () => ({ changes: { cursor: '100' } }) as never,
      changes: (options) => {
        seen.cursors.push(options?.cursor)
        return (feeds.shift() ?? silent)(options as never)
      },
      ...(asked === undefined
        ? {}
        : {
            askedChanges: (questions, options) =>
              asked(questions, options as never) as AsyncGenerator<RemoteChange | Heard, void>,
          }),
    },
    heard,
    volume: 'docs',
    isEventual,
    coherence,
    changes: {
      apply: async (one) => {
        await apply(one)
        seen.applied.push(one.cursor)
      },
      forgetKnown: () => {
        assert.equal(coherence.isTold, false, 'before it is trusted again')
        seen.forgot += 1
      },
      dropAll: async (how) => {
        if (how?.keepsKnown === true) seen.kept += 1
        seen.drops += 1
      },
      get judged() {
        return judged?.()
      },
    },
    clock,
    log: silentLog,
  })
  follower.start()
  return { clock, coherence, seen, follower, heard }
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
  assert.deepEqual(seen, { applied: ['101', '102'], cursors: ['100', '102'], drops: 0, kept: 0, forgot: 0 })
  follower.stop()
})

test('while a feed stays lost, what the kernel has is dropped once, and it goes on where it was', async () => {
  const { clock, coherence, seen, follower } = follow([thenCut, unreachable, unreachable, unreachable, unreachable, unreachable])
  for (let step = 0; step < 40; step += 1) {
    await turns()
    clock.advance(100)
  }
  assert.deepEqual([seen.drops, seen.kept, seen.forgot], [1, 1, 0])
  assert.equal(coherence.isTold, false)
  clock.advance(10_000)
  await turns()
  assert.equal(seen.forgot, 1)
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
  const { clock, coherence, seen, follower } = follow([thenCut], {
    apply: async () => {
      tries += 1
      if (tries === 1) throw new ShoalError('BUSY', 'Too many changes wait')
    },
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
  const { seen, clock, coherence, follower } = follow([from('a-1'), tooOld, from('b-7'), silent], { isEventual: true })
  await turns()
  assert.deepEqual(seen.cursors, [undefined, 'a-1'])
  clock.advance(300)
  await turns()
  assert.deepEqual(seen.cursors, [undefined, 'a-1', undefined, 'b-7'])
  assert.equal(seen.drops, 1)
  assert.equal(coherence.isTold, true)
  follower.stop()
})

/** Answers each question after one change. */
const answering: NonNullable<Following['asked']> = async function* (questions, { onOpen }) {
  onOpen?.()
  let cursor = 200
  for await (const question of questions) {
    yield change((cursor += 1))
    yield { heard: question }
  }
}

test('a feed that answers is asked, and has been heard when what it told before is known here', async () => {
  let judging: Promise<unknown> | undefined
  const { seen, clock, coherence, follower, heard } = follow([], { asked: answering, judged: () => judging })
  await turns()
  assert.equal(coherence.isTold, true)
  assert.equal(await heard.ask(), true)
  assert.deepEqual(seen.applied, ['201', '202'])
  // Something that this mount does itself has no answer yet.
  const done = Promise.withResolvers<void>()
  judging = done.promise
  const early = heard.ask()
  await turns()
  done.resolve()
  assert.equal(await early, true)
  judging = new Promise(() => undefined)
  const late = heard.ask()
  await turns()
  clock.advance(2)
  assert.equal(await late, false)
  follower.stop()
})

test('a feed that refuses questions, or does not begin while they go on, is followed without, and asked again after a while', async () => {
  const refuses: NonNullable<Following['asked']> = () => {
    throw new ShoalError('METHOD_NOT_ALLOWED', 'POST is not possible here')
  }
  const holdsBack: NonNullable<Following['asked']> = async function* (_, { signal }) {
    yield* []
    await new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new ShoalError('CANCELLED', 'ended'))))
  }
  for (const asked of [refuses, holdsBack]) {
    let times = 0
    const cut = Promise.withResolvers<void>()
    const cutLater: Feed = async function* ({ onOpen }) {
      onOpen?.()
      yield* []
      await cut.promise
      throw new ShoalError('UNAVAILABLE', 'The connection broke')
    }
    const { seen, clock, coherence, follower, heard } = follow([thenCut, cutLater], {
      asked: (...args) => {
        times += 1
        return asked(...args)
      },
    })
    await turns()
    for (const ms of [3_000, 150, 600_000]) {
      clock.advance(ms)
      await turns()
    }
    assert.deepEqual([times, seen.cursors, await heard.ask()], [1, ['100', '102'], false])
    cut.resolve()
    for (const ms of [0, 150, 3_000]) {
      clock.advance(ms)
      await turns()
    }
    assert.deepEqual([times, seen.cursors, coherence.isTold], [2, ['100', '102', '102'], true])
    follower.stop()
  }
})

test('a feed that has answered is lost when it says nothing for some seconds though it is asked, and asked anew', async () => {
  let isSilent = false
  let begun = 0
  const { clock, coherence, follower, heard } = follow([], {
    asked: async function* (questions, { onOpen, signal }) {
      begun += 1
      const ended = new Promise<never>((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(new ShoalError('CANCELLED', 'ended')))
      })
      ended.catch(() => undefined)
      if (isSilent) await ended
      onOpen?.()
      for await (const question of questions) {
        if (isSilent) await ended
        yield { heard: question }
      }
    },
  })
  const seconds = async (count: number): Promise<void> => {
    for (let second = 0; second < count; second += 1) {
      clock.advance(1_000)
      await turns()
    }
  }
  await turns()
  await seconds(30)
  assert.deepEqual([coherence.isTold, begun, await heard.ask()], [true, 1, true], 'a node that answers stays')
  isSilent = true
  await seconds(3)
  assert.equal(coherence.isTold, true)
  await seconds(9)
  assert.equal(coherence.isTold, false)
  await seconds(60)
  isSilent = false
  await seconds(16)
  assert.deepEqual([coherence.isTold, await heard.ask()], [true, true], 'it is asked again at once, not in ten minutes')
  follower.stop()
})
