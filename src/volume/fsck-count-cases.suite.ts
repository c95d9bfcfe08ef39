import assert from 'node:assert/strict'
import type { ChunkId } from '#foundation/ids.ts'
import { decodeCounters, encodeCounters } from '#metadata/counters.ts'
import * as keys from '#metadata/keys.ts'
import { decodeReference, encodeReference } from '#metadata/references.ts'
import { type FsckCase, chunkOf, EMPTY } from './fsck-case.suite.ts'
import { readAll } from './volume-fixture.suite.ts'

/** Damage to what is derived: references, counters, the change feed. */
export const COUNT_CASES: readonly FsckCase[] = [
  // References
  {
    name: 'a reference that counts too many',
    finds: ['reference-count-wrong'],
    damage: async (d) => d.put(keys.referenceKey(await chunkOf(d, 'a/one')), encodeReference({ count: 9, zeroAtMs: 0 })),
    after: async (d) => assert.equal(decodeReference((await d.get(keys.referenceKey(await chunkOf(d, 'a/one'))))!).count, 1),
  },
  {
    name: 'a reference that is lost',
    finds: ['reference-count-wrong'],
    damage: async (d) => d.delete(keys.referenceKey(await chunkOf(d, 'a/two'))),
  },
  {
    name: 'a used chunk that counts as unused',
    finds: ['reference-count-wrong'],
    async damage(d) {
      const chunk = await chunkOf(d, 'a/one')
      await d.put(keys.referenceKey(chunk), encodeReference({ count: 0, zeroAtMs: 5 }))
      await d.put(keys.garbageChunkKey(5, chunk), EMPTY)
    },
    async after(d) {
      d.fixture.clock.advance(10_000)
      await d.fixture.volumes.collect()
      assert.equal((await readAll(await d.fixture.volume.openFile(['a', 'one']))).length, 300_000)
    },
  },
  {
    name: 'an unused chunk that counts as used',
    finds: ['reference-count-wrong'],
    damage: (d) => d.put(keys.referenceKey('ab'.repeat(32) as ChunkId), encodeReference({ count: 3, zeroAtMs: 0 })),
  },
  {
    name: 'a reference whose value is garbage',
    finds: ['reference-count-wrong'],
    damage: async (d) => d.put(keys.referenceKey(await chunkOf(d, 'a/one')), Buffer.from('x')),
  },
  {
    name: 'an unused chunk that is not on the garbage list',
    finds: ['garbage-chunk-missing'],
    damage: (d) => d.put(keys.referenceKey('ab'.repeat(32) as ChunkId), encodeReference({ count: 0, zeroAtMs: 3 })),
  },
  {
    name: 'a used chunk on the garbage list',
    finds: ['garbage-chunk-stray'],
    damage: async (d) => d.put(keys.garbageChunkKey(3, await chunkOf(d, 'a/one')), EMPTY),
  },
  {
    name: 'an extent that is cut short',
    finds: ['extent-unreadable', 'reference-count-wrong'],
    async damage(d) {
      const { content } = (await d.locate('a/table')).record
      await d.put(keys.extentKey(d.prefix, content, 1024 * 1024), Buffer.from('short'))
    },
    after: async (d) =>
      assert.deepEqual(
        (await readAll(await d.fixture.volume.openFile(['a', 'table']))).subarray(1024 * 1024, 2 * 1024 * 1024),
        Buffer.alloc(1024 * 1024),
      ),
  },
  // Counters
  {
    name: 'usage that is counted wrong',
    finds: ['counters-wrong'],
    async damage(d) {
      const counters = decodeCounters(await d.get(keys.countersKey(d.prefix)))
      await d.put(keys.countersKey(d.prefix), encodeCounters({ ...counters, files: 3, bytes: 0 }))
    },
  },
  {
    name: 'counters that are lost',
    finds: ['counters-wrong', 'next-id-low'],
    damage: (d) => d.delete(keys.countersKey(d.prefix)),
  },
  {
    name: 'a number that would be given again',
    finds: ['next-id-low'],
    async damage(d) {
      const counters = decodeCounters(await d.get(keys.countersKey(d.prefix)))
      await d.put(keys.countersKey(d.prefix), encodeCounters({ ...counters, nextId: counters.nextId - 3 }))
    },
  },
  {
    name: 'a number that only a record names',
    finds: ['next-id-low'],
    damage: (d) => d.change('a/one', { content: 5_000 }),
  },
  // The change feed
  {
    name: 'a counter of changes that would give a number again',
    finds: ['change-counter-low'],
    damage: (d) => d.put(keys.CHANGE_COUNTER_KEY, keys.contentBytes(2)),
  },
  {
    name: 'changes that are missing',
    finds: ['change-rows-missing'],
    damage: (d) => d.delete(keys.changeKey(5)),
  },
  {
    name: 'a change that can not be read',
    finds: ['change-row-unreadable'],
    damage: (d) => d.put(keys.changeKey(5), Buffer.from('{')),
  },
]
