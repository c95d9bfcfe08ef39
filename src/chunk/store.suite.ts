import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import { parseChunkId } from '#foundation/ids.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { MAX_CHUNK_BYTES } from './store.ts'
import type { ChunkInfo, ChunkStore } from './store.ts'

export interface SuiteStore {
  readonly store: ChunkStore
  /** Removes what the store kept, after it was closed. */
  cleanUp?(): Promise<void>
}

export function idOf(bytes: Uint8Array): ChunkId {
  return parseChunkId(createHash('sha256').update(bytes).digest('hex'))
}

/** Bytes that a seed repeats: every seed gives others. */
export function sampleBytes(length: number, seed = 1): Buffer {
  const random = new SeededRandom(seed * 7_919 + length)
  const block = random.bytes(Math.min(length, 4_099))
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += block.length) bytes.set(block.subarray(0, Math.min(block.length, length - at)), at)
  return bytes
}

export async function rejectsWith(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isShoalError(error, code), `expected ${code}, got ${String(error)}`)
    return true
  })
}

async function collect(chunks: AsyncIterable<ChunkInfo>): Promise<ChunkInfo[]> {
  const infos: ChunkInfo[] = []
  for await (const info of chunks) infos.push(info)
  return infos
}

const KIB = 1024
/** Around every boundary of the disk format: blocks of 64 KiB, packs up to 256 KiB, files above. */
const SIZES = [1, 2, 63, 1_000, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 700_001, 8 << 20]

/** Holds every promise of `ChunkStore`. Each adapter and each wrapper runs it. */
export function suiteOfChunkStore(name: string, open: (clock: ManualClock) => Promise<SuiteStore>): void {
  describe(`${name}: the promises of ChunkStore`, () => {
    let clock: ManualClock
    let opened: SuiteStore
    let store: ChunkStore

    beforeEach(async () => {
      clock = new ManualClock()
      opened = await open(clock)
      store = opened.store
      clock.advance(1_000)
    })

    afterEach(async () => {
      await store.close()
      await opened.cleanUp?.()
    })

    async function put(bytes: Buffer): Promise<ChunkId> {
      const id = idOf(bytes)
      await store.write(id, bytes)
      return id
    }

    contentTests(() => store, put)
    touchTests(() => ({ store, clock }), put)
    concurrencyTests(() => ({ store, clock }), put)
    listTests(() => store, put)

    test('usage follows writes and forgets exactly', async () => {
      assert.deepEqual(pick(await store.usage()), { chunks: 0, liveBytes: 0 })
      const small = await put(sampleBytes(1_000))
      const large = await put(sampleBytes(300_000))
      await put(sampleBytes(1_000))
      const usage = await store.usage()
      assert.deepEqual(pick(usage), { chunks: 2, liveBytes: 301_000 })
      assert.ok(usage.storedBytes >= usage.liveBytes)
      await store.forget(small)
      assert.deepEqual(pick(await store.usage()), { chunks: 1, liveBytes: 300_000 })
      await store.forget(large)
      assert.deepEqual(pick(await store.usage()), { chunks: 0, liveBytes: 0 })
    })

    test('closing twice is harmless, and every call after it is refused', async () => {
      const id = await put(sampleBytes(100))
      await store.close()
      await store.close()
      await rejectsWith('UNAVAILABLE', store.write(id, sampleBytes(100)))
      await rejectsWith('UNAVAILABLE', store.read(id))
      await rejectsWith('UNAVAILABLE', store.locate(id))
      await rejectsWith('UNAVAILABLE', store.forget(id))
    })

    test('closing waits for writes under way', async () => {
      const writes = [1, 2, 3].map((seed) => put(sampleBytes(100_000 * seed, seed)))
      await store.close()
      await Promise.all(writes)
    })
  })
}

function pick(usage: { chunks: number; liveBytes: number }): { chunks: number; liveBytes: number } {
  return { chunks: usage.chunks, liveBytes: usage.liveBytes }
}

