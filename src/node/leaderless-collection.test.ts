import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import { idOf, sampleBytes } from '#chunk/store.suite.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { LeaderlessCollection } from './leaderless-collection.ts'

const GRACE_MS = 1_000

async function world(count: number) {
  const clock = new ManualClock()
  const chunks = openMemoryChunkStore({ clock })
  const ids: ChunkId[] = []
  for (let seed = 1; seed <= count; seed += 1) {
    const bytes = sampleBytes(100, seed)
    ids.push(idOf(bytes))
    await chunks.write(idOf(bytes), bytes)
  }
  const state = { isForGood: true, isInTouch: true, used: new Set<ChunkId>() }
  const collection = new LeaderlessCollection({
    replica: {
      get isInTouch() {
        return state.isInTouch
      },
    },
    chunks,
    referenced: async (asked) => new Map(asked.flatMap((id) => (state.used.has(id) ? [[id, []]] : []))),
    isForGood: () => state.isForGood,
    graceMs: GRACE_MS,
    intervalMs: 1_000,
    clock,
    log: silentLog,
  })
  const left = async () => (await Array.fromAsync(chunks.list())).length
  return { clock, chunks, ids, state, collection, left }
}

test('what nothing uses is gone after the grace, and what is used or was touched since stays', async () => {
  const { clock, chunks, ids, state, collection, left } = await world(600)
  state.used = new Set(ids.slice(0, 10))
  assert.equal(await collection.collectAll(), 0)
  clock.advance(GRACE_MS + 1)
  await chunks.write(ids[599]!, sampleBytes(100, 600))
  assert.equal(await collection.collectAll(), 589)
  assert.equal(await left(), 11)
})

test('nothing goes while somebody may lead, or a member has not been heard of', async () => {
  const { clock, state, collection, left } = await world(3)
  clock.advance(GRACE_MS + 1)
  state.isForGood = false
  assert.equal(await collection.collectAll(), 0)
  state.isForGood = true
  state.isInTouch = false
  assert.equal(await collection.collectAll(), 0)
  assert.equal(await left(), 3)
  state.isInTouch = true
  assert.equal(await collection.collectAll(), 3)
})
