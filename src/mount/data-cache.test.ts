import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AppendFiles } from '#platform/append-files.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { pattern } from '#volume/volume-fixture.suite.ts'
import type { OpenFile } from '#volume/volume.ts'
import { BLOCK_BYTES, DataCache } from './data-cache.ts'

function bench(t: TestContext, contents: Buffer, version = 1) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-cache-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const asked: string[] = []
  const warnings: string[] = []
  const remote = {
    isReachable: true,
    version,
    asked,
    file(): OpenFile {
      const attributes = { inode: 7 as InodeId, version: this.version, type: 'file', sizeBytes: contents.length } as Attributes
      const read = async function* ({ offset, length }: { offset: number; length: number }) {
        if (!remote.isReachable) throw new ShoalError('UNAVAILABLE', 'Nobody there')
        asked.push(`${offset / BLOCK_BYTES}+${length}`)
        for (let at = offset; at < offset + length; at += 300_000)
          yield contents.subarray(at, Math.min(at + 300_000, offset + length))
      }
      return { attributes, bytes: undefined, read: read as OpenFile['read'], close: () => undefined }
    },
  }
  const log = { warn: (message: string) => warnings.push(message) } as never
  const open = (options: { bytesMax?: number; files?: AppendFiles } = {}) =>
    new DataCache({ files: nodeAppendFiles, folder, bytesMax: 100 * BLOCK_BYTES, identity: 'docs', log, ...options })
  const blocks = () =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  return { open, remote, warnings, blocks }
}

async function read(file: OpenFile, offset: number, length: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of file.read({ offset, length })) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

test('what was read is read again from the disk, also by the next process and without the cluster', async (t) => {
  const contents = pattern(3 * BLOCK_BYTES + 77)
  const { open, remote } = bench(t, contents)
  const first = open().open(remote.file())
  assert.ok((await read(first, 0, contents.length)).equals(contents))
  assert.deepEqual(remote.asked, [`0+${BLOCK_BYTES}`, `1+${BLOCK_BYTES}`, `2+${BLOCK_BYTES}`, '3+77'])
  remote.isReachable = false
  const next = open().open(remote.file())
  for (const [offset, length] of [
    [0, 10],
    [BLOCK_BYTES - 5, 10],
    [2 * BLOCK_BYTES - 1, BLOCK_BYTES + 50],
    [contents.length - 3, 100],
  ] as const)
    assert.ok((await read(next, offset, length)).equals(contents.subarray(offset, offset + length)), `${offset}`)
  remote.version = 2
  await assert.rejects(read(open().open(remote.file()), 0, 10), { code: 'UNAVAILABLE' })
})

test('a damaged block is dropped and fetched again', async (t) => {
  const contents = pattern(5000)
  const { open, remote, warnings, blocks } = bench(t, contents)
  await read(open().open(remote.file()), 0, 5000)
  const [path = ''] = blocks()
  const bytes = readFileSync(path)
  bytes[2500] = (bytes[2500] as number) ^ 1
  writeFileSync(path, bytes)
  assert.ok((await read(open().open(remote.file()), 0, 5000)).equals(contents))
  assert.match(warnings.join(), /damaged/)
  assert.equal(remote.asked.length, 2)
  assert.ok((await read(open().open(remote.file()), 0, 5000)).equals(contents))
  assert.equal(remote.asked.length, 2)
})

test('the least recently used blocks go when the bound is reached', async (t) => {
  const contents = pattern(6 * BLOCK_BYTES)
  const { open, remote } = bench(t, contents)
  const file = open({ bytesMax: 3 * BLOCK_BYTES }).open(remote.file())
  for (const index of [0, 2, 4]) await read(file, index * BLOCK_BYTES, 10)
  const cache = open({ bytesMax: 3 * BLOCK_BYTES })
  assert.equal(cache.sizeBytes, 3 * BLOCK_BYTES)
  const again = cache.open(remote.file())
  await read(again, 0, 10)
  await read(again, 5 * BLOCK_BYTES, 10)
  assert.equal(cache.sizeBytes, 3 * BLOCK_BYTES)
  remote.isReachable = false
  const last = open().open(remote.file())
  assert.equal((await read(last, 0, 10)).length, 10)
  assert.equal((await read(last, 5 * BLOCK_BYTES, 10)).length, 10)
})

test('a file that is read in its order is read ahead, further each time, and one that is read here and there is not', async (t) => {
  const contents = pattern(30 * BLOCK_BYTES)
  const { open, remote } = bench(t, contents)
  const file = open().open(remote.file())
  for (const index of [20, 3, 11]) await read(file, index * BLOCK_BYTES + 5, 100)
  assert.equal(remote.asked.length, 3)
  const other = bench(t, contents)
  const inOrder = other.open().open(other.remote.file())
  for (let at = 0; at < 4 * BLOCK_BYTES; at += 128 * 1024) await read(inOrder, at, 128 * 1024)
  const ahead = other.remote.asked.length
  assert.ok(ahead > 5 && ahead <= 13, String(ahead))
  assert.equal(new Set(other.remote.asked).size, ahead, 'Nothing is fetched twice')
})

test('a full disk costs speed and nothing else', async (t) => {
  const contents = pattern(2 * BLOCK_BYTES)
  const { open, remote, warnings } = bench(t, contents)
  const full: AppendFiles = {
    ...nodeAppendFiles,
    open: () => {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    },
  }
  const file = open({ files: full }).open(remote.file())
  assert.ok((await read(file, 0, contents.length)).equals(contents))
  assert.ok((await read(file, 0, contents.length)).equals(contents))
  assert.equal(warnings.length, 1)
})
