import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { UploadId } from '#foundation/ids.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { type ChunkHooks, hookedChunks, type Power, poweredStore, PowerFailure } from '#volume/hooked-stores.suite.ts'
import { bodyOf, caller, type Fixture, ManualClock, openFixture, p, pattern, readAll } from '#volume/volume-fixture.suite.ts'
import type { OpenFile, Volume } from '#volume/volume.ts'
import { listGarbage } from './garbage.ts'
import { garbageContentKey } from './keys.ts'

/** More extents than one transaction of a commit moves: it takes three. */
const PARTS = 2_500

async function fillUpload(volume: Volume, path: string, byte = 'x'): Promise<UploadId> {
  const { id } = await volume.beginUpload(p(path), { caller })
  const numbers = Array.from({ length: PARTS }, (_, at) => at + 1)
  await Promise.all(numbers.map((number) => volume.writePart(id, { number, body: bodyOf(`${byte}${number % 7}`) })))
  return id
}

const whole = (byte = 'x') => Array.from({ length: PARTS }, (_, at) => `${byte}${(at + 1) % 7}`).join('')

/** Without a picture of the difference, which would take minutes. */
async function assertWhole(file: OpenFile | undefined, expected: string): Promise<void> {
  const actual = String(await readAll(file))
  const at = [...expected].findIndex((character, index) => actual[index] !== character)
  assert.ok(actual === expected, `${actual.length} bytes instead of ${expected.length}, the first difference is at ${at}`)
}

async function collectEverything({ volumes, clock }: Fixture): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    clock.advance(2_000)
    await volumes.collect()
  }
}

/** Begins the commit of a large upload in a process that dies after `steps` of its transactions, and opens the stores anew. */
async function dieInCommit(steps: number): Promise<{ fixture: Fixture; id: UploadId }> {
  const clock = new ManualClock()
  const chunks = openMemoryChunkStore({ clock })
  const kv = openMemoryStore()
  const power: Power = { transactions: Infinity }
  const before = await openFixture({ kv: poweredStore(kv, power), chunks, clock })
  await before.volume.writeFile(p('f'), bodyOf('before'), { caller })
  const id = await fillUpload(before.volume, 'f')
  power.transactions = steps
  await assert.rejects(before.volume.commitUpload(id, { caller }), PowerFailure)
  return { fixture: await openFixture({ kv, chunks, clock }), id }
}

for (const steps of [0, 1, 2]) {
  test(`after a crash behind step ${steps} of a large commit nothing of it shows, and it can be committed again`, async () => {
    const { fixture, id } = await dieInCommit(steps)
    const { volume } = fixture
    assert.equal(String(await readAll(await volume.openFile(p('f')))), 'before')
    await volume.commitUpload(id, { caller })
    await assertWhole(await volume.openFile(p('f')), whole())
    await volume.remove(p('f'), { caller })
    await collectEverything(fixture)
    assert.equal((await fixture.chunks.usage()).chunks, 0)
    assert.equal((await fixture.volumes.find('docs'))?.usage.bytes, 0)
  })

  test(`after a crash behind step ${steps} of a large commit the upload can be aborted, and leaves nothing`, async () => {
    const { fixture, id } = await dieInCommit(steps)
    await fixture.volume.abortUpload(id)
    await collectEverything(fixture)
    assert.equal(String(await readAll(await fixture.volume.openFile(p('f')))), 'before')
    assert.equal((await fixture.chunks.usage()).chunks, 0)
  })

  test(`after a crash behind step ${steps} of a large commit the upload expires like any other`, async () => {
    const { fixture, id } = await dieInCommit(steps)
    fixture.clock.advance(61_000)
    await collectEverything(fixture)
    assert.ok((await fixture.volume.findUpload(id)) === undefined)
    assert.equal((await fixture.chunks.usage()).chunks, 0)
  })
}

test('a large commit that is refused at its last step can be tried again when the reason is gone', async () => {
  const fixture = await openFixture()
  const { volume, volumes } = fixture
  const id = await fillUpload(volume, 'f')
  await volumes.update('docs', { quotaBytes: 10 }, caller)
  await assert.rejects(volume.commitUpload(id, { caller }), { code: 'QUOTA_EXCEEDED' })
  await assert.rejects(volume.writePart(id, { number: 1, body: bodyOf('late') }), { code: 'CONFLICT' })
  await volumes.update('docs', { quotaBytes: undefined }, caller)
  await volume.commitUpload(id, { caller })
  await assertWhole(await volume.openFile(p('f')), whole())
})

test('a large commit replaces a file in one step, and the old contents go', async () => {
  const fixture = await openFixture()
  const { volume } = fixture
  const first = await fillUpload(volume, 'f', 'x')
  const second = await fillUpload(volume, 'f', 'y')
  await volume.commitUpload(first, { caller })
  const file = await volume.openFile(p('f'))
  await volume.commitUpload(second, { caller })
  await collectEverything(fixture)
  await assertWhole(file, whole('x'))
  await assertWhole(await volume.openFile(p('f')), whole('y'))
  await collectEverything(fixture)
  assert.equal((await fixture.chunks.usage()).chunks, 7)
})

