import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { openDiskChunkStore } from '#chunk/disk.ts'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { ShoalError } from '#foundation/errors.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { bodyOf, caller, ManualClock, openFixture, p, pattern } from './volume-fixture.suite.ts'

const MiB = 1024 * 1024
const CHUNK_BYTES = 5 * MiB

test('readers side by side, some of which stop in the middle, each see their own bytes although buffers are used again', async () => {
  const clock = new ManualClock()
  const chunks = await openDiskChunkStore({
    path: '/c',
    files: new MemoryFiles(),
    digests: nodeDigests,
    clock,
    random: nodeRandom,
  })
  const { volumes } = await openFixture({ clock, chunks })
  await volumes.create('media', { chunkSizeBytes: CHUNK_BYTES }, caller)
  const volume = await volumes.open('media')
  const contents = [1, 2, 3].map((seed) => pattern(14 * MiB + seed, seed))
  for (const [index, bytes] of contents.entries()) await volume.writeFile(p(`f${index}`), bodyOf(bytes), { caller })
  const read = async (index: number, stopAfter: number): Promise<void> => {
    const file = await volume.openFile(p(`f${index}`))
    const bytes = contents[index] as Buffer
    let at = 100 + index
    for await (const piece of file?.read({ offset: at, length: bytes.length }) ?? []) {
      // Others read on meanwhile: the piece must stay what it is until the next is asked for.
      await new Promise((resolve) => setTimeout(resolve, 1))
      assert.ok(piece.equals(bytes.subarray(at, at + piece.length)), `file ${index} at ${at}`)
      at += piece.length
      if (at > stopAfter) break
    }
    assert.ok(at > stopAfter || at === bytes.length)
    file?.close()
  }
  for (const stopAfter of [Number.POSITIVE_INFINITY, 5 * MiB]) {
    await Promise.all([read(0, Number.POSITIVE_INFINITY), read(1, stopAfter), read(2, stopAfter), read(1, 0)])
  }
  await chunks.close()
})

test('what fails ahead of the reader is told when its turn comes, and ends nothing before', async () => {
  const clock = new ManualClock()
  const whole = openMemoryChunkStore({ clock })
  const slow = Promise.withResolvers<void>()
  let reads = 0
  const read: ChunkStore['read'] = async (...given) => {
    reads += 1
    if (reads > 1) throw new ShoalError('UNAVAILABLE', 'No node can give the chunk')
    await slow.promise
    return whole.read(...given)
  }
  const chunks = new Proxy(whole, {
    get: (store, name) => (name === 'read' ? read : (Reflect.get(store, name) as (...given: unknown[]) => unknown).bind(store)),
  })
  const { volumes } = await openFixture({ clock, chunks })
  await volumes.create('media', { chunkSizeBytes: MiB }, caller)
  const volume = await volumes.open('media')
  const bytes = pattern(3 * MiB)
  await volume.writeFile(p('f'), bodyOf(bytes), { caller })
  const file = await volume.openFile(p('f'))
  const pieces = file?.read({ offset: 0, length: bytes.length })[Symbol.asyncIterator]()
  const first = pieces?.next()
  // A failure that nobody has noticed by now would end the process.
  for (let turns = 0; turns < 5; turns += 1) await setImmediate()
  assert.ok(reads > 1)
  slow.resolve()
  assert.deepEqual((await first)?.value, bytes.subarray(0, MiB))
  await assert.rejects(async () => pieces?.next(), { code: 'UNAVAILABLE' })
  file?.close()
})
