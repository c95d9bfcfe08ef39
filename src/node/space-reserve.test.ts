import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore, Transaction } from '#kv/store.ts'
import { silentLog } from '#observe/log.ts'
import { storageError } from '#platform/files.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { SpaceReserve } from './space-reserve.ts'

const MIB = 1024 * 1024
const RESERVE = '/reserve'
/** What each transaction of the store below takes of the medium. */
const TRANSACTION_BYTES = 4096

/** A disk of 64 MiB with a reserve of 4 and as much for metadata, and a store on it that needs room for every transaction. */
async function makeDisk() {
  const files = new MemoryFiles({ capacityBytes: 64 * MIB })
  const clock = new ManualClock()
  const random = new SeededRandom(1)
  const inner = openMemoryStore()
  const log = await files.open('/keys', 'create')
  let at = 0
  const keys: KeyValueStore = {
    get: (key) => inner.get(key),
    read: (fn) => inner.read(fn),
    openSnapshot: () => inner.openSnapshot(),
    range: (options) => inner.range(options),
    close: () => inner.close(),
    async transact(fn, options) {
      try {
        await log.write([Buffer.alloc(TRANSACTION_BYTES)], at)
      } catch (error) {
        throw storageError(error, 'commit')
      }
      at += TRANSACTION_BYTES
      return inner.transact(fn, options)
    },
  }
  const open = () => SpaceReserve.open(RESERVE, { files, clock, random, log: silentLog })
  const reserve = await open()
  return {
    files,
    clock,
    reserve,
    open,
    keys: reserve.guardKeys(keys),
    chunks: reserve.guardChunks(openMemoryChunkStore({ clock })),
  }
}

async function fill(files: MemoryFiles): Promise<void> {
  const hog = await files.open('/hog', 'create')
  const { freeBytes } = await files.space()
  await hog.write([Buffer.alloc(freeBytes)], 0)
  await hog.close()
}

const sizeOf = async (files: MemoryFiles): Promise<number | undefined> => (await files.facts(RESERVE))?.sizeBytes
const put = (transaction: Transaction): void => transaction.put(Buffer.from('a'), Buffer.from('1'))
const remove = (transaction: Transaction): void => transaction.delete(Buffer.from('a'))
const isFull = (error: unknown): boolean => isShoalError(error, 'NO_SPACE')

test('a sixteenth of a small disk is kept back, and a start finds it in place', async () => {
  const { files, open } = await makeDisk()
  assert.equal(await sizeOf(files), 4 * MIB)
  const changed = (await files.facts(RESERVE))?.modifiedMs
  await open()
  assert.equal(await sizeOf(files), 4 * MIB)
  assert.equal((await files.facts(RESERVE))?.modifiedMs, changed)
})

test('what takes room is refused before the disk is full, and what makes room is not', async () => {
  const { files, keys, chunks } = await makeDisk()
  const chunk = Buffer.alloc(MIB)
  const id = createHash('sha256').update(chunk).digest('hex') as ChunkId
  const hog = await files.open('/hog', 'create')
  await hog.write([Buffer.alloc(60 * MIB - 8 * MIB - MIB - MIB / 2)], 0)
  await chunks.write(id, chunk)
  await hog.write([Buffer.alloc(MIB)], 60 * MIB - 8 * MIB - MIB - MIB / 2)
  await assert.rejects(chunks.write(id, chunk), isFull)
  await keys.transact(put)
  await hog.write([Buffer.alloc(4 * MIB)], 60 * MIB - 8 * MIB - MIB / 2)
  await keys.transact(put)
  await hog.write([Buffer.alloc(MIB / 2)], 60 * MIB - 4 * MIB - MIB / 2)
  await assert.rejects(keys.transact(put), isFull)
  await keys.transact(remove, { frees: true })
  assert.equal(await sizeOf(files), 4 * MIB)
  await hog.truncate(MIB)
  await Promise.all([keys.transact(put), chunks.write(id, chunk)])
})

test('what many write at once counts before it is written', async () => {
  const { files, chunks } = await makeDisk()
  const chunk = Buffer.alloc(8 * MIB)
  const id = createHash('sha256').update(chunk).digest('hex') as ChunkId
  const writes = await Promise.allSettled(Array.from({ length: 20 }, () => chunks.write(id, chunk)))
  assert.equal(writes.filter(({ status }) => status === 'fulfilled').length, Math.floor((60 - 8) / 8))
  assert.equal((await files.space()).freeBytes, 60 * MIB, 'the chunks are not on this disk')
})

test('on a disk that others have filled what makes room goes on, and nothing else until there is room again', async () => {
  const { files, reserve, clock, keys, chunks } = await makeDisk()
  const bytes = Buffer.from('chunk')
  const id = createHash('sha256').update(bytes).digest('hex') as ChunkId
  await keys.transact(put)
  assert.ok((await reserve.roomBytes()) > 50 * MIB)
  await fill(files)
  await assert.rejects(keys.transact(put), isFull)
  assert.ok((await reserve.roomBytes()) < 0)
  assert.equal(await sizeOf(files), 4 * MIB, 'a write that takes room has taken the reserve')

  await Promise.all([1, 2, 3].map(() => keys.transact(remove, { frees: true })))
  assert.equal(await keys.get(Buffer.from('a')), undefined)
  assert.equal(await sizeOf(files), 0)
  await assert.rejects(keys.transact(put), isFull)
  await assert.rejects(chunks.write(id, bytes), isFull)
  await keys.transact(remove, { frees: true })
  assert.ok((await reserve.roomBytes()) < 0)

  await files.remove('/hog')
  clock.advance(1_000)
  assert.ok((await reserve.roomBytes()) > 50 * MIB)
  await Promise.all([keys.transact(put), chunks.write(id, bytes)])
  assert.equal(await sizeOf(files), 4 * MIB)
})

test('a start on a full disk goes without the reserve, and takes writes when there is room', async () => {
  const { files, clock, open } = await makeDisk()
  await files.remove(RESERVE)
  await fill(files)
  const reserve = await open()
  const keys = reserve.guardKeys(openMemoryStore())
  await assert.rejects(keys.transact(put), isFull)
  await keys.transact(remove, { frees: true })
  await files.remove('/hog')
  await assert.rejects(keys.transact(put), isFull, 'it looks again too often')
  clock.advance(1_000)
  await keys.transact(put)
  assert.equal(await sizeOf(files), 4 * MIB)
})
