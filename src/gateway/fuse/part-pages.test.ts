import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { openFixture, readAll } from '#volume/volume-fixture.suite.ts'
import { mounted, noMounts } from './mounted.suite.ts'
import { MountedVolume } from './mounted-volume.ts'
import { PartPages } from './part-pages.ts'
import type { FuseOperations } from './protocol/operations.ts'
import { volumeOperations } from './volume-operations.ts'

const FILE = Buffer.from(Array.from({ length: 13_000 }, (_, at) => (at * 7) % 251))

function stored(pieces: readonly (readonly [from: number, to: number])[], last = pieces): PartPages {
  const parts = new PartPages()
  for (const [from, to] of pieces) parts.wrote(from, to - from)
  for (const [from, to] of last) parts.stored({ offset: from, bytes: FILE.subarray(from, to) })
  return parts
}

test('what the kernel lacks begins with the first page that no write has filled, and ends with the file', () => {
  assert.deepEqual(stored([[0, 13_000]]).lacking(13_000), { offset: 12_288, bytes: FILE.subarray(12_288) })
  const three = stored(
    [
      [0, 5_000],
      [5_000, 10_240],
      [10_240, 13_000],
    ],
    [[0, 13_000]],
  )
  assert.deepEqual(three.lacking(13_000), { offset: 4_096, bytes: FILE.subarray(4_096) })
  assert.equal(stored([[0, 8_192]]).lacking(8_192), undefined)
})

test('nothing is given to the kernel that isn’t at hand, or was changed since it was stored', () => {
  // The beginning of the page is in a piece before.
  assert.equal(
    stored([
      [0, 5_000],
      [5_000, 13_000],
    ]).lacking(13_000),
    undefined,
  )
  assert.equal(stored([[0, 5_000]]).lacking(13_000), undefined)
  const changed = stored([[0, 5_000]])
  changed.changed()
  assert.equal(changed.lacking(5_000), undefined)
})

test('of a long piece the end is copied', () => {
  const long = Buffer.alloc(200_001, 'x')
  const parts = new PartPages()
  parts.wrote(0, long.length)
  parts.stored({ offset: 0, bytes: long })
  long.fill('y')
  const lacking = parts.lacking(long.length)
  assert.deepEqual([lacking?.offset, lacking?.bytes.toString()], [196_608, 'x'.repeat(200_001 - 196_608)])
})

test('what was written in pieces is read without a request once it is closed', { skip: noMounts, timeout: 30_000 }, async (t) => {
  const { volume } = await openFixture({ clock: nodeClock as never })
  const [caller, clock, random, log] = [{ principal: 'tester' }, nodeClock, nodeRandom, silentLog] as const
  const state = await MountedVolume.open({ volume, caller, clock, random, log })
  const inner = volumeOperations(state)
  let reads = 0
  const read: FuseOperations['read'] = (request, from) => {
    reads += 1
    return (inner.read as NonNullable<typeof inner.read>)(request, from)
  }
  let opens = 0
  const counting = <Method extends 'open' | 'create' | 'release'>(
    method: Method,
    by: number,
  ): NonNullable<FuseOperations[Method]> => {
    const handler = inner[method] as (...args: readonly unknown[]) => unknown
    const counted = (...args: readonly unknown[]): unknown => {
      const answer = handler(...args)
      opens += by
      return answer
    }
    return counted as NonNullable<FuseOperations[Method]>
  }
  const [open, create, release] = [counting('open', 1), counting('create', 1), counting('release', -1)]
  const { mount, sh } = await mounted(t, { ...inner, read, open, create, release })
  state.complete = (nodeId, piece) => mount.complete(nodeId, piece)
  const write = async (script: string): Promise<string> => {
    const said = await sh(`python3 - <<'END'\nfile = bytes(at * 7 % 251 for at in range(13000))\n${script}\nEND`)
    // Who closes a file doesn't wait until that is heard.
    while (opens > 0) await nodeClock.sleep(5)
    return said
  }

  await write(`
with open('f', 'wb', 0) as f:
  for at in range(0, 13000, 1300): f.write(file[at:at + 1300])`)
  const read13 = `print(open('f', 'rb').read() == file)`
  assert.equal(await write(read13), 'True\n')
  assert.equal(reads, 0)

  // Its last page is the kernel's already.
  await write(`open('f', 'ab', 0).write(b'more')`)
  assert.equal(await write(`print(open('f', 'rb').read() == file + b'more')`), 'True\n')
  assert.equal(reads, 0)

  // One that is cut behind the last write, and one that others have changed meanwhile.
  await write(`
with open('cut', 'wb', 0) as f:
  f.write(file)
  f.truncate(9000)`)
  assert.equal(await write(`print(open('cut', 'rb').read() == file[:9000])`), 'True\n')
  const writing = write(`
import os, time
f = os.open('both', os.O_WRONLY | os.O_CREAT)
os.write(f, file[:5000])
os.fsync(f)
while not os.path.exists('changed'): time.sleep(0.01)
os.pwrite(f, b'end', 4990)
os.close(f)`)
  while ((await volume.stat(['both']))?.sizeBytes !== 5000) await nodeClock.sleep(10)
  const both = await volume.writeAt(['both'], { offset: 0, bytes: Buffer.from('other') }, { principal: 'other' })
  await volume.writeFile(['changed'], Buffer.alloc(0), { caller: { principal: 'other' } })
  await writing
  assert.equal(await write(`print(open('both', 'rb').read() == b'other' + file[5:4990] + b'end' + file[4993:5000])`), 'True\n')
  assert.equal((await readAll(await volume.openFile(['both']))).length, both.sizeBytes)
})
