import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Decode, RangeOptions } from '#kv/store.ts'
import { type ChunkHooks, hookedChunks } from '#volume/hooked-stores.suite.ts'
import { bodyOf, caller, type Fixture, ManualClock, openFixture, p, pattern, readAll } from '#volume/volume-fixture.suite.ts'
import { countGarbageChunks } from './collector.ts'
import { garbageChunkKey } from './keys.ts'

async function collectTwice({ volumes, clock }: Pick<Fixture, 'volumes' | 'clock'>): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    clock.advance(2_000)
    await volumes.collect()
  }
}

test('a chunk that is used, left and used again while the collector removes it stays', async () => {
  const hooks: ChunkHooks = {}
  const clock = new ManualClock()
  const fixture = await openFixture({ clock, chunks: hookedChunks(openMemoryChunkStore({ clock }), hooks) })
  const { volume, volumes } = fixture
  const bytes = pattern(5_000)
  await volume.writeFile(p('f'), bodyOf(bytes), { caller })
  await volume.writeFile(p('f'), bodyOf('small'), { caller })
  hooks.afterForget = async () => {
    await volume.writeFile(p('f'), bodyOf(bytes), { caller })
    await volume.writeFile(p('f'), bodyOf('small'), { caller })
  }
  clock.advance(2_000)
  await volumes.collect()
  assert.equal(hooks.afterForget, undefined, 'the chunk was forgotten once')
  await volume.writeFile(p('g'), bodyOf(bytes), { caller })
  await collectTwice(fixture)
  assert.ok(bytes.equals(await readAll(await volume.openFile(p('g')))))
})

test('chunks that are written again and again while they are being removed are never missing', async () => {
  const clock = new ManualClock()
  const slow = openMemoryChunkStore({ clock })
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const fixture = await openFixture({
    clock,
    gcGraceMs: 3,
    chunks: {
      ...hookedChunks(slow, {}),
      async write(id, bytes) {
        if (bytes.length % 2 === 0) await turn()
        await slow.write(id, bytes)
        await turn()
      },
      async forget(id, options) {
        await turn()
        const forgotten = await slow.forget(id, options)
        await turn()
        return forgotten
      },
    },
  })
  const { volume, volumes } = fixture
  let writing = true
  let reads = 0
  const contents = [4_500, 4_501, 4_502].map((size) => pattern(size, size))
  const writer = async (number: number): Promise<void> => {
    const path = p(`f${number}`)
    for (let round = 0; round < 250; round += 1) {
      const bytes = contents[(round + number) % contents.length] as Buffer
      await volume.writeFile(path, bodyOf(bytes), { caller })
      assert.ok(bytes.equals(await readAll(await volume.openFile(path))))
      reads += 1
      if (round % 3 === 0) await volume.remove(path, { caller })
      else if (round % 3 === 1) await volume.writeAt(path, { offset: 10, bytes: Buffer.from([round]) }, caller)
      if (round % 5 === 0) await turn()
    }
  }
  const collector = async (): Promise<void> => {
    while (writing) {
      clock.advance(1)
      await volumes.collect()
      await volumes.sweep()
      await turn()
    }
  }
  const collecting = collector()
  await Promise.all([0, 1, 2, 3].map(writer))
  writing = false
  await collecting
  assert.equal(reads, 1_000)
  for (const { path } of (await volume.list([])).entries) await readAll(await volume.openFile(path))
  for await (const event of volumes.fsck({ verify: true })) assert.notEqual(event.kind, 'finding', JSON.stringify(event))
})

