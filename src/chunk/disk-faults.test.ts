import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { faultyFiles, seededFaults } from '#platform/faulty-files.ts'
import type { Fault, FaultPlan } from '#platform/faulty-files.ts'
import type { Files } from '#platform/files.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { openDiskChunkStore } from './disk.ts'
import type { DiskChunkStore } from './disk.ts'
import { idOf, rejectsWith, sampleBytes } from './store.suite.ts'

function open(files: Files, path = '/c'): Promise<DiskChunkStore> {
  return openDiskChunkStore({
    path,
    files,
    digests: nodeDigests,
    clock: new ManualClock(),
    random: new SeededRandom(3),
    packBytes: 400_000,
  })
}

async function put(store: DiskChunkStore, bytes: Buffer): Promise<ChunkId> {
  const id = idOf(bytes)
  await store.write(id, bytes)
  return id
}

/** Sizes that go to a pack and to a file. */
const SIZES = [1_000, 300_000]

for (const size of SIZES) {
  for (const operation of ['write', 'datasync', 'syncFolder'] as const) {
    test(`after EIO on ${operation} (chunk of ${size} bytes) nothing is acknowledged any more, reads go on, a restart mends it`, async () => {
      const files = new MemoryFiles({ seed: 2 })
      let fault: Fault | undefined
      const plan: FaultPlan = (asked) => (asked === operation ? fault : undefined)
      const store = await open(faultyFiles(files, plan))
      const kept = await put(store, sampleBytes(size, 1))
      await put(store, sampleBytes(300_001, 7))
      fault = 'io-error'
      const lost = sampleBytes(operation === 'syncFolder' ? 300_002 : size, 2)
      const together = await Promise.allSettled([put(store, lost), put(store, sampleBytes(size, 3))])
      assert.ok(isShoalError((together[0] as PromiseRejectedResult).reason, 'STORAGE_FAILED'))
      fault = undefined
      for (const bytes of [lost, sampleBytes(10, 4), sampleBytes(300_003, 4)])
        await rejectsWith('STORAGE_FAILED', put(store, bytes))
      await rejectsWith('STORAGE_FAILED', store.forget(kept))
      await rejectsWith('STORAGE_FAILED', store.compact({ budgetBytes: 1 }))
      assert.ok((await store.read(kept)).equals(sampleBytes(size, 1)))
      await store.close()
      files.crash()
      const again = await open(files)
      assert.equal(await again.verify(kept), 'intact')
      await put(again, lost)
      assert.equal(await again.verify(idOf(lost)), 'intact')
      await again.close()
    })
  }

  test(`a chunk of ${size} bytes that the disk can't read is damaged like any other, and written anew`, async () => {
    let isBad = false
    const store = await open(
      faultyFiles(new MemoryFiles({ seed: 2 }), (asked) => (isBad && asked === 'read' ? 'io-error' : undefined)),
    )
    const id = await put(store, sampleBytes(size, 1))
    isBad = true
    await rejectsWith('CORRUPT', store.read(id))
    assert.equal(await store.verify(id), 'corrupt')
    assert.equal((await store.locate(id))?.isDamaged, true)
    isBad = false
    await put(store, sampleBytes(size, 1))
    assert.equal((await store.locate(id))?.isDamaged, undefined)
    assert.equal(await store.verify(id), 'intact')
    await store.close()
  })

  for (const fault of ['no-space', 'short-no-space'] as const) {
    test(`${fault} on a write (chunk of ${size} bytes): nothing is stored, and the store goes on when there is room again`, async () => {
      const files = new MemoryFiles({ seed: 2 })
      let full = false
      const store = await open(faultyFiles(files, (operation) => (full && operation === 'write' ? fault : undefined)))
      const kept = await put(store, sampleBytes(size, 1))
      const storedBytes = (await store.usage()).storedBytes
      full = true
      await rejectsWith('NO_SPACE', put(store, sampleBytes(size, 2)))
      assert.equal(await store.locate(idOf(sampleBytes(size, 2))), undefined)
      assert.equal((await store.usage()).storedBytes, storedBytes)
      full = false
      const later = await put(store, sampleBytes(size, 3))
      await store.close()
      files.crash()
      const again = await open(files)
      for (const id of [kept, later]) assert.equal(await again.verify(id), 'intact')
      assert.equal((await again.usage()).chunks, 2)
      assert.deepEqual(await files.list('/c/incoming'), [])
      await again.close()
    })
  }
}

