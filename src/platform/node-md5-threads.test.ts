import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { nodeDigests } from './node-digests.ts'
import { Md5Threads } from './node-md5-threads.ts'

const md5 = (...pieces: Buffer[]): string => createHash('md5').update(Buffer.concat(pieces)).digest('hex')

function filled(sizeBytes: number, byte: number): Buffer {
  return nodeDigests.allocate(sizeBytes).fill(byte)
}

test('streams at the same time have the digests of their own pieces, in the order of the calls', async () => {
  const streams = Array.from({ length: 9 }, (_, index) => {
    const pieces = [filled(300_000, index), filled(7, 100 + index), Buffer.from('not shared')]
    const digest = nodeDigests.md5()
    const updates = pieces.map((piece) => digest.update(piece))
    return { pieces, digest, updates }
  })
  for (const { pieces, digest, updates } of streams) {
    await Promise.all(updates)
    assert.equal((await digest.digest()).toString('hex'), md5(...pieces))
  }
})

test('nothing has the digest of nothing, and a stream that is given up harms no other', async () => {
  const given = nodeDigests.md5()
  void given.update(filled(1_000_000, 1))
  given.drop()
  given.drop()
  assert.equal((await nodeDigests.md5().digest()).toString('hex'), md5())
})

test('a thread that ends for want of streams is given none: one that begins while it does goes to another one', async () => {
  const threads = new Md5Threads({ idleMs: 20 })
  assert.equal((await threads.open().digest()).toString('hex'), md5())
  const next = new Promise<Buffer>((resolve, reject) => {
    setTimeout(() => void threads.open().digest().then(resolve, reject), 25)
  })
  for (const endMs = performance.now() + 60; performance.now() < endMs;);
  assert.equal((await next).toString('hex'), md5())
})
