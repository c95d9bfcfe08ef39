import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkId } from '#foundation/ids.ts'
import { rejectsWith } from '#chunk/store.suite.ts'
import { openMemoryStore } from '#kv/memory.ts'
import { chunkIn, nodeId } from '#placement/nodes.suite.ts'
import { KvTaskStore } from './kv-task-store.ts'
import { newTaskState, withCounts } from './task-state.ts'
import type { Decision } from './task-store.ts'

test('a state is read as it was written, a dry run beside its task, and one of an earlier version with what it lacks', async () => {
  const kv = openMemoryStore()
  const store = new KvTaskStore(kv)
  const walking = {
    ...withCounts(newTaskState('repair', { bytesPerSecond: 5, share: 0.5 }), { copies: 3 }),
    cursor: chunkIn(7),
    level: 2,
  }
  const dry = newTaskState('repair', {}, true)
  await store.commit({ states: [walking, dry] })
  assert.deepEqual(await new KvTaskStore(kv).load(), [walking, dry])
  const [row] = await Array.fromAsync(kv.range({}))
  assert.ok(row !== undefined)
  await kv.transact((tx) => tx.put(row.key, Buffer.from('{"task":"repair","isDryRun":false,"walk":4,"counters":{"copies":1}}')))
  assert.deepEqual((await store.load())[0], { ...withCounts(newTaskState('repair'), { copies: 1 }), walk: 4 })
  await kv.transact((tx) => tx.put(row.key, Buffer.from('{"task":"tidy"}')))
  await rejectsWith('DATA_FORMAT', store.load())
})

test('suspects are replaced within a range, and only there', async () => {
  const store = new KvTaskStore(openMemoryStore())
  const all = { from: undefined, to: undefined }
  await store.commit({ suspects: { range: all, found: new Map([1, 2, 3, 4].map((number) => [chunkIn(number), 1])) } })
  await store.commit({ suspects: { range: { from: chunkIn(2), to: chunkIn(4) }, found: new Map([[chunkIn(3), 9]]) } })
  const left: [ChunkId, number][] = [
    [chunkIn(1), 1],
    [chunkIn(3), 9],
    [chunkIn(4), 1],
  ]
  assert.deepEqual([...(await store.suspects(all))], left)
})

test('the last decisions are kept, so many and no more, and come the newest first', async () => {
  const kv = openMemoryStore()
  const store = new KvTaskStore(kv, { decisionsMax: 5 })
  const decision = (atMs: number): Decision => ({
    atMs,
    task: 'repair',
    isDryRun: false,
    kind: 'copy',
    chunk: chunkIn(1),
    to: nodeId(2),
  })
  for (const group of [[1, 2, 3], [4], [5, 6, 7]]) await store.commit({ decisions: group.map(decision) })
  assert.deepEqual(await store.decisions(3), [7, 6, 5].map(decision))
  assert.equal((await store.decisions(100)).length, 5)
  assert.equal((await Array.fromAsync(kv.range({}))).length, 5)
})
