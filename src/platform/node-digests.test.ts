import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { blockChecksums } from './block-checksums.ts'
import { nodeDigests } from './node-digests.ts'

test('digests are right for any size and any part of a buffer, many at once', async () => {
  const digests = nodeDigests
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
  assert.deepEqual(await nodeDigests.sha256(bytes), createHash('sha256').update(bytes).digest())
})

test('checksums of blocks are the same beside the event loop as on it', async () => {
  for (const size of [1, 65_536, 600_000, 3_000_001]) {
    const buffer = nodeDigests.allocate(size)
    randomBytes(size).copy(buffer)
    for (const kind of ['crc32', 'crc32c'] as const)
      assert.deepEqual(await nodeDigests.blockChecksums(buffer, 65_536, kind), blockChecksums(buffer, 65_536, kind))
  }
  // From RFC 3720, appendix B.4: 32 bytes of zeros.
  assert.equal((await nodeDigests.blockChecksums(Buffer.alloc(32), 65_536, 'crc32c')).readUInt32LE(), 0x8a9136aa)
  assert.equal((await nodeDigests.blockChecksums(Buffer.from('123456789'), 65_536, 'crc32')).readUInt32LE(), 0xcbf43926)
})

test('the digest and the checksums of one reading are those of two', async () => {
  for (const size of [1, 65_536, 65_537, 262_144, 600_000, 3_000_001]) {
    const buffer = nodeDigests.allocate(size)
    randomBytes(size).copy(buffer)
    for (const kind of ['crc32', 'crc32c'] as const) {
      const { sha256, checksums } = await nodeDigests.sha256AndChecksums(buffer, 65_536, kind)
      assert.deepEqual(sha256, createHash('sha256').update(buffer).digest())
      assert.deepEqual(checksums, blockChecksums(buffer, 65_536, kind))
    }
  }
})

test('what a thread answers brings no more memory along than its bytes', async () => {
  const buffer = nodeDigests.allocate(3_000_000)
  for (const digest of [await nodeDigests.blockChecksums(buffer, 65_536, 'crc32'), await nodeDigests.sha256(buffer)])
    assert.equal(digest.buffer.byteLength, digest.length)
})
