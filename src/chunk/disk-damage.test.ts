import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { openDiskChunkStore } from './disk.ts'
import type { DiskChunkStore } from './disk.ts'
import { PACK_HEADER_BYTES, recordBytes } from './pack-format.ts'
import { idOf, rejectsWith, sampleBytes } from './store.suite.ts'

const PACK = '/c/packs/00000001.pack'
const INDEX = '/c/packs.index'

function open(files: MemoryFiles, packBytes = 64 << 20): Promise<DiskChunkStore> {
  return openDiskChunkStore({
    path: '/c',
    files,
    digests: nodeDigests,
    clock: new ManualClock(),
    random: new SeededRandom(3),
    packBytes,
  })
}

async function put(store: DiskChunkStore, bytes: Buffer): Promise<ChunkId> {
  const id = idOf(bytes)
  await store.write(id, bytes)
  return id
}

/** Puts this many bytes of the file where it was, as a crash in the middle of a write would. */
async function shorten(files: MemoryFiles, path: string, sizeBytes: number): Promise<void> {
  const file = await files.open(path, 'update')
  await file.truncate(sizeBytes)
  await file.datasync()
  await file.close()
}

/** Its record ends with seven bytes of padding. */
const LAST = sampleBytes(301, 9)

/** Three chunks, of which one is forgotten; then `LAST`. */
async function prepare(files: MemoryFiles): Promise<{ kept: Buffer[]; forgotten: ChunkId; endOfKept: number }> {
  const store = await open(files)
  const kept = [sampleBytes(1_000, 1), sampleBytes(70_000, 2)]
  const forgotten = await put(store, sampleBytes(500, 3))
  for (const bytes of kept) await put(store, bytes)
  await store.forget(forgotten)
  const endOfKept = PACK_HEADER_BYTES + [500, 1_000, 70_000, 0].reduce((sum, size) => sum + recordBytes(size), 0)
  assert.equal((await files.facts(PACK))?.sizeBytes, endOfKept)
  await put(store, LAST)
  await store.close()
  return { kept, forgotten, endOfKept }
}

async function checkKept(store: DiskChunkStore, kept: readonly Buffer[], forgotten: ChunkId): Promise<void> {
  for (const bytes of kept) assert.ok((await store.read(idOf(bytes))).equals(bytes))
  assert.equal(await store.locate(forgotten), undefined)
}

test('a torn tail is cut at whatever byte it ends, and everything before it stays', async () => {
  const pristine = new MemoryFiles({ seed: 1 })
  const { kept, forgotten, endOfKept } = await prepare(pristine)
  for (let torn = 0; torn < recordBytes(LAST.length); torn += 1) {
    const files = pristine.copy()
    await files.remove(INDEX)
    await shorten(files, PACK, endOfKept + torn)
    const store = await open(files)
    await checkKept(store, kept, forgotten)
    assert.equal(await store.verify(idOf(LAST)), 'missing', `${torn} bytes`)
    assert.equal((await files.facts(PACK))?.sizeBytes, endOfKept)
    const id = await put(store, LAST)
    await store.close()
    const again = await open(files)
    assert.ok((await again.read(id)).equals(LAST))
    await checkKept(again, kept, forgotten)
    await again.close()
  }
})

test('a torn tail after a checkpoint is cut as well', async () => {
  const files = new MemoryFiles({ seed: 1 })
  const { kept, forgotten } = await prepare(files)
  const sizeBytes = (await files.facts(PACK))?.sizeBytes ?? 0
  const file = await files.open(PACK, 'update')
  await file.write([sampleBytes(777)], sizeBytes)
  await file.datasync()
  await file.close()
  const store = await open(files)
  assert.equal((await files.facts(PACK))?.sizeBytes, sizeBytes)
  await checkKept(store, [...kept, LAST], forgotten)
  await store.close()
})

test('a bit flipped anywhere in a pack never gives wrong bytes, and costs no chunk but the one it hit', async () => {
  const pristine = new MemoryFiles({ seed: 1 })
  const { kept, forgotten } = await prepare(pristine)
  const sizeBytes = (await pristine.facts(PACK))?.sizeBytes ?? 0
  const chunks = [...kept, LAST]
  for (const withIndex of [true, false]) {
    // Every byte of headers and small records, and some of the long payload.
    for (let position = 0; position < sizeBytes; position += position > 2_500 && position < sizeBytes - 800 ? 1_499 : 11) {
      const files = pristine.copy()
      files.damage(PACK, position, 1 << (position % 8))
      if (!withIndex) await files.remove(INDEX)
      const store = await open(files)
      let hit = 0
      for (const bytes of chunks) {
        const outcome = await store.read(idOf(bytes)).catch((error: unknown) => error)
        if (Buffer.isBuffer(outcome)) assert.ok(outcome.equals(bytes), `wrong bytes at ${position}`)
        else {
          assert.ok(isShoalError(outcome, withIndex ? 'CORRUPT' : 'CHUNK_MISSING'), String(outcome))
          hit += 1
          // Writing it again heals it.
          await put(store, bytes)
          assert.ok((await store.read(idOf(bytes))).equals(bytes))
        }
      }
      assert.ok(hit <= 1, `${hit} chunks lost by one bit at ${position}`)
      const revived = await store.locate(forgotten)
      // The record that takes it back is as mortal as others; only a rebuild can notice.
      if (revived !== undefined) assert.ok(!withIndex)
      await store.close()
    }
  }
})

