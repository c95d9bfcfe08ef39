import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { MemoryDisk, openMemoryStore } from '#kv/memory.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { FetchedChunks } from './fetched-chunks.ts'

const BYTES = 1_000

/** A node whose store has room for three chunks that were only read. */
function node() {
  const clock = new ManualClock()
  const disk = new MemoryDisk()
  const chunks = openMemoryChunkStore({ clock })
  const needed = new Set<ChunkId>()
  const pinned = new Set<ChunkId>()
  const open = async () => {
    const fetched = new FetchedChunks({
      store: openMemoryStore({ disk }),
      chunks,
      maxBytes: 3 * BYTES,
      isDispensable: async (id) => !needed.has(id),
      isPinned: (id) => pinned.has(id),
      clock,
      log: silentLog,
    })
    await fetched.open()
    return fetched
  }
  const ids: ChunkId[] = []
  const write = async (at: number): Promise<ChunkId> => {
    const bytes = Buffer.alloc(BYTES, at)
    const id = createHash('sha256').update(bytes).digest('hex') as ChunkId
    await chunks.write(id, bytes)
    ids[at] = id
    return id
  }
  const fetch = async (fetched: FetchedChunks, at: number) => {
    await fetched.note(await write(at), { className: 'default', bytes: BYTES })
    clock.advance(10)
    for (let turn = 0; turn < 20; turn += 1) await setImmediate()
  }
  const left = async () => {
    const there = await Promise.all(ids.map(async (id) => (await chunks.locate(id)) !== undefined))
    return there.flatMap((isThere, at) => (isThere ? [at] : []))
  }
  return { open, fetch, write, left, ids, needed, pinned }
}

test('of chunks that were only read here those go that were not read for the longest time, also after a restart', async () => {
  const { open, fetch, left, ids } = node()
  const fetched = await open()
  for (const at of [0, 1, 2]) await fetch(fetched, at)
  fetched.touch(ids[0] as ChunkId)
  await fetch(fetched, 3)
  assert.deepEqual(await left(), [0, 2, 3])
  await fetched.stop()
  const again = await open()
  assert.equal(again.bytes, 3 * BYTES)
  await fetch(again, 4)
  assert.equal((await left()).length, 3)
})

test('what is needed here, is being written, or was written since for another reason stays', async () => {
  const { open, fetch, write, left, ids, needed, pinned } = node()
  const fetched = await open()
  for (const at of [0, 1, 2]) await fetch(fetched, at)
  needed.add(ids[0] as ChunkId)
  pinned.add(ids[1] as ChunkId)
  await write(2)
  await fetch(fetched, 3)
  assert.deepEqual(await left(), [0, 1, 2, 3])
  // The third is not one of those any more.
  assert.equal(fetched.bytes, 3 * BYTES)
  await fetched.keep(ids[0] as ChunkId)
  assert.equal(fetched.bytes, 2 * BYTES)
})