function contentTests(current: () => ChunkStore, put: (bytes: Buffer) => Promise<ChunkId>): void {
  for (const size of SIZES) {
    test(`a chunk of ${size} bytes comes back byte for byte, whole and in ranges`, async () => {
      const bytes = sampleBytes(size)
      const id = await put(bytes)
      assert.ok((await current().read(id)).equals(bytes))
      const edges = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, size - 1, size].filter((edge) => edge >= 0 && edge <= size)
      for (const start of edges) {
        for (const end of edges) {
          if (end < start) continue
          const part = await current().read(id, { offset: start, length: end - start })
          assert.ok(part.equals(bytes.subarray(start, end)), `${start} to ${end}`)
        }
      }
      assert.equal(await current().verify(id), 'intact')
      assert.equal((await current().locate(id))?.sizeBytes, size)
    })
  }

  test('absence is undefined for locate, false for forget, CHUNK_MISSING for read, "missing" for verify', async () => {
    const id = idOf(sampleBytes(10))
    assert.equal(await current().locate(id), undefined)
    assert.equal(await current().forget(id), false)
    assert.equal(await current().verify(id), 'missing')
    await rejectsWith('CHUNK_MISSING', current().read(id))
    await rejectsWith('CHUNK_MISSING', current().read(id, { offset: 0, length: 1 }))
  })

  test('empty and over-long chunks are refused', async () => {
    await rejectsWith('INVALID_ARGUMENT', current().write(idOf(Buffer.alloc(0)), Buffer.alloc(0)))
    const tooLong = Buffer.alloc(MAX_CHUNK_BYTES + 1)
    await rejectsWith('INVALID_ARGUMENT', current().write(idOf(sampleBytes(1)), tooLong))
    assert.equal((await current().usage()).chunks, 0)
  })

  for (const size of [1_000, 300_000]) {
    test(`a range that leaves a chunk of ${size} bytes is refused`, async () => {
      const id = await put(sampleBytes(size))
      for (const [offset, length] of [
        [0, size + 1],
        [size, 1],
        [size + 1, 0],
        [-1, 2],
        [0, -1],
        [0.5, 1],
        [0, Number.NaN],
      ] as const) {
        await rejectsWith('INVALID_ARGUMENT', current().read(id, { offset, length }))
      }
    })

    test(`the buffers belong to the caller on both sides (${size} bytes)`, async () => {
      const bytes = sampleBytes(size)
      const original = Buffer.from(bytes)
      const id = await put(bytes)
      bytes.fill(0)
      const first = await current().read(id)
      assert.ok(first.equals(original))
      first.fill(0xff)
      assert.ok((await current().read(id)).equals(original))
    })
  }

  for (const size of [1_000, 300_000]) {
    test(`a forgotten chunk of ${size} bytes is gone, and can be written again`, async () => {
      const bytes = sampleBytes(size)
      const id = await put(bytes)
      assert.equal(await current().forget(id), true)
      assert.equal(await current().locate(id), undefined)
      await rejectsWith('CHUNK_MISSING', current().read(id))
      assert.equal(await current().forget(id), false)
      await put(bytes)
      assert.ok((await current().read(id)).equals(bytes))
    })
  }
}

function touchTests(current: () => { store: ChunkStore; clock: ManualClock }, put: (bytes: Buffer) => Promise<ChunkId>): void {
  for (const size of [1_000, 300_000]) {
    test(`a write of a chunk that is there counts as a touch (${size} bytes)`, async () => {
      const { store, clock } = current()
      const id = await put(sampleBytes(size))
      const writtenAtMs = clock.nowMs()
      assert.equal((await store.locate(id))?.touchedAtMs, writtenAtMs)
      clock.advance(12_345)
      await store.read(id)
      assert.equal((await store.locate(id))?.touchedAtMs, writtenAtMs, 'a read is no touch')
      await put(sampleBytes(size))
      assert.equal((await store.locate(id))?.touchedAtMs, clock.nowMs())
    })

    test(`forget spares what was touched at or after the moment given (${size} bytes)`, async () => {
      const { store, clock } = current()
      const id = await put(sampleBytes(size))
      const writtenAtMs = clock.nowMs()
      clock.advance(10)
      assert.equal(await store.forget(id, { untouchedSinceMs: writtenAtMs }), false)
      assert.equal(await store.verify(id), 'intact')
      assert.equal(await store.forget(id, { untouchedSinceMs: writtenAtMs + 1 }), true)
      assert.equal(await store.locate(id), undefined)
    })
  }
}

