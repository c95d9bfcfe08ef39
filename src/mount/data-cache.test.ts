import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { LocalFile } from '#gateway/fuse/own-volume.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AppendFiles } from '#platform/append-files.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { pattern } from '#volume/volume-fixture.suite.ts'
import type { OpenFile } from '#volume/volume.ts'
import { DataCache, type RemoteFile } from './data-cache.ts'
import { BLOCK_BYTES } from './large-files.ts'

function bench(t: TestContext, contents: Buffer, version = 1) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-cache-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const asked: string[] = []
  const warnings: string[] = []
  const remote = {
    isReachable: true,
    version,
    asked,
    file(): RemoteFile {
      const attributes = { inode: 7 as InodeId, version: this.version, type: 'file', sizeBytes: contents.length } as Attributes
      const fill = async (offset: number, into: Buffer) => {
        if (!remote.isReachable) throw new ShoalError('UNAVAILABLE', 'Nobody there')
        asked.push(`${offset / BLOCK_BYTES}+${into.length}`)
        contents.copy(into, 0, offset)
      }
      const read = () => assert.fail('It is read by way of the cache')
      return { attributes, bytes: undefined, read, fill, close: () => undefined }
    },
  }
  const log = { warn: (message: string) => warnings.push(message) } as never
  const open = (options: { bytesMax?: number; files?: AppendFiles } = {}) =>
    new DataCache({
      files: nodeAppendFiles,
      folder,
      bytesMax: 200 * BLOCK_BYTES,
      identity: 'docs',
      keepsWholes: true,
      clock: nodeClock,
      log,
      ...options,
    })
  const blocks = () =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  return { open, remote, warnings, blocks }
}

/** A disk that begins to write a block when `begins` has resolved. */
function filesThatWait(begins: () => Promise<void>): AppendFiles {
  return {
    ...nodeAppendFiles,
    open: (path) => {
      const file = nodeAppendFiles.open(path)
      const writeAt = file.writeAt.bind(file)
      return Object.assign(file, {
        writeAt: async (position: number, bytes: Uint8Array) => {
          await begins()
          await writeAt(position, bytes)
        },
      })
    },
  }
}

async function read(file: OpenFile, offset: number, length: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of file.read({ offset, length })) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

test('what was read is read again from the disk, also by the next process and without the cluster', async (t) => {
  const contents = pattern(3 * BLOCK_BYTES + 77)
  const { open, remote } = bench(t, contents)
  const cache = open()
  assert.ok((await read(cache.open(remote.file()), 0, contents.length)).equals(contents))
  await cache.written()
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
  const before = open({ bytesMax: 3 * BLOCK_BYTES })
  for (const index of [0, 2, 4]) await read(before.open(remote.file()), index * BLOCK_BYTES, 10)
  await before.written()
  const cache = open({ bytesMax: 3 * BLOCK_BYTES })
  assert.equal(cache.sizeBytes, 3 * BLOCK_BYTES)
  const again = cache.open(remote.file())
  await read(again, 0, 10)
  await read(again, 5 * BLOCK_BYTES, 10)
  await cache.written()
  assert.equal(cache.sizeBytes, 3 * BLOCK_BYTES)
  remote.isReachable = false
  const last = open({ bytesMax: 3 * BLOCK_BYTES }).open(remote.file())
  assert.equal((await read(last, 0, 10)).length, 10)
  assert.equal((await read(last, 5 * BLOCK_BYTES, 10)).length, 10)
})

test('of a file that is longer than half of the room the stretches go that were not used for longest', async (t) => {
  const contents = pattern(40 * BLOCK_BYTES)
  const { open, remote } = bench(t, contents)
  const cache = open({ bytesMax: 16 * BLOCK_BYTES })
  const file = cache.open(remote.file())
  assert.equal(file.local, undefined)
  for (let at = 0; at < contents.length; at += BLOCK_BYTES) {
    await read(file, at, BLOCK_BYTES)
    // Of what comes sooner than the disk takes it not all is kept.
    await cache.written()
  }
  assert.ok(cache.sizeBytes > 12 * BLOCK_BYTES && cache.sizeBytes <= 16 * BLOCK_BYTES, String(cache.sizeBytes))
  remote.isReachable = false
  const next = open({ bytesMax: 16 * BLOCK_BYTES }).open(remote.file())
  assert.ok((await read(next, 39 * BLOCK_BYTES, BLOCK_BYTES)).equals(contents.subarray(39 * BLOCK_BYTES)))
  await assert.rejects(read(next, 0, 10), { code: 'UNAVAILABLE' })
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
  const cache = open({ files: full })
  const file = cache.open(remote.file())
  for (let times = 0; times < 2; times += 1) {
    assert.ok((await read(file, 0, contents.length)).equals(contents))
    await cache.written()
  }
  assert.equal(warnings.length, 1)
})

