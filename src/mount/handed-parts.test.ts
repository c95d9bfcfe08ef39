import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { parsePath } from '#foundation/path.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { nodeHanding } from '#platform/node-handing.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { readAll } from '#volume/volume-fixture.suite.ts'
import { PART_BYTES } from './early-parts.ts'
import { HandedParts } from './handed-parts.ts'
import { type Bench, caller, create, type Mount, openBench, settled } from './write-back-fixture.suite.ts'

const MIB = 1024 * 1024
const PARTS = 5

function contents(): Buffer {
  const bytes = Buffer.alloc(PARTS * PART_BYTES)
  for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32LE(at / 4096, at)
  return bytes
}

async function write({ volume }: Mount, bytes: Buffer, pieceBytes: number): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    await volume.writeAt(parsePath('film'), { offset, bytes: bytes.subarray(offset, offset + pieceBytes) }, caller)
    await new Promise(setImmediate)
  }
}

interface Neighbours extends Bench {
  readonly handed: HandedParts
  /** Where the node takes files. */
  readonly at: string
}

/** A mount beside a node of the same machine. */
async function neighbours(t: TestContext): Promise<Neighbours> {
  const bench = await openBench(t)
  const at = join(bench.folder, 'node', 'handed')
  mkdirSync(at, { recursive: true, mode: 0o700 })
  writeFileSync(join(bench.folder, 'node', 'format.json'), '{"clusterId":"c0ffee"}')
  bench.cluster.handedAt = at
  return { ...bench, at, handed: new HandedParts({ handing: nodeHanding, clusterId: 'c0ffee', random: nodeRandom }) }
}

async function film({ cluster }: Bench): Promise<Buffer> {
  return readAll(await cluster.volume.openFile(parsePath('film')))
}

test('a node of the same machine takes the parts of a long file out of the journal, and no name is left', async (t) => {
  const bench = await neighbours(t)
  const mount = await bench.mount({ clock: new ManualClock(), handed: bench.handed })
  const bytes = contents()
  await create(mount, 'film')
  await write(mount, bytes, MIB)
  bytes.write('late', PART_BYTES - 2)
  await mount.volume.writeAt(parsePath('film'), { offset: PART_BYTES - 2, bytes: Buffer.from('late') }, caller)
  await settled(mount)
  assert.ok((await film(bench)).equals(bytes))
  // Two of them once more, since they were written over.
  assert.deepEqual(bench.cluster.came, { sent: 0, taken: PARTS + 2 })
  assert.deepEqual(readdirSync(bench.at), [])
})

test('what was written in small pieces is sent, and so is all of it where the node has not got the files, or is none', async (t) => {
  for (const [what, { folder, pieceBytes = MIB, sent }] of Object.entries({
    small: { folder: undefined, pieceBytes: 16 * 1024, sent: PARTS },
    'another node': { folder: 'elsewhere/handed', pieceBytes: MIB, sent: PARTS },
    'another folder': { folder: 'node', pieceBytes: MIB, sent: PARTS },
  })) {
    const bench = await neighbours(t)
    if (folder !== undefined) bench.cluster.handedAt = join(bench.folder, folder)
    const mount = await bench.mount({ clock: new ManualClock(), handed: bench.handed })
    await create(mount, 'film')
    await write(mount, contents(), pieceBytes)
    await settled(mount)
    assert.ok((await film(bench)).equals(contents()), what)
    assert.deepEqual(bench.cluster.came, { sent, taken: 0 }, what)
  }
})

test('a node that refuses a part once is sent the bytes of the file from then on', async (t) => {
  const bench = await neighbours(t)
  const mount = await bench.mount({ clock: new ManualClock(), handed: bench.handed })
  let refusals = 0
  bench.cluster.onTake = async () => {
    refusals += 1
    throw new ShoalError('NOT_FOUND', 'It was not handed over here')
  }
  await create(mount, 'film')
  await write(mount, contents(), MIB)
  await settled(mount)
  assert.ok((await film(bench)).equals(contents()))
  assert.deepEqual([bench.cluster.came, bench.cluster.parted], [{ sent: PARTS, taken: 0 }, 1])
  assert.ok(refusals <= 4, 'no more than were under way together')
  assert.deepEqual(readdirSync(bench.at), [])
})

test('a part that is taken after nobody has waited for it any more does not take the place of what was written since', async (t) => {
  const bench = await neighbours(t)
  const mount = await bench.mount({ clock: new ManualClock(), handed: bench.handed })
  let taken = 0
  bench.cluster.onTake = async () => {
    taken += 1
    if (taken > 1) return
    // And the node may go on with it.
    throw new ShoalError('UNAVAILABLE', 'The connection broke')
  }
  const bytes = contents()
  await create(mount, 'film')
  await write(mount, bytes, MIB)
  bytes.write('newer', 7)
  await mount.volume.writeAt(parsePath('film'), { offset: 7, bytes: Buffer.from('newer') }, caller)
  await settled(mount)
  assert.ok((await film(bench)).equals(bytes))
  // Not in the session that the late part belongs to.
  assert.equal(bench.cluster.parted, 1)
  assert.equal(bench.cluster.commits, 0)
})