test('a bit flipped anywhere in a chunk file gives CORRUPT that names chunk, file and byte; untouched ranges stay readable', async () => {
  const bytes = sampleBytes(300_000)
  const id = idOf(bytes)
  const path = `/c/chunks/${id.slice(0, 2)}/${id.slice(2, 4)}/${id}`
  for (const position of [0, 65_535, 65_536, 299_999, 300_000, 300_019, 300_020, 300_030, 300_050, 300_083]) {
    const files = new MemoryFiles({ seed: 1 })
    const store = await open(files)
    await put(store, bytes)
    files.damage(path, position, 0x80)
    await assert.rejects(store.read(id), (error) => {
      assert.ok(isShoalError(error, 'CORRUPT'), String(error))
      assert.ok(error.message.includes(id) && error.message.includes(path))
      const block = position < bytes.length ? position - (position % 65_536) : 0
      assert.deepEqual(error.details, { chunk: id, path, offset: block })
      return true
    })
    assert.equal(await store.verify(id), 'corrupt')
    assert.equal((await store.locate(id))?.isDamaged, true)
    if (position === 0)
      assert.ok((await store.read(id, { offset: 65_536, length: 1_000 })).equals(bytes.subarray(65_536, 66_536)))
    await put(store, bytes)
    assert.ok((await store.read(id)).equals(bytes), 'written again it is whole')
    assert.equal((await store.locate(id))?.isDamaged, undefined)
    assert.equal((await store.usage()).chunks, 1)
    await store.close()
  }
})

test('a chunk file that is cut short while it is open is corrupt, and written anew', async () => {
  const bytes = sampleBytes(300_000)
  const files = new MemoryFiles({ seed: 1 })
  const store = await open(files)
  const id = await put(store, bytes)
  await store.read(id)
  await shorten(files, `/c/chunks/${id.slice(0, 2)}/${id.slice(2, 4)}/${id}`, 100_000)
  assert.equal(await store.verify(id), 'corrupt')
  await put(store, bytes)
  assert.equal(await store.verify(id), 'intact')
  await store.close()
})

test('a chunk file cut short is corrupt, never shorter', async () => {
  const bytes = sampleBytes(300_000)
  const id = idOf(bytes)
  const path = `/c/chunks/${id.slice(0, 2)}/${id.slice(2, 4)}/${id}`
  for (const sizeBytes of [0, 1, 64, 1_000, 65_604, 299_999, 300_000, 300_083]) {
    const files = new MemoryFiles({ seed: 1 })
    const first = await open(files)
    await put(first, bytes)
    await first.close()
    await shorten(files, path, sizeBytes)
    const store = await open(files)
    await rejectsWith('CORRUPT', store.read(id))
    assert.equal(await store.verify(id), 'corrupt')
    assert.equal(await store.forget(id), true)
    await store.close()
  }
})

test('an index that is missing, cut or damaged anywhere is rebuilt from the packs', async () => {
  const pristine = new MemoryFiles({ seed: 1 })
  const { kept, forgotten } = await prepare(pristine)
  const indexBytes = (await pristine.facts(INDEX))?.sizeBytes ?? 0
  assert.ok(indexBytes > 100)
  for (let position = 0; position < indexBytes; position += 1) {
    const files = pristine.copy()
    if (position % 4 === 3) await shorten(files, INDEX, position)
    else files.damage(INDEX, position, 1 << (position % 8))
    const store = await open(files)
    await checkKept(store, [...kept, LAST], forgotten)
    assert.equal((await store.usage()).chunks, 3)
    await store.close()
  }
})

test('the index of other packs is not believed', async () => {
  const files = new MemoryFiles({ seed: 1 })
  const { kept, forgotten } = await prepare(files)
  const others = new MemoryFiles({ seed: 1 })
  const other = await openDiskChunkStore({
    path: '/c',
    files: others,
    digests: nodeDigests,
    clock: new ManualClock(),
    random: new SeededRandom(99),
  })
  await put(other, sampleBytes(400, 4))
  await other.close()
  await files.publish(INDEX, [(await others.read(INDEX)) as Buffer])
  const store = await open(files)
  await checkKept(store, [...kept, LAST], forgotten)
  assert.equal((await store.usage()).chunks, 3)
  await store.close()
})

test('a pack stored as a chunk is content, not records, even when the record around it is damaged', async () => {
  const inner = new MemoryFiles({ seed: 1 })
  const { kept } = await prepare(inner)
  const packed = (await inner.read(PACK)) as Buffer
  const files = new MemoryFiles({ seed: 1 })
  const first = await open(files)
  await put(first, packed)
  const after = await put(first, sampleBytes(50, 50))
  await first.close()
  files.damage(PACK, PACK_HEADER_BYTES + 1)
  await files.remove(INDEX)
  const store = await open(files)
  assert.equal(await store.verify(after), 'intact')
  for (const bytes of kept) assert.equal(await store.locate(idOf(bytes)), undefined)
  await store.close()
})

test('leftovers of interrupted writes are removed at the start', async () => {
  const files = new MemoryFiles({ seed: 1 })
  await (await open(files)).close()
  await files.publish('/c/incoming/17', [sampleBytes(1_000)])
  const store = await open(files)
  assert.deepEqual(await files.list('/c/incoming'), [])
  await store.close()
})