test('a disk that takes nothing holds nobody up, and gets what it can take', async (t) => {
  const contents = pattern(60 * BLOCK_BYTES)
  const { open, remote } = bench(t, contents)
  const held = Promise.withResolvers<void>()
  let writes = 0
  const slow = filesThatWait(async () => {
    writes += 1
    await held.promise
  })
  const cache = open({ files: slow })
  const file = cache.open(remote.file())
  for (let at = 0; at < contents.length; at += BLOCK_BYTES)
    assert.ok((await read(file, at, BLOCK_BYTES)).equals(contents.subarray(at, at + BLOCK_BYTES)))
  assert.ok(writes >= 16 && writes <= 32, String(writes))
  const asked = remote.asked.length
  // What is on its way to the disk is read from where it is.
  assert.ok((await read(file, 5, 100)).equals(contents.subarray(5, 105)))
  assert.equal(remote.asked.length, asked)
  held.resolve()
  await cache.written()
  assert.equal(cache.sizeBytes, writes * BLOCK_BYTES)
})

test('all that is read is kept, also where the disk is slower than the cluster', async (t) => {
  const contents = pattern(60 * BLOCK_BYTES)
  const { open, remote } = bench(t, contents)
  let queue = Promise.resolve()
  const slow = filesThatWait(() => (queue = queue.then(() => nodeClock.sleep(10))))
  const cache = open({ files: slow })
  const file = cache.open(remote.file())
  for (let at = 0; at < contents.length; at += BLOCK_BYTES)
    assert.ok((await read(file, at, BLOCK_BYTES)).equals(contents.subarray(at, at + BLOCK_BYTES)))
  await cache.written()
  assert.equal(cache.sizeBytes, contents.length)
  assert.ok(readFileSync(await wholeOf(file)).equals(contents))
})

/** The file that has all, once it is there. */
async function wholeOf(file: LocalFile): Promise<string> {
  for (let tries = 0; tries < 200; tries += 1) {
    const path = file.local?.whole()
    if (path !== undefined) return path
    await nodeClock.sleep(10)
  }
  throw new Error('It never was put together')
}

test('contents of which all is here become one file, which the next process looks through before it trusts it', async (t) => {
  const contents = pattern(3 * BLOCK_BYTES + 77)
  const { open, remote, blocks, warnings } = bench(t, contents)
  const cache = open()
  const file = cache.open(remote.file())
  assert.equal(file.local?.whole(), undefined)
  await read(file, 0, BLOCK_BYTES)
  assert.equal(file.local?.whole(), undefined)
  await read(file, 0, contents.length)
  const path = await wholeOf(file)
  assert.ok(readFileSync(path).equals(contents))
  assert.equal(blocks().length, 2, 'It and its checksums are all that is kept')
  assert.equal(cache.sizeBytes, contents.length)
  remote.isReachable = false
  const next = open()
  const again = next.open(remote.file())
  assert.equal(again.local?.whole(), undefined, 'It may have been damaged meanwhile')
  assert.equal(await wholeOf(again), path)
  assert.ok((await read(open().open(remote.file()), 5, contents.length - 5)).equals(contents.subarray(5)))
  const damaged = readFileSync(path)
  damaged[BLOCK_BYTES + 5] = (damaged[BLOCK_BYTES + 5] as number) ^ 1
  writeFileSync(path, damaged)
  const last = open()
  const third = last.open(remote.file())
  third.local?.whole()
  while (last.sizeBytes > contents.length - BLOCK_BYTES) await nodeClock.sleep(5)
  assert.match(warnings.join(), /damaged/)
  assert.equal(third.local?.whole(), undefined)
  assert.ok((await read(third, 0, BLOCK_BYTES)).equals(contents.subarray(0, BLOCK_BYTES)))
  await assert.rejects(read(third, BLOCK_BYTES, 10), { code: 'UNAVAILABLE' })
  remote.isReachable = true
  remote.asked.length = 0
  assert.ok((await read(third, 0, contents.length)).equals(contents))
  assert.deepEqual(remote.asked, [`1+${BLOCK_BYTES}`])
  assert.ok(readFileSync(await wholeOf(third)).equals(contents))
})

