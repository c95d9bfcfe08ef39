import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkId } from '#foundation/ids.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { INDEX_ENTRY_BYTES, PackIndex } from './pack-index.ts'
import type { PackedChunk } from './pack-index.ts'

function randomId(random: SeededRandom, firstByte?: number): ChunkId {
  const bytes = random.bytes(32)
  if (firstByte !== undefined) bytes[0] = firstByte
  // Few hashes for many ids: long runs of occupied slots, which wrap around the end of the table.
  if (random.chance(0.5)) bytes.fill(0xff, 4, 7)
  return bytes.toString('hex') as ChunkId
}

test('it holds what a Map would hold, whatever is added and removed', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = new SeededRandom(seed)
    const index = new PackIndex()
    const model = new Map<ChunkId, PackedChunk>()
    const ids = Array.from({ length: 400 }, () => randomId(random, random.below(3)))
    for (let step = 0; step < 6_000; step += 1) {
      const id = ids[random.below(ids.length)] as ChunkId
      if (random.chance(step % 2_000 < 1_000 ? 0.7 : 0.3)) {
        const chunk = {
          pack: 1 + random.below(0xffff_ffff),
          offset: random.below(2 ** 32),
          lengthBytes: 1 + random.below(262_144),
          touchedAtMs: random.below(2 ** 41),
        }
        index.set(id, chunk)
        model.set(id, chunk)
      } else {
        assert.equal(index.delete(id), model.delete(id))
      }
      assert.equal(index.size, model.size)
      const asked = ids[random.below(ids.length)] as ChunkId
      assert.deepEqual(index.find(asked), model.get(asked))
    }
    for (const id of ids) assert.deepEqual(index.find(id), model.get(id))
    const listed = [0, 1, 2, 3].flatMap((firstByte) => index.idsIn(firstByte))
    assert.deepEqual(listed, [...model.keys()].toSorted())
    assert.equal(index.exportEntries(1).length, index.idsIn(1).length * INDEX_ENTRY_BYTES)
    index.clear()
    assert.equal(index.size, 0)
  }
})

test('a chunk costs at most 80 bytes of memory, and what was removed is given back', () => {
  const random = new SeededRandom(5)
  const index = new PackIndex()
  const ids: ChunkId[] = []
  for (let count = 1; count <= 100_000; count += 1) {
    const id = random.bytes(32).toString('hex') as ChunkId
    ids.push(id)
    index.set(id, { pack: 1, offset: 32, lengthBytes: 1, touchedAtMs: 0 })
    if (count >= 30_000 && count % 10_000 === 0)
      assert.ok(index.reservedBytes / count <= 80, `${index.reservedBytes / count} at ${count}`)
  }
  for (const id of ids) index.delete(id)
  assert.ok(index.reservedBytes < 256 * 48 * 16)
})
