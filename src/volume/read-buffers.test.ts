import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { Digests } from '#platform/digests.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { READ_BUFFER_BYTES } from './content-reader.ts'
import { ReadBuffers } from './read-buffers.ts'
import { caller, openFixture } from './volume-fixture.suite.ts'

test('what came back is lent again, up to a number, and dropped when nobody reads for a while', () => {
  const buffers = new ReadBuffers(nodeDigests, { sizeBytes: 10, keptMax: 2 })
  const first = [buffers.take(), buffers.take(), buffers.take()]
  assert.equal(new Set(first).size, 3)
  for (const each of first) buffers.giveBack(each)
  const again = [buffers.take(), buffers.take(), buffers.take()]
  assert.equal(first.filter((each) => again.includes(each)).length, 2)
  for (const each of again) buffers.giveBack(each)
  buffers.trim()
  const kept = buffers.take()
  assert.ok(again.includes(kept))
  buffers.giveBack(kept)
  buffers.trim()
  buffers.trim()
  assert.ok(!again.includes(buffers.take()))
})

test('whoever reads a long range in one piece, and asks whether there is more, leaves its memory to the next one', async () => {
  let made = 0
  const allocate = (bytes: number): Buffer => {
    made += 1
    return Buffer.alloc(bytes)
  }
  const readBuffers = new ReadBuffers({ allocate } as Digests, { sizeBytes: READ_BUFFER_BYTES, keptMax: 2 })
  const { volume } = await openFixture({ readBuffers })
  const bytes = randomBytes(1024 * 1024)
  await volume.writeFile(['f'], bytes, { caller })
  for (let round = 0; round < 5; round += 1) {
    const file = await volume.openFile(['f'])
    for await (const piece of file?.read({ offset: 0, length: bytes.length }) ?? []) assert.ok(piece.equals(bytes))
    file?.close()
  }
  assert.equal(made, 1)
})