function concurrencyTests(
  current: () => { store: ChunkStore; clock: ManualClock },
  put: (bytes: Buffer) => Promise<ChunkId>,
): void {
  for (const size of [1_000, 300_000]) {
    test(`concurrent writes of one id store it once (${size} bytes)`, async () => {
      const bytes = sampleBytes(size)
      await Promise.all(Array.from({ length: 20 }, () => put(bytes)))
      const usage = await current().store.usage()
      assert.deepEqual(pick(usage), { chunks: 1, liveBytes: size })
      assert.ok(usage.storedBytes < 2 * size)
    })

    test(`only one of several concurrent forgets says that it removed the chunk (${size} bytes)`, async () => {
      const id = await put(sampleBytes(size))
      const answers = await Promise.all([1, 2, 3, 4].map(() => current().store.forget(id)))
      assert.equal(answers.filter(Boolean).length, 1)
    })

    test(`a write acknowledged beside a forget with a limit is never lost (${size} bytes)`, async () => {
      const { store, clock } = current()
      const bytes = sampleBytes(size)
      for (let round = 0; round < 10; round += 1) {
        const id = await put(bytes)
        clock.advance(10)
        const limit = { untouchedSinceMs: clock.nowMs() }
        const forgets = round % 2 === 0 ? [store.forget(id, limit)] : []
        const write = put(bytes)
        forgets.push(store.forget(id, limit), store.forget(id, limit))
        await Promise.all([write, ...forgets])
        assert.ok((await store.read(id)).equals(bytes), `round ${round}`)
        clock.advance(10)
      }
    })
  }

  test('many writers, readers and forgetters at once leave exactly what they should', async () => {
    const { store } = current()
    const chunks = Array.from({ length: 60 }, (_, index) =>
      sampleBytes(index % 10 === 0 ? 270_000 + index : 500 + index * 37, index),
    )
    const ids = await Promise.all(chunks.map(put))
    await Promise.all(
      ids.map(async (id, index) => {
        if (index % 3 === 0) assert.equal(await store.forget(id), true)
        else assert.ok((await store.read(id)).equals(chunks[index] as Buffer))
        if (index % 6 === 0) await put(chunks[index] as Buffer)
      }),
    )
    for (const [index, id] of ids.entries()) {
      assert.equal(await store.verify(id), index % 3 === 0 && index % 6 !== 0 ? 'missing' : 'intact', `chunk ${index}`)
    }
  })
}

function listTests(current: () => ChunkStore, put: (bytes: Buffer) => Promise<ChunkId>): void {
  test('list gives every chunk in ascending order, from any id on', async () => {
    const sizes = new Map<ChunkId, number>()
    for (let index = 0; index < 40; index += 1) {
      const bytes = sampleBytes(index % 4 === 0 ? 262_145 + index : 10 + index, index)
      sizes.set(await put(bytes), bytes.length)
    }
    const sorted = [...sizes.keys()].toSorted()
    const all = await collect(current().list())
    assert.deepEqual(
      all.map((info) => info.id),
      sorted,
    )
    for (const info of all) assert.equal(info.sizeBytes, sizes.get(info.id))
    for (const at of [0, 1, 17, 39]) {
      const from = sorted[at] as ChunkId
      assert.deepEqual(
        (await collect(current().list(from))).map((info) => info.id),
        sorted.slice(at),
      )
    }
    const between = parseChunkId(`${(sorted[5] as string).slice(0, 40)}${'f'.repeat(24)}`)
    assert.deepEqual(
      (await collect(current().list(between))).map((info) => info.id),
      sorted.slice(6),
    )
    assert.deepEqual(await collect(current().list(parseChunkId('f'.repeat(64)))), [])
  })

  test('list survives removals meanwhile', async () => {
    for (let index = 0; index < 20; index += 1) await put(sampleBytes(index % 2 === 0 ? 50 + index : 262_200 + index, index))
    const seen: ChunkId[] = []
    for await (const info of current().list()) {
      seen.push(info.id)
      await current().forget(info.id)
    }
    assert.equal(seen.length, 20)
    assert.deepEqual(await collect(current().list()), [])
  })
}
