import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkId } from '#foundation/ids.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { openDiskChunkStore } from './disk.ts'
import type { DiskChunkStore } from './disk.ts'
import { recordBytes } from './pack-format.ts'
import { idOf, rejectsWith, sampleBytes } from './store.suite.ts'

const clock = new ManualClock()

function open(files: MemoryFiles): Promise<DiskChunkStore> {
  return openDiskChunkStore({ path: '/c', files, digests: nodeDigests, clock, random: new SeededRandom(3), packBytes: 100_000 })
}

/** 60 chunks of 10 kB in seven packs; two of three are forgotten. */
async function fill(store: DiskChunkStore): Promise<{ kept: Buffer[]; gone: ChunkId[] }> {
  const kept: Buffer[] = []
  const gone: ChunkId[] = []
  for (let seed = 0; seed < 60; seed += 1) {
    const bytes = sampleBytes(10_000, seed)
    await store.write(idOf(bytes), bytes)
    if (seed % 3 === 0) kept.push(bytes)
    else gone.push(idOf(bytes))
  }
  for (const id of gone) await store.forget(id)
  return { kept, gone }
}

async function compactAll(store: DiskChunkStore, budgetBytes = 1 << 20): Promise<{ steps: number; copiedBytes: number }> {
  let copiedBytes = 0
  for (let steps = 1; ; steps += 1) {
    const step = await store.compact({ budgetBytes })
    copiedBytes += step.copiedBytes
    if (step.idle) return { steps, copiedBytes }
    assert.ok(steps < 1_000, 'compaction never ends')
  }
}

test('compaction gives back dead space, keeps every chunk and its last touch, and comes to an end', async () => {
  const files = new MemoryFiles({ seed: 4 })
  const store = await open(files)
  const { kept, gone } = await fill(store)
  const touchedAtMs = (await store.locate(idOf(kept[0] as Buffer)))?.touchedAtMs
  clock.advance(5_000)
  const before = (await store.usage()).storedBytes
  const { copiedBytes } = await compactAll(store)
  const after = await store.usage()
  assert.ok(before > 600_000 && after.storedBytes < 320_000, `${before} to ${after.storedBytes}`)
  assert.ok(copiedBytes < 280_000, `${copiedBytes} bytes copied`)
  assert.equal((await store.locate(idOf(kept[0] as Buffer)))?.touchedAtMs, touchedAtMs)
  for (const withIndex of [true, false]) {
    const current = withIndex ? store : await open(files)
    for (const bytes of kept) assert.ok((await current.read(idOf(bytes))).equals(bytes))
    for (const id of gone) assert.equal(await current.locate(id), undefined)
    await current.close()
    await files.remove('/c/packs.index')
  }
})

test('a step keeps to its budget, the next one goes on, and a cancelled one loses nothing', async () => {
  const store = await open(new MemoryFiles({ seed: 4 }))
  const { kept } = await fill(store)
  const first = await store.compact({ budgetBytes: 15_000 })
  assert.ok(first.copiedBytes >= 15_000 && first.copiedBytes <= 15_000 + recordBytes(10_000) * 2, `${first.copiedBytes}`)
  assert.equal(first.idle, false)
  await rejectsWith('CANCELLED', store.compact({ budgetBytes: 1, signal: AbortSignal.abort() }))
  const { steps } = await compactAll(store, 15_000)
  assert.ok(steps > 10)
  for (const bytes of kept) assert.equal(await store.verify(idOf(bytes)), 'intact')
  await store.close()
})

test('a chunk that a crash has left in two packs stays forgotten when the index is rebuilt', async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const files = new MemoryFiles({ seed })
    const first = await open(files)
    const { kept } = await fill(first)
    // Cut somewhere in the middle of copying.
    files.cutPowerAfter(seed)
    await compactAll(first, 15_000).catch(() => undefined)
    files.crash()
    await files.remove('/c/packs.index')
    const second = await open(files)
    for (const bytes of kept) assert.equal(await second.forget(idOf(bytes)), true)
    await compactAll(second)
    await second.close()
    await files.remove('/c/packs.index')
    const third = await open(files)
    assert.equal((await third.usage()).chunks, 0, `seed ${seed}`)
    await third.close()
  }
})

test('reads, writes and forgets beside a compaction see what they should', async () => {
  const store = await open(new MemoryFiles({ seed: 5 }))
  const { kept, gone } = await fill(store)
  let compacting = true
  let reads = 0
  const read = async (): Promise<void> => {
    for (let round = 0; compacting; round += 1) {
      const bytes = kept[round % kept.length] as Buffer
      if ((round % kept.length) % 4 === 0) continue
      assert.ok((await store.read(idOf(bytes))).equals(bytes))
      reads += 1
    }
  }
  const change = async (): Promise<void> => {
    for (const [index, bytes] of kept.entries()) {
      if (index % 4 !== 0) continue
      await store.forget(idOf(bytes))
      await store.write(idOf(sampleBytes(5_000, index)), sampleBytes(5_000, index))
    }
  }
  const compaction = compactAll(store, 20_000).finally(() => {
    compacting = false
  })
  await Promise.all([compaction, change(), read(), read()])
  await compactAll(store)
  for (const [index, bytes] of kept.entries()) {
    assert.equal(await store.verify(idOf(bytes)), index % 4 === 0 ? 'missing' : 'intact')
    if (index % 4 === 0) assert.equal(await store.verify(idOf(sampleBytes(5_000, index))), 'intact')
  }
  for (const id of gone) assert.equal(await store.locate(id), undefined)
  assert.ok(reads > 20, `only ${reads} reads beside the compaction`)
  await store.close()
})

test('a pack with a damaged chunk is kept, and the chunk stays corrupt rather than missing', async () => {
  const files = new MemoryFiles({ seed: 6 })
  const store = await open(files)
  const { kept } = await fill(store)
  files.damage('/c/packs/00000001.pack', 32 + 500)
  await compactAll(store)
  assert.equal(await store.verify(idOf(kept[0] as Buffer)), 'corrupt')
  for (const bytes of kept.slice(1)) assert.equal(await store.verify(idOf(bytes)), 'intact')
  assert.ok((await files.list('/c/packs'))?.includes('00000001.pack'))
  await store.close()
})