test('a reader of a table of extents goes on with it while the file is changed under it, also by changes under way', async () => {
  const fixture = await openFixture()
  const { volume, chunks } = fixture
  let expected = Buffer.alloc(0)
  await volume.writeFile(p('f'), bodyOf(''), { caller })
  for (let at = 0; at < 12; at += 1) {
    const bytes = pattern(5_000, at)
    await volume.writeAt(p('f'), { offset: at * 6_000, bytes }, caller)
    const next = Buffer.alloc(at * 6_000 + 5_000)
    expected.copy(next)
    bytes.copy(next, at * 6_000)
    expected = next
  }
  const changed = volume.writeAt(p('f'), { offset: 100, bytes: pattern(20_000, 99) }, caller)
  const file = await volume.openFile(p('f'))
  await changed
  const before = Buffer.from(expected)
  const after = Buffer.from(expected)
  pattern(20_000, 99).copy(after, 100)
  const seen = file?.attributes.version === (await volume.stat(p('f')))?.version ? after : before
  await volume.writeAt(p('f'), { offset: 30_000, bytes: pattern(9_000, 77) }, caller)
  await volume.truncate(p('f'), 1_000, caller)
  await collectTwice(fixture)
  await collectTwice(fixture)
  assert.ok(seen.equals(await readAll(file)))
  assert.ok(after.subarray(0, 1_000).equals(await readAll(await volume.openFile(p('f')))))
  await volume.remove(p('f'), { caller })
  await collectTwice(fixture)
  await collectTwice(fixture)
  assert.equal((await chunks.usage()).chunks, 0)
})

test('a range copied from a file that becomes small in the middle is bytes it had, not a hole', async () => {
  const hooks: ChunkHooks = {}
  const clock = new ManualClock()
  const { volume } = await openFixture({ clock, chunks: hookedChunks(openMemoryChunkStore({ clock }), hooks) })
  await volume.writeFile(p('source'), bodyOf(pattern(5_000, 1)), { caller })
  await volume.writeFile(p('target'), bodyOf('inline'), { caller })
  // The target's inline bytes become a chunk first; in that moment the source becomes inline.
  hooks.afterWrite = async () => {
    await volume.writeFile(p('source'), bodyOf('now small'), { caller })
  }
  await volume.copyRange({ source: p('source'), sourceOffset: 0, target: p('target'), targetOffset: 0, length: 9 }, caller)
  assert.equal(String(await readAll(await volume.openFile(p('target')))), 'now small')
})

test('what a write by range stores in vain, because others came between, is collected', async () => {
  const hooks: ChunkHooks = {}
  const clock = new ManualClock()
  const fixture = await openFixture({ clock, chunks: hookedChunks(openMemoryChunkStore({ clock }), hooks) })
  const { volume, chunks } = fixture
  await volume.writeFile(p('f'), bodyOf('inline'), { caller })
  hooks.afterWrite = async () => {
    hooks.afterWrite = async () => {
      await volume.writeFile(p('f'), bodyOf('other'), { caller })
    }
  }
  await volume.writeAt(p('f'), { offset: 5_000, bytes: Buffer.from('far') }, caller)
  await volume.remove(p('f'), { caller })
  await collectTwice(fixture)
  await collectTwice(fixture)
  assert.equal((await chunks.usage()).chunks, 0)
})

test('the status counts the garbage only so far, however much there is', async () => {
  const { volumes, kv } = await openFixture()
  const pulled = await kv.transact((tx) => {
    for (let number = 0; number < 10_002; number += 1)
      tx.put(garbageChunkKey(1, number.toString(16).padStart(64, '0') as ChunkId), Buffer.alloc(0))
    let count = 0
    const counting = {
      ...tx,
      get: (key: Uint8Array) => tx.get(key),
      getDecoded: <T>(key: Uint8Array, decode: Decode<T>) => tx.getDecoded(key, decode),
      *range(options: RangeOptions) {
        for (const row of tx.range(options)) {
          count += 1
          yield row
        }
      },
    }
    return { ...countGarbageChunks(counting), count }
  })
  assert.deepEqual(pulled, { chunks: 10_000, hasMore: true, count: 10_001 })
  assert.deepEqual((await volumes.status()).garbage, { chunks: 10_000, hasMore: true })
  await kv.transact((tx) => {
    for (const number of [0, 1]) tx.delete(garbageChunkKey(1, number.toString(16).padStart(64, '0') as ChunkId))
  })
  assert.deepEqual((await volumes.status()).garbage, { chunks: 10_000, hasMore: false })
})
