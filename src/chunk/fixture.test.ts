import assert from 'node:assert/strict'
import { crc32c } from '@node-rs/crc32'
import { cp, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { nodeDigests } from '#platform/node-digests.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { openDiskChunkStore } from './disk.ts'
import { idOf } from './store.suite.ts'

// A store that an earlier commit wrote, with the first code of this format: it must stay readable as long as there is format 1.
const FIXTURE = join(import.meta.dirname, '../../test/fixtures/chunks/v1')

function text(line: string, length: number): Buffer {
  return Buffer.from(line.repeat(Math.ceil(length / line.length)).slice(0, length), 'latin1')
}

const STORED = [
  text('a', 1),
  text('small chunk\n', 1_000),
  text('three blocks\n', 150_000),
  text('a chunk in a file of its own\n', 307_200),
  text('after the tombstone\n', 321),
]
const FORGOTTEN = text('forgotten\n', 500)

for (const withIndex of [true, false]) {
  test(`a store written by an earlier version is read, changed and read again (${withIndex ? 'with' : 'without'} its index)`, async () => {
    const path = await mkdtemp(join(tmpdir(), 'shoal-fixture-'))
    try {
      await cp(FIXTURE, path, { recursive: true })
      if (!withIndex) await rm(join(path, 'packs.index'))
      for (const round of [1, 2]) {
        const store = await openStore(path, round)
        for (const bytes of STORED) {
          assert.ok((await store.read(idOf(bytes))).equals(bytes))
          assert.equal(await store.verify(idOf(bytes)), 'intact')
        }
        if (round === 1) {
          assert.equal(await store.locate(idOf(FORGOTTEN)), undefined)
          await store.write(idOf(FORGOTTEN), FORGOTTEN)
        }
        assert.equal((await store.usage()).chunks, STORED.length + 1)
        assert.equal(await store.verify(idOf(FORGOTTEN)), 'intact')
        await store.close()
      }
    } finally {
      await rm(path, { recursive: true })
    }
  })
}

/** A reader written from docs/formats/chunks.md alone. */
async function readByTheBook(path: string): Promise<Map<string, Buffer>> {
  const chunks = new Map<string, Buffer>()
  const places = new Map<string, string>()
  const checkBlocks = (payload: Buffer, table: Buffer, checksum: (bytes: Buffer) => number = crc32c): void => {
    for (let block = 0; block * 65_536 < payload.length; block += 1) {
      assert.equal(checksum(payload.subarray(block * 65_536, (block + 1) * 65_536)), table.readUInt32LE(block * 4))
    }
  }
  for (const name of (await readdir(join(path, 'packs'))).toSorted()) {
    const pack = await readFile(join(path, 'packs', name))
    const number = pack.readUInt32LE(12)
    assert.equal(pack.toString('latin1', 0, 8), 'SHOALPAK')
    assert.equal(crc32c(pack.subarray(0, 28)), pack.readUInt32LE(28))
    for (let at = 32; at < pack.length;) {
      const length = pack.readUInt32LE(at + 8)
      const start = at + 64 + 4 * Math.ceil(length / 65_536)
      const head = Buffer.from(pack.subarray(at, start))
      head.writeUInt32LE(at, 12)
      assert.equal(crc32c(head), pack.readUInt32LE(at + 12))
      assert.ok(head.subarray(16, 24).equals(pack.subarray(16, 24)) && head.toString('latin1', 0, 4) === 'SHRC')
      const id = head.toString('hex', 32, 64)
      if (places.get(id) === `${head.readUInt32LE(24)}:${head.readUInt32LE(28)}`) chunks.delete(id)
      if (head.readUInt32LE(4) === 1) {
        checkBlocks(pack.subarray(start, start + length), head.subarray(64))
        chunks.set(id, pack.subarray(start, start + length))
        places.set(id, `${number}:${at}`)
      }
      at = Math.ceil((start + length) / 8) * 8
    }
  }
  for (const name of await readdir(join(path, 'chunks'), { recursive: true })) {
    const id = name.split('/')[2]
    if (id === undefined) continue
    const file = await readFile(join(path, 'chunks', name))
    const footer = file.subarray(file.length - 64)
    const length = footer.readUInt32LE(12)
    assert.ok(footer.toString('latin1', 0, 8) === 'SHOALCHK' && footer.toString('hex', 16, 48) === id)
    assert.equal(crc32c(file.subarray(length, file.length - 4)), footer.readUInt32LE(60))
    checkBlocks(file.subarray(0, length), file.subarray(length), footer.readUInt32LE(8) === 1 ? crc32c : crc32)
    chunks.set(id, file.subarray(0, length))
  }
  return chunks
}

async function openStore(path: string, seed: number) {
  return openDiskChunkStore({
    path,
    files: nodeFiles,
    digests: nodeDigests,
    clock: new ManualClock(),
    random: new SeededRandom(seed),
  })
}

test('a reader written from the format document alone finds the same chunks, of this version and of the one before', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'shoal-fixture-'))
  t.after(() => rm(path, { recursive: true }))
  const store = await openStore(path, 1)
  for (const bytes of STORED) await store.write(idOf(bytes), bytes)
  await store.close()
  for (const folder of [FIXTURE, path]) {
    const chunks = await readByTheBook(folder)
    assert.deepEqual([...chunks.keys()].toSorted(), STORED.map((bytes) => String(idOf(bytes))).toSorted())
    for (const [id, bytes] of chunks) assert.equal(idOf(bytes), id)
  }
})