test('files that are whole take half of the room at most each, and go when they are not used, or no longer what they were', async (t) => {
  const contents = pattern(2 * BLOCK_BYTES)
  const { open, remote } = bench(t, contents)
  const cache = open({ bytesMax: 5 * BLOCK_BYTES })
  const paths: string[] = []
  for (let version = 1; version <= 3; version += 1) {
    remote.version = version
    const file = cache.open(remote.file())
    await read(file, 0, contents.length)
    paths.push(await wholeOf(file))
    assert.ok(cache.sizeBytes <= 5 * BLOCK_BYTES)
  }
  assert.deepEqual(
    paths.map((path) => existsSync(path)),
    [false, true, true],
  )
  cache.open(remote.file()).local?.release()
  assert.equal(existsSync(paths[2] as string), false)
  assert.equal(
    cache.open({ ...remote.file(), attributes: { ...remote.file().attributes, sizeBytes: 5 * BLOCK_BYTES } }).local,
    undefined,
  )
})

test('what was left half made is no file, and a file without room is none', async (t) => {
  const contents = pattern(2 * BLOCK_BYTES)
  const { open, remote, blocks } = bench(t, contents)
  const first = open().open(remote.file())
  await read(first, 0, contents.length)
  const path = await wholeOf(first)
  rmSync(`${path}.sums`)
  const next = open()
  assert.equal(next.sizeBytes, 0)
  assert.deepEqual(blocks(), [])
  const full: AppendFiles = {
    ...nodeAppendFiles,
    open: (at) => {
      if (at.includes('/large/')) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      return nodeAppendFiles.open(at)
    },
  }
  const file = open({ files: full }).open(remote.file())
  await read(file, 0, contents.length)
  for (let tries = 0; tries < 5; tries += 1) {
    assert.equal(file.local?.whole(), undefined)
    await nodeClock.sleep(5)
  }
  assert.ok((await read(file, 0, contents.length)).equals(contents))
})

test('what was stored is read without asking, by the next process too, if it is short', async (t) => {
  const contents = pattern(3000)
  const { open, remote, blocks } = bench(t, contents)
  const cache = open()
  cache.keep([{ attributes: remote.file().attributes, bytes: contents }])
  for (const here of [cache, open()]) {
    assert.ok(here.open(remote.file()).bytes?.equals(contents))
    assert.ok((await read(here.open(remote.file()), 7, 2000)).equals(contents.subarray(7, 2007)))
  }
  remote.version = 2
  assert.equal(cache.open(remote.file()).bytes, undefined)
  cache.keep([{ attributes: { ...remote.file().attributes, sizeBytes: 2999 }, bytes: contents }])
  assert.equal(blocks().length, 1)
  assert.deepEqual(remote.asked, [])
})

test('what is read stays what it is until its reader goes on, however much others read meanwhile', async (t) => {
  const contents = pattern(100 * BLOCK_BYTES + 7)
  const { open, remote } = bench(t, contents)
  const cache = open({ bytesMax: 20 * BLOCK_BYTES })
  const file = cache.open(remote.file())
  const checked = async (block: number): Promise<void> => {
    const offset = block * BLOCK_BYTES
    const reading = file.read({ offset, length: BLOCK_BYTES })
    const { value } = await reading.next()
    // Others take memory meanwhile.
    for (let turn = 0; turn < 3; turn += 1) await nodeClock.sleep(0)
    assert.ok(value?.equals(contents.subarray(offset, offset + BLOCK_BYTES)), `block ${block}`)
    // As the mount does, which answers with it then.
    await reading.return?.()
    assert.ok(value.equals(contents.subarray(offset, offset + BLOCK_BYTES)), `block ${block} after the end`)
  }
  const lane = async (number: number): Promise<void> => {
    for (let at = 0; at < 15; at += 1) await checked((at * 37 + number * 11) % 100)
  }
  await Promise.all(Array.from({ length: 60 }, (_, number) => lane(number)))
  await cache.written()
})

test('a long range is asked for in pieces, as its reader gets on', async (t) => {
  const contents = pattern(40 * BLOCK_BYTES)
  const { open, remote } = bench(t, contents)
  const reading = open().open(remote.file()).read({ offset: 0, length: contents.length })
  await reading.next()
  assert.ok(remote.asked.length <= 16, `${remote.asked.length} blocks were asked for`)
  await reading.return?.()
})