test('a part sent again in the middle of the commit is in the file whole or not at all, and the digest is of what is there', async () => {
  const hooks: ChunkHooks = {}
  const clock = new ManualClock()
  const { volume } = await openFixture({ clock, chunks: hookedChunks(openMemoryChunkStore({ clock }), hooks) })
  const { id } = await volume.beginUpload(p('f'), { caller })
  await volume.writePart(id, { number: 1, body: bodyOf(pattern(5_000, 1)) })
  await volume.writePart(id, { number: 2, body: bodyOf(pattern(5_000, 2)) })
  const sha256 = createHash('sha256').update(pattern(5_000, 1)).update(pattern(5_000, 2)).digest()
  hooks.beforeRead = async () => {
    await volume.writePart(id, { number: 1, body: bodyOf(pattern(6_000, 3)) })
  }
  await assert.rejects(volume.commitUpload(id, { caller, expected: { sizeBytes: 10_000, sha256 } }), { code: 'CONFLICT' })
  await assert.rejects(volume.commitUpload(id, { caller, expected: { sha256 } }), { code: 'DIGEST_MISMATCH' })
  const { attributes } = await volume.commitUpload(id, { caller })
  assert.equal(attributes.sizeBytes, 11_000)
})

test('an upload that is aborted or committed while the expired ones are collected does not stop the collector', async () => {
  for (const end of ['abort', 'commit', 'remove-volume'] as const) {
    const { volume, volumes, clock } = await openFixture()
    const { id } = await volume.beginUpload(p('a'), { caller })
    await volume.beginUpload(p('b'), { caller })
    clock.advance(61_000)
    const ending =
      end === 'abort'
        ? volume.abortUpload(id)
        : end === 'commit'
          ? volume.commitUpload(id, { caller })
          : volumes.remove('docs', { caller, force: true })
    await Promise.all([volumes.collect(), ending.catch(() => {})])
    await volumes.collect()
    if (end !== 'remove-volume') assert.deepEqual((await volume.listUploads()).uploads, [])
  }
})

test('an upload that is being committed does not expire under it', async () => {
  const { volume, volumes, clock } = await openFixture()
  const id = await fillUpload(volume, 'f')
  clock.advance(61_000)
  const [{ attributes }] = await Promise.all([volume.commitUpload(id, { caller }), volumes.collect(), volumes.collect()])
  assert.equal(attributes.sizeBytes, 2 * PARTS)
})

test('conditions of an upload to a symbolic link are about the file it leads to, from the beginning', async () => {
  const { volume } = await openFixture()
  const { attributes } = await volume.writeFile(p('f'), bodyOf('1'), { caller })
  await volume.makeSymlink(p('l'), Buffer.from('f'), { caller })
  const ifMatch = [`"${attributes.inode.toString(16)}-1"`]
  const { id } = await volume.beginUpload(p('l'), { caller, conditions: { ifMatch } })
  await volume.writePart(id, { number: 1, body: bodyOf('22') })
  await volume.commitUpload(id, { caller })
  assert.equal(String(await readAll(await volume.openFile(p('f')))), '22')
})

test('a volume that is removed when the clock has gone back lets go of each chunk once', async () => {
  const { fixture, id } = await dieInCommit(2)
  await fixture.volume.abortUpload(id)
  fixture.clock.advance(-60 * 60_000)
  await fixture.volumes.remove('docs', { caller, force: true })
  await collectEverything(fixture)
  assert.equal((await fixture.kv.read((snapshot) => [...listGarbage(snapshot)])).length, 0)
  // The chunks themselves were touched at a time that is yet to come.
  fixture.clock.advance(60 * 60_000)
  await collectEverything(fixture)
  assert.equal((await fixture.chunks.usage()).chunks, 0)
})

/** Writes the rows of the garbage list as format 1 of the data folder had them. */
function writeAsBefore(kv: KeyValueStore): Promise<void> {
  return kv.transact((tx) => {
    for (const { key, prefix, what, discardedAtMs, ownsChunks } of [...listGarbage(tx)]) {
      tx.delete(key)
      const value = ownsChunks ? (what.length === 16 ? 'release' : '') : 'moved'
      tx.put(garbageContentKey(discardedAtMs, prefix, what), Buffer.from(value))
    }
  })
}

test('the garbage list of an older data folder is collected like any other', async () => {
  const { fixture, id } = await dieInCommit(2)
  const { volume, kv, chunks } = fixture
  await volume.commitUpload(await fillUpload(volume, 'g', 'y'), { caller })
  await volume.remove(p('g'), { caller })
  await volume.abortUpload(id)
  await writeAsBefore(kv)
  await volume.writeFile(p('after'), bodyOf(pattern(5_000)), { caller })
  await collectEverything(fixture)
  assert.equal((await chunks.usage()).chunks, 1)
  for await (const event of fixture.volumes.fsck()) assert.notEqual(event.kind, 'finding', JSON.stringify(event))
})
