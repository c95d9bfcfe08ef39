import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { NodeDigests } from './node-digests.ts'

test('digests are right for any size and any part of a buffer, many at once', async () => {
  const digests = new NodeDigests()
  const sizes = [1, 64 * 1024, 64 * 1024 + 1, 3_000_000, 1_000_000, 200_000]
  await Promise.all(
    [...sizes, ...sizes, ...sizes].map(async (size) => {
      const buffer = digests.allocate(size + 10)
      randomBytes(size + 10).copy(buffer)
      const part = buffer.subarray(5, 5 + size)
      assert.deepEqual(await digests.sha256(part), createHash('sha256').update(part).digest())
    }),
  )
})

test('memory that is not shared is read as well', async () => {
  const bytes = randomBytes(300_000)
  assert.deepEqual(await new NodeDigests().sha256(bytes), createHash('sha256').update(bytes).digest())
})