test('faults at random: what was acknowledged before the first failure is there afterwards', async () => {
  let failures = 0
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = new SeededRandom(seed)
    const files = new MemoryFiles({ seed })
    const faults = seededFaults(random, {
      operations: ['open', 'write', 'datasync', 'truncate', 'rename', 'remove', 'syncFolder'],
      faults: ['io-error', 'no-space', 'short-io-error', 'short-no-space'],
      probability: 0.04,
    })
    let armed = false
    const store = await open(faultyFiles(files, (operation, path) => (armed ? faults(operation, path) : undefined)))
    armed = true
    const acknowledged: Buffer[] = []
    for (let round = 0; round < 10; round += 1) {
      const chunks = [0, 1, 2, 3].map((each) =>
        sampleBytes([50, 3_000, 100_000, 270_000][random.below(4)] as number, seed + round * 4 + each),
      )
      const results = await Promise.allSettled(chunks.map((bytes) => put(store, bytes)))
      for (const [index, result] of results.entries()) {
        if (result.status === 'fulfilled') acknowledged.push(chunks[index] as Buffer)
        else
          assert.ok(
            isShoalError(result.reason, 'STORAGE_FAILED') || isShoalError(result.reason, 'NO_SPACE'),
            String(result.reason),
          )
      }
      if (results.some((result) => result.status === 'rejected')) failures += 1
    }
    armed = false
    await store.close()
    files.crash()
    const again = await open(files)
    for (const bytes of acknowledged) assert.ok((await again.read(idOf(bytes))).equals(bytes), `seed ${seed}`)
    await again.close()
  }
  assert.ok(failures > 60, `only ${failures} rounds with failures`)
})

/** Mounts a tmpfs of 3 MiB, if this process may. */
async function tinyMedium(): Promise<{ path: string; remove(): Promise<void> } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const path = await mkdtemp(join(tmpdir(), 'shoal-tiny-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'shoal-test', path], { stdio: 'ignore' })
  } catch {
    await rm(path, { recursive: true })
    return undefined
  }
  return {
    path,
    async remove() {
      execFileSync('umount', [path])
      await rm(path, { recursive: true })
    },
  }
}

test('on a full file system writes fail with NO_SPACE, all acknowledged chunks stay, and room can be made', async (context) => {
  const medium = await tinyMedium()
  if (medium === undefined) return context.skip('only root may mount a tmpfs')
  try {
    const store = await open(nodeFiles, join(medium.path, 'c'))
    for (const size of [40_000, 300_000]) {
      const stored: Buffer[] = []
      let refusals = 0
      for (let seed = 1; refusals < 3; seed += 1) {
        const bytes = sampleBytes(size, seed)
        await put(store, bytes).then(
          () => stored.push(bytes),
          (error: unknown) => {
            assert.ok(isShoalError(error, 'NO_SPACE'), String(error))
            refusals += 1
          },
        )
      }
      assert.ok(stored.length > 2, `${stored.length} chunks of ${size} bytes were stored`)
      for (const bytes of stored) assert.ok((await store.read(idOf(bytes))).equals(bytes))
      for (const bytes of stored) assert.equal(await store.forget(idOf(bytes)), true)
      while (!(await store.compact({ budgetBytes: 1 << 20 })).idle);
    }
    await store.close()
  } finally {
    await medium.remove()
  }
})
