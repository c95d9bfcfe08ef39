import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePath } from '#foundation/path.ts'
import type { AppendFiles } from '#platform/append-files.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { PART_BYTES } from './early-parts.ts'
import { caller, create, type Mount, openBench, settled } from './write-back-fixture.suite.ts'

const PIECE = 4 * 1024 * 1024

/** Contents that differ from place to place. */
function contents(parts: number): Buffer {
  const bytes = Buffer.alloc(parts * PART_BYTES)
  for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32LE(at / 4096, at)
  return bytes
}

async function write({ volume }: Mount, path: string, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += PIECE) {
    const piece = bytes.subarray(offset, offset + PIECE)
    if (volume.writeNow(parsePath(path), { offset, bytes: piece }) === undefined)
      await volume.writeAt(parsePath(path), { offset, bytes: piece }, caller)
    // Others get their turn, as between requests of the kernel.
    await new Promise(setImmediate)
  }
}

test('a long new file is sent in parts while it is written, and shows in the cluster when it is whole', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount({ clock: new ManualClock() })
  const bytes = contents(6)
  await create(mount, 'film')
  await write(mount, 'film', bytes.subarray(0, 2 * PART_BYTES - PIECE))
  assert.equal(bench.cluster.parted, 0)
  await write(mount, 'film', bytes.subarray(0, 2 * PART_BYTES))
  assert.equal(bench.cluster.parted, 1)
  await write(mount, 'film', bytes)
  assert.equal(await bench.stored('film'), '(absent)')
  // What was written over a part that is sent already counts.
  bytes.write('late', 7)
  await mount.volume.writeAt(parsePath('film'), { offset: 7, bytes: Buffer.from('late') }, caller)
  await mount.volume.setAttributes(parsePath('film'), { mode: 0o600, mtimeNs: 5n }, caller)
  await settled(mount)
  const { attributes } = (await bench.cluster.volume.openFile(parsePath('film'))) ?? {}
  assert.deepEqual([attributes?.mode, attributes?.mtimeNs, attributes?.uid, attributes?.gid], [0o600, 5n, 3, 4])
  assert.equal(attributes?.version, 1)
  assert.ok((await bytesOf(bench, 'film')).equals(bytes))
})

/** Local files of which it is known what was flushed. */
function flushedFiles() {
  const flushes: string[] = []
  const files: AppendFiles = {
    ...nodeAppendFiles,
    open: (path) => {
      const file = nodeAppendFiles.open(path)
      const datasync = async (): Promise<void> => void flushes.push(path)
      return new Proxy(file, {
        get: (target, name) => {
          const value: unknown = name === 'datasync' ? datasync : Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    },
  }
  return { files, flushes }
}

test('what is written to a long file that is being sent is flushed within five seconds, and within one of its close or of another change', async (t) => {
  const bench = await openBench(t)
  const clock = new ManualClock()
  const { files, flushes } = flushedFiles()
  const mount = await bench.mount({ clock, files })
  const bytes = contents(4)
  // However long it has been there.
  for (let at = 0; at < 3; at += 1) {
    clock.advance(1_000)
    await new Promise(setImmediate)
  }
  /** Goes on writing for a second, in which nobody thinks that it is all. @returns whether the journal was flushed */
  const second = async (): Promise<boolean> => {
    flushes.length = 0
    for (let quarter = 0; quarter < 4; quarter += 1) {
      await mount.volume.writeAt(parsePath('film'), { offset: bytes.length, bytes: bytes.subarray(0, 4096) }, caller)
      clock.advance(250)
      await new Promise(setImmediate)
    }
    return flushes.some((path) => path.endsWith('.journal'))
  }
  await create(mount, 'film')
  await write(mount, 'film', bytes)
  assert.equal(bench.cluster.parted, 1)
  // What came before it was sent is in it.
  assert.ok(flushes.length > 0)
  const seconds: boolean[] = []
  for (let at = 0; at < 5; at += 1) seconds.push(await second())
  assert.deepEqual(seconds, [false, false, false, false, true])
  await mount.volume.setAttributes(parsePath('film'), { mode: 0o600 }, caller)
  assert.deepEqual([await second(), await second()], [true, false])
  mount.volume.closed(parsePath('film'))
  assert.deepEqual([await second(), await second()], [true, false])
  assert.equal(await bench.stored('film'), '(absent)')
})

test('a long file that is renamed, cut or removed while parts of it are sent ends as what it was made', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount({ clock: new ManualClock() })
  const bytes = contents(4)
  for (const name of ['moved', 'cut', 'gone']) {
    await create(mount, name)
    await write(mount, name, bytes)
  }
  assert.equal(bench.cluster.parted, 3)
  await mount.volume.rename(parsePath('moved'), parsePath('arrived'), { caller })
  await mount.volume.truncate(parsePath('cut'), 3)
  await mount.volume.remove(parsePath('gone'), { caller })
  await settled(mount)
  assert.deepEqual((await bench.names()).toSorted(), ['arrived', 'cut'])
  assert.ok((await bytesOf(bench, 'arrived')).equals(bytes))
  assert.ok((await bytesOf(bench, 'cut')).equals(bytes.subarray(0, 3)))
})

test('a long file of which parts are sent is there after its mount was killed, or its node was away', async (t) => {
  const bench = await openBench(t)
  const first = await bench.mount({ clock: new ManualClock() })
  const bytes = contents(4)
  await create(first, 'film')
  await write(first, 'film', bytes)
  assert.equal(bench.cluster.parted, 1)
  bench.cluster.isReachable = false
  await first.volume.sync(parsePath('film')).catch(() => undefined)
  first.files.kill()
  bench.cluster.isReachable = true
  await settled(await bench.mount())
  assert.deepEqual(await bench.names(), ['film'])
  assert.ok((await bytesOf(bench, 'film')).equals(bytes))
})

test('a long file whose publishing is not answered is there once, and is no conflict', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  const bytes = contents(4)
  await create(mount, 'film')
  await write(mount, 'film', bytes)
  bench.cluster.losesCommits = 1
  await settled(mount)
  assert.equal(bench.cluster.losesCommits, 0)
  assert.deepEqual(await bench.names(), ['film'])
  assert.ok((await bytesOf(bench, 'film')).equals(bytes))
})

async function bytesOf({ cluster }: Awaited<ReturnType<typeof openBench>>, path: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  const file = await cluster.volume.openFile(parsePath(path))
  if (file !== undefined)
    for await (const piece of file.read({ offset: 0, length: file.attributes.sizeBytes })) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}
