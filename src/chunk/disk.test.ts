import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ChunkId } from '#foundation/ids.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { digestChunk } from './digest-chunk.ts'
import { openDiskChunkStore } from './disk.ts'
import type { ChunkStore } from './store.ts'
import { rejectsWith, suiteOfChunkStore } from './store.suite.ts'

suiteOfChunkStore('disk', async (clock) => {
  const path = await mkdtemp(join(tmpdir(), 'shoal-chunks-'))
  const store = await openDiskChunkStore({ path, files: nodeFiles, digests: nodeDigests, clock, random: new SeededRandom(1) })
  return { store, cleanUp: () => rm(path, { recursive: true, force: true }) }
})

suiteOfChunkStore('disk with tiny packs, over files in memory', async (clock) => {
  const files = new MemoryFiles({ seed: 7 })
  return {
    store: await openDiskChunkStore({
      path: '/chunks',
      files,
      digests: nodeDigests,
      clock,
      random: new SeededRandom(1),
      packBytes: 20_000,
    }),
  }
})

test('checksums that were told with a chunk are those of its file, small chunks have their own, and what differs from them is found', async () => {
  const parts = { path: '/chunks', files: new MemoryFiles({ seed: 7 }), clock: new ManualClock(), random: new SeededRandom(1) }
  const blockChecksums = async (): Promise<never> => assert.fail('The bytes were read once more')
  const store = await openDiskChunkStore({ ...parts, digests: { ...nodeDigests, blockChecksums } })
  for (const sizeBytes of [1, 262_144, 262_145, 900_000]) {
    const bytes = Buffer.alloc(sizeBytes, 3)
    const { id, checksums } = await digestChunk(nodeDigests, bytes)
    await store.write(id, bytes, checksums)
  }
  await store.close()
  const again = await openDiskChunkStore({ ...parts, digests: nodeDigests })
  const ids = (await Array.fromAsync(again.list())).map(({ id }) => id)
  assert.deepEqual(await Promise.all(ids.map((id) => again.verify(id))), ['intact', 'intact', 'intact', 'intact'])
  const { id, checksums } = await digestChunk(nodeDigests, Buffer.alloc(300_000, 1))
  await again.write(id, Buffer.alloc(300_000, 2), checksums)
  await rejectsWith('CORRUPT', again.read(id))
  await again.close()
})

test('chunks that have files of their own are listed after a restart, while they are counted and later', async () => {
  const parts = { path: '/chunks', files: new MemoryFiles({ seed: 7 }), digests: nodeDigests, clock: new ManualClock() }
  const ids: ChunkId[] = []
  const listed = async (store: ChunkStore): Promise<ChunkId[]> => (await Array.fromAsync(store.list())).map(({ id }) => id)
  const add = async (store: ChunkStore, value: number): Promise<void> => {
    const bytes = Buffer.alloc(300_000, value)
    const id = hash('sha256', bytes) as ChunkId
    await store.write(id, bytes)
    ids.push(id)
    ids.sort()
  }
  const before = await openDiskChunkStore({ ...parts, random: new SeededRandom(1) })
  await before.usage()
  for (let value = 0; value < 5; value += 1) await add(before, value)
  assert.deepEqual(await listed(before), ids)
  await before.close()
  const store = await openDiskChunkStore({ ...parts, random: new SeededRandom(2) })
  assert.deepEqual(await listed(store), ids)
  assert.equal((await store.usage()).chunks, 5)
  assert.deepEqual(await listed(store), ids)
  await add(store, 5)
  await store.forget(ids.shift() as ChunkId)
  assert.deepEqual(await listed(store), ids)
  await store.close()
})
