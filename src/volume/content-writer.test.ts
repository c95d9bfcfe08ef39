import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { BodyStream } from './volume.ts'
import { bodyOf, caller, ManualClock, openFixture, p, pattern } from './volume-fixture.suite.ts'

const CHUNK_BYTES = 1024 * 1024

test('a part is told with its SHA-256, and one that differs from what was announced is refused, whether it is one chunk or several', async () => {
  const { volumes } = await openFixture({ clock: new ManualClock() })
  await volumes.create('media', { chunkSizeBytes: CHUNK_BYTES }, caller)
  const volume = await volumes.open('media')
  const { id } = await volume.beginUpload(p('film'), { caller })
  for (const [index, length] of [CHUNK_BYTES, 300_000, CHUNK_BYTES + 1, 1].entries()) {
    const bytes = pattern(length, index)
    const sha256 = createHash('sha256').update(bytes).digest()
    const part = { number: index + 1, caller }
    for (const expected of [{ sizeBytes: length }, { sizeBytes: length, sha256 }, {}]) {
      const stored = await volume.writePart(id, { ...part, body: bodyOf(bytes), expected })
      assert.deepEqual([stored.sizeBytes, stored.sha256], [length, sha256])
    }
    const wrong = { sizeBytes: length, sha256: Buffer.alloc(32, 1) }
    await assert.rejects(volume.writePart(id, { ...part, body: bodyOf(bytes), expected: wrong }), { code: 'DIGEST_MISMATCH' })
  }
})

function filling(bytes: Buffer): BodyStream {
  let at = 0
  return {
    async fill(target) {
      const length = bytes.copy(target, 0, at)
      at += length
      return length
    },
    async *[Symbol.asyncIterator]() {
      yield bytes.subarray(at)
    },
  }
}

test('a part whose body puts itself where the chunks are made is what it is piece by piece', async () => {
  const { volumes } = await openFixture({ clock: new ManualClock() })
  await volumes.create('media', { chunkSizeBytes: CHUNK_BYTES }, caller)
  const volume = await volumes.open('media')
  const { id } = await volume.beginUpload(p('film'), { caller })
  // Below and above what is gathered, one chunk, several, and a step over a chunk.
  for (const [index, length] of [1, 256 * 1024, 300_000, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3_500_000].entries()) {
    const bytes = pattern(length, index)
    const sha256 = createHash('sha256').update(bytes).digest()
    const part = { number: 1, caller }
    const stored = await volume.writePart(id, { ...part, body: filling(bytes), expected: { sizeBytes: length } })
    assert.deepEqual([stored.sizeBytes, stored.sha256], [length, sha256])
    const wrong = { sizeBytes: length, sha256: Buffer.alloc(32, 1) }
    await assert.rejects(volume.writePart(id, { ...part, body: filling(bytes), expected: wrong }), { code: 'DIGEST_MISMATCH' })
    for (const sizeBytes of [length + 1, length - 1].filter((size) => size > 0)) {
      const code = sizeBytes > length ? 'INCOMPLETE_BODY' : 'INVALID_ARGUMENT'
      await assert.rejects(volume.writePart(id, { ...part, body: filling(bytes), expected: { sizeBytes } }), { code })
    }
  }
})
