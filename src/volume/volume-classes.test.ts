import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { ChunkStore } from '#chunk/store.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { bodyOf, caller, ManualClock, openFixture, p, pattern, readAll } from './volume-fixture.suite.ts'
import type { Fixture } from './volume-fixture.suite.ts'
import type { StrongVolumesOptions, VolumeClasses } from './strong-volumes-options.ts'

/** Classes `default`, `archive` and `fast`, each in a store of its own, so that one sees which was written to. */
async function openClasses(
  options: Pick<StrongVolumesOptions, 'onClassChange'> = {},
): Promise<Fixture & { stores: Map<string, ChunkStore> }> {
  const clock = new ManualClock()
  const stores = new Map(['default', 'archive', 'fast'].map((name) => [name, openMemoryChunkStore({ clock })]))
  const classes: VolumeClasses = { has: (name) => stores.has(name), chunksOf: (name) => stores.get(name) as ChunkStore }
  const fixture = await openFixture({ classes, clock, ...options })
  return { ...fixture, stores }
}

async function write({ volumes }: Fixture, volume: string, path: string, bytes: Buffer): Promise<ChunkId[]> {
  const opened = await volumes.open(volume)
  await opened.writeFile(p(path), bodyOf(bytes), { caller })
  const { extents } = (await opened.locate(p(path))) as NonNullable<Awaited<ReturnType<typeof opened.locate>>>
  return extents.flatMap(({ chunk }) => chunk ?? [])
}

async function classesOf({ volumes }: Fixture, chunk: ChunkId): Promise<readonly string[] | undefined> {
  return (await volumes.referenced([chunk])).get(chunk)
}

test('a volume writes to the chunks of its class and reads from them, and from the next moment on of the one that it gets', async () => {
  const fixture = await openClasses()
  const { volumes, stores } = fixture
  await volumes.create('safe', { class: 'archive' }, caller)
  const bytes = pattern(100_000)
  const [chunk] = (await write(fixture, 'safe', '/a', bytes)) as [ChunkId]
  assert.ok(await stores.get('archive')?.locate(chunk))
  assert.equal(await stores.get('default')?.locate(chunk), undefined)
  assert.ok((await readAll(await (await volumes.open('safe')).openFile(p('/a')))).equals(bytes))
  await volumes.update('safe', { class: 'fast' }, caller)
  const [other] = (await write(fixture, 'safe', '/b', pattern(100_000, 2))) as [ChunkId]
  assert.ok(await stores.get('fast')?.locate(other))
})

test('a class that is not there is refused, and the volume stays as it was', async () => {
  const { volumes } = await openClasses()
  await assert.rejects(volumes.create('new', { class: 'nothing' }, caller), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(volumes.update('docs', { class: 'nothing' }, caller), { code: 'INVALID_ARGUMENT' })
  assert.equal((await volumes.find('docs'))?.policy.class, 'default')
  assert.equal(await volumes.find('new'), undefined)
})

test('a chunk is of the classes of all volumes that use it', async () => {
  const fixture = await openClasses()
  await fixture.volumes.create('safe', { class: 'archive' }, caller)
  const bytes = pattern(50_000)
  const [chunk] = (await write(fixture, 'docs', '/a', bytes)) as [ChunkId]
  assert.deepEqual(await classesOf(fixture, chunk), ['default'])
  await write(fixture, 'safe', '/a', bytes)
  assert.deepEqual(await classesOf(fixture, chunk), ['archive', 'default'])
  assert.equal(await classesOf(fixture, 'ab'.repeat(32) as ChunkId), undefined)
})

test('what a volume has is of its new class when it has got one, in as many steps as it takes', async () => {
  const fixture = await openClasses()
  const { volumes } = fixture
  const opened = await volumes.open('docs')
  const chunks: ChunkId[] = []
  for (let number = 0; number < 1_200; number += 1) {
    const bytes = Buffer.alloc(5_000, number)
    bytes.writeUInt32BE(number)
    chunks.push(...(await write(fixture, 'docs', `/${number}`, bytes)))
  }
  chunks.push(...(await write(fixture, 'docs', '/large', pattern(7 * 1024 * 1024))))
  const upload = await opened.beginUpload(p('/later'), { caller })
  assert.ok(upload)
  await volumes.create('other', {}, caller)
  const [shared] = (await write(fixture, 'other', '/a', pattern(50_000, 3))) as [ChunkId]
  await write(fixture, 'docs', '/shared', pattern(50_000, 3))
  await volumes.update('docs', { class: 'archive' }, caller)
  const found = await volumes.referenced(chunks)
  assert.equal(found.size, new Set(chunks).size)
  for (const [chunk, classes] of found) assert.deepEqual(classes, ['archive'], chunk)
  assert.deepEqual(await classesOf(fixture, shared), ['archive', 'default'])
})

test('who moves chunks is told of another class, once it is noted of all that the volume has', async () => {
  const seen: Promise<readonly string[] | undefined>[] = []
  const fixture = await openClasses({ onClassChange: () => void seen.push(classesOf(fixture, chunk)) })
  const [chunk] = (await write(fixture, 'docs', '/a', pattern(50_000))) as [ChunkId]
  await fixture.volumes.update('docs', { quotaFiles: 10 }, caller)
  assert.equal(seen.length, 0)
  await fixture.volumes.update('docs', { class: 'archive' }, caller)
  assert.deepEqual(await Promise.all(seen), [['archive']])
})

test('an upload that is committed while its volume gets another class is of that one, at whatever moment', async () => {
  for (let moment = 0; moment < 40; moment += 1) {
    const fixture = await openClasses()
    const { volumes } = fixture
    const opened = await volumes.open('docs')
    const { id } = await opened.beginUpload(p('/new'), { caller })
    await opened.writePart(id, { number: 1, body: bodyOf(pattern(50_000)) })
    const updated = volumes.update('docs', { class: 'archive' }, caller)
    for (let at = 0; at < moment; at += 1) await Promise.resolve()
    await Promise.all([updated, opened.commitUpload(id, { caller, expected: {} })])
    const located = await opened.locate(p('/new'))
    const chunks = located?.extents.flatMap(({ chunk }) => chunk ?? []) ?? []
    assert.equal(chunks.length, 1)
    assert.deepEqual(await classesOf(fixture, chunks[0] as ChunkId), ['archive'], `after ${moment} turns`)
  }
})

test('a check of everything finds nothing wrong with chunks of several classes', async () => {
  const fixture = await openClasses()
  const { volumes, stores, chunks } = fixture
  await volumes.create('safe', { class: 'archive' }, caller)
  await write(fixture, 'safe', '/a', pattern(50_000))
  for await (const { id } of stores.get('archive')?.list() ?? [])
    await chunks.write(id, (await stores.get('archive')?.read(id)) as Buffer)
  const findings: unknown[] = []
  for await (const event of volumes.fsck()) if (event.kind === 'finding') findings.push(event)
  assert.deepEqual(findings, [])
})
