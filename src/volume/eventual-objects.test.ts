import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError, type ErrorCode } from '#foundation/errors.ts'
import { encodeName } from '#foundation/name.ts'
import { eventualFixture, type EventualFixture } from './eventual-fixture.suite.ts'
import type { EventualObjects } from './eventual-objects.ts'
import type { CheckObject, ObjectInfo, OpenObject, VersionListing } from './objects.ts'
import type { VolumeSettings } from './volume.ts'
import { bodyOf, caller, p, pattern, readAll } from './volume-fixture.suite.ts'

const MIB = 1024 * 1024
const is = (code: ErrorCode) => (error: unknown) => isShoalError(error, code)
const md5 = (bytes: string | Buffer): string => createHash('md5').update(bytes).digest('hex')
const plain = { caller, properties: () => ({}) }

interface Fixture extends EventualFixture {
  readonly objects: EventualObjects
}

async function openBucket(settings: Partial<VolumeSettings> = {}, nodes = 1): Promise<Fixture> {
  const fixture = await eventualFixture(nodes)
  await fixture.volumes[0]!.create('docs', settings, caller)
  await fixture.settle()
  return { ...fixture, objects: await fixture.volumes[0]!.openObjects('docs') }
}

async function contentsOf(objects: EventualObjects, key: string, versionId?: string): Promise<string> {
  return String(await readAll(((await objects.open(key, versionId)) as OpenObject).file))
}

const keysOf = async (objects: EventualObjects, options: { prefix?: string; delimiter?: string } = {}) =>
  (await objects.list({ limit: 1000, ...options })).items.map((item) => ('key' in item ? item.key : `(${item.commonPrefix})`))

const versionsOf = ({ items }: VersionListing) =>
  items.map((item) => {
    if ('commonPrefix' in item) return `(${item.commonPrefix})`
    const { key, isLatest } = 'object' in item ? item.object : item.marker
    return `${key} ${'object' in item ? item.object.sizeBytes : 'marker'}${isLatest ? ' latest' : ''}`
  })

const idsOf = ({ items }: VersionListing) =>
  items.map((item) => ('commonPrefix' in item ? '' : ('object' in item ? item.object : item.marker).versionId))

/** Two nodes wrote the same key, and neither had heard of the other. The second one's is shown. */
async function conflicting() {
  const fixture = await openBucket({}, 2)
  const there = await fixture.volumes[1]!.openObjects('docs')
  await fixture.objects.put('plan', Buffer.from('first'), plain)
  fixture.clock.advance(10)
  await there.put('plan', Buffer.from('second!'), plain)
  await fixture.settle()
  return { ...fixture, there }
}

test('an object has the MD5 and the properties that it was put with, and is a file for every other door', async () => {
  const { objects, volumes } = await openBucket({ chunkSizeBytes: MIB })
  const properties = { contentType: 'text/plain', metadata: { colour: 'blue' }, tags: [['a', 'b']] as const }
  const put = await objects.put('a/b.txt', Buffer.from('hello'), { caller, properties: () => properties })
  assert.equal(put.etag, md5('hello'))
  const found = (await objects.find('a/b.txt')) as { object: ObjectInfo }
  assert.deepEqual(found.object.properties, properties)
  const volume = await volumes[0]!.open('docs')
  assert.equal(String(await readAll(await volume.openFile(p('a/b.txt')))), 'hello')
  for (const size of [0, 4096, 4097, MIB, 3 * MIB + 7]) {
    const bytes = pattern(size, size + 1)
    assert.equal((await objects.put('large', bodyOf(bytes), plain)).etag, md5(bytes), `${size} bytes`)
    assert.equal(md5(await readAll(((await objects.open('large')) as OpenObject).file)), md5(bytes))
  }
})

test('a change through another door drops the MD5 and keeps what was said of the object', async () => {
  const { objects, volumes } = await openBucket()
  const checksum = { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' } as const
  await objects.put('file', Buffer.from('one'), { caller, properties: () => ({ contentType: 'x/y', checksum, owner: 'me' }) })
  const volume = await volumes[0]!.open('docs')
  await volume.copy(p('file'), p('copy'), { caller })
  const copy = (await objects.find('copy')) as { object: ObjectInfo }
  assert.equal(copy.object.etag, md5('one'))
  assert.equal(copy.object.properties.owner, undefined)
  await volume.writeFile(p('file'), Buffer.from('two'), { caller })
  const changed = (await objects.find('file')) as { object: ObjectInfo }
  assert.match(changed.object.etag, /-0$/)
  assert.deepEqual(changed.object.properties, { contentType: 'x/y', owner: 'me' })
  await objects.put('file', Buffer.from('three'), plain)
  assert.equal(await contentsOf(objects, 'file'), 'three')
})

test('S3 sees files and what it has put itself, and neither directories nor links of other doors', async () => {
  const { objects, volumes } = await openBucket()
  const volume = await volumes[0]!.open('docs')
  await volume.makeDirectory(p('made'), { caller })
  await volume.makeSymlink(p('link'), Buffer.from('made'), { caller })
  await objects.put('put/', Buffer.alloc(0), plain)
  await objects.put('put/a', Buffer.from('1'), plain)
  await objects.put('put', Buffer.from('beside'), plain)
  assert.deepEqual(await keysOf(objects), ['put', 'put/', 'put/a'])
  assert.deepEqual(await keysOf(objects, { delimiter: '/' }), ['put', '(put/)'])
  assert.equal(await objects.find('made/'), undefined)
  await objects.remove('made/', { caller })
  assert.equal((await volume.stat(p('made')))?.type, 'directory')
  for (const key of ['put', 'put/', 'put/a']) await objects.remove(key, { caller })
  assert.deepEqual(await keysOf(objects), [])
  await assert.rejects(volumes[0]!.removeBucket('docs'), is('VOLUME_NOT_EMPTY'))
  await volume.remove(p('link'), { caller })
  await volumes[0]!.removeBucket('docs')
  assert.equal(volumes[0]!.has('docs'), false)
})

const segment = fc.constantFrom('', 'a', 'b', 'a-', 'ab', '.', '..', '\u2044', 'é')
const key = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('/'))
  .filter((text) => text !== '')

test('both listings are those of a sorted list of keys, whatever prefix, delimiter and page size', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key, { maxLength: 20 }),
      fc.array(key, { maxLength: 4 }),
      fc.oneof(fc.constant(''), key),
      fc.constantFrom('', '/', 'a'),
      fc.integer({ min: 1, max: 5 }),
      async (keys, gone, prefix, delimiter, limit) => {
        const { objects } = await openBucket()
        for (const each of [...keys, ...gone]) await objects.put(each, Buffer.from('x'), plain)
        for (const each of gone) await objects.remove(each, { caller })
        const expected = modelListing(
          keys.filter((each) => !gone.includes(each)),
          { prefix, delimiter },
        )
        const listed: string[] = []
        for (let after: string | undefined; ;) {
          const page = await objects.list({ prefix, delimiter, limit, after })
          listed.push(...page.items.map((item) => ('key' in item ? item.key : item.commonPrefix)))
          if (!page.isTruncated) break
          after = listed.at(-1)
        }
        assert.deepEqual(listed, expected)
        const versions: string[] = []
        let from: { after?: string; afterVersion?: string } = {}
        for (;;) {
          const page = await objects.listVersions({ prefix, delimiter, limit, ...from })
          for (const item of page.items)
            versions.push('commonPrefix' in item ? item.commonPrefix : 'object' in item ? item.object.key : '')
          const last = page.items.at(-1)
          if (!page.isTruncated || last === undefined) break
          if ('commonPrefix' in last) from = { after: last.commonPrefix }
          else from = 'object' in last ? { after: last.object.key, afterVersion: last.object.versionId } : {}
        }
        assert.deepEqual(versions, expected)
      },
    ),
    { numRuns: 100 },
  )
})

function modelListing(keys: readonly string[], { prefix, delimiter }: { prefix: string; delimiter: string }): string[] {
  const names = new Set<string>()
  for (const each of keys.toSorted((a, b) => Buffer.compare(encodeName(a), encodeName(b)))) {
    if (!each.startsWith(prefix)) continue
    const at = delimiter === '' ? -1 : each.indexOf(delimiter, prefix.length)
    names.add(at < 0 ? each : each.slice(0, at + delimiter.length))
  }
  return [...names]
}

test('a version that lost is listed on every node, is read by its id, and is dropped everywhere by removing it', async () => {
  const { objects, there, settle } = await conflicting()
  for (const each of [objects, there]) {
    const listing = await each.listVersions({ limit: 100 })
    assert.deepEqual(versionsOf(listing), ['plan 7 latest', 'plan 5'])
    const [shown, lost] = idsOf(listing) as [string, string]
    assert.equal(await contentsOf(each, 'plan'), 'second!')
    assert.equal(await contentsOf(each, 'plan', 'null'), 'second!')
    assert.equal(await contentsOf(each, 'plan', shown), 'second!')
    assert.equal(await contentsOf(each, 'plan', lost), 'first')
    await assert.rejects(each.change('plan', { caller, versionId: lost, change: (same) => same }), is('UNSUPPORTED'))
  }
  const [, lost] = idsOf(await objects.listVersions({ limit: 100 })) as [string, string]
  for (let from: { after?: string; afterVersion?: string } = {}, count = 0; count < 2; count += 1) {
    const page = await objects.listVersions({ limit: 1, ...from })
    assert.equal(page.isTruncated, count === 0)
    from = { after: 'plan', afterVersion: idsOf(page)[0] as string }
  }
  await there.remove('plan', { caller, versionId: lost })
  await settle()
  assert.deepEqual(versionsOf(await objects.listVersions({ limit: 100 })), ['plan 7 latest'])
})

test('the version that is shown gives way to the one that lost when it is removed by its id', async () => {
  const { objects, there, settle } = await conflicting()
  const [shown] = idsOf(await objects.listVersions({ limit: 100 })) as [string]
  await objects.remove('plan', { caller, versionId: shown })
  await settle()
  assert.equal(await contentsOf(there, 'plan'), 'first')
  const [last] = idsOf(await there.listVersions({ limit: 100 })) as [string]
  await there.remove('plan', { caller, versionId: last })
  await settle()
  assert.equal(await objects.find('plan'), undefined)
  assert.deepEqual(versionsOf(await objects.listVersions({ limit: 100 })), [])
})

test('a removal that won over a write is its delete marker, and removing that brings the write back', async () => {
  const { objects, volumes, clock, settle } = await openBucket({}, 2)
  const there = await volumes[1]!.openObjects('docs')
  await objects.put('plan', Buffer.from('before'), plain)
  await settle()
  await there.put('plan', Buffer.from('meanwhile'), plain)
  clock.advance(10)
  await objects.remove('plan', { caller })
  await settle()
  const listing = await there.listVersions({ limit: 100 })
  assert.deepEqual(versionsOf(listing), ['plan marker latest', 'plan 9'])
  assert.ok('marker' in ((await objects.find('plan')) ?? {}))
  assert.deepEqual(await keysOf(objects), [])
  const [marker] = idsOf(listing) as [string]
  assert.deepEqual(await objects.remove('plan', { caller, versionId: marker }), { versionId: marker, isMarker: true })
  await settle()
  assert.equal(await contentsOf(there, 'plan'), 'meanwhile')
})

test('conditions are judged by what the node knows, in the step that makes the change', async () => {
  const { objects } = await openBucket()
  const ifAbsent: CheckObject = (existing) => {
    if (existing !== undefined) throw new Error('it is there')
  }
  await objects.put('file', Buffer.from('1'), { ...plain, check: ifAbsent })
  await assert.rejects(objects.put('file', Buffer.from('2'), { ...plain, check: ifAbsent }), /it is there/)
  await assert.rejects(objects.remove('file', { caller, check: ifAbsent }), /it is there/)
  const results = await objects.removeAll([{ key: 'file', check: ifAbsent }, { key: 'none' }, { key: 'file' }])
  assert.deepEqual(
    results.map((result) => 'error' in result),
    [true, false, false],
  )
  assert.equal(await objects.find('file'), undefined)
  const { objects: careful } = await openBucket({ onConflict: 'cas' })
  await careful.put('file', Buffer.from('1'), plain)
  await assert.rejects(careful.put('file', Buffer.from('2'), plain), is('PRECONDITION_FAILED'))
  await assert.rejects(careful.remove('file', { caller }), is('PRECONDITION_FAILED'))
  await careful.put('file', Buffer.from('3'), { ...plain, check: () => {} })
  assert.equal(await contentsOf(careful, 'file'), '3')
})

test('a copy shares the contents, and has the properties that it was given', async () => {
  const { objects } = await openBucket({ chunkSizeBytes: MIB })
  const bytes = pattern(2 * MIB)
  await objects.put('source', bytes, plain)
  const copied = await objects.copy((await objects.open('source')) as OpenObject, 'copy', {
    caller,
    properties: { contentType: 'a/b' },
  })
  assert.equal(copied.etag, md5(bytes))
  assert.equal(copied.properties.contentType, 'a/b')
  const changed = await objects.change('copy', { caller, change: (before) => ({ ...before, tags: [['k', 'v']] }) })
  assert.deepEqual((changed as { object: ObjectInfo }).object.properties, { contentType: 'a/b', tags: [['k', 'v']] })
  assert.equal(md5(await readAll(((await objects.open('copy')) as OpenObject).file)), md5(bytes))
})

test('parts become an object in one step, whichever were sent twice, and an upload that is over is over', async () => {
  const { objects, replicas } = await openBucket({ chunkSizeBytes: MIB })
  const [one, two] = [pattern(2 * MIB, 1), pattern(MIB + 5, 2)]
  const upload = await objects.beginUpload('joined', { caller, properties: { contentType: 'x/y' } })
  const part = { caller, checksum: () => undefined }
  await objects.putPart(upload, bodyOf(pattern(3 * MIB, 9)), { ...part, number: 1 })
  await objects.putPart(upload, bodyOf(two), { ...part, number: 2 })
  await objects.putPart(upload, bodyOf(one), { ...part, number: 1 })
  assert.deepEqual(
    (await objects.listUploads('jo')).map(({ id }) => id),
    [upload.id],
  )
  const parts = await objects.listParts((await objects.findUpload('joined', upload.id))!)
  assert.deepEqual(
    parts.map(({ etag, sizeBytes }) => [etag, sizeBytes]),
    [
      [md5(one), one.length],
      [md5(two), two.length],
    ],
  )
  const made = await objects.complete(upload, { caller, parts, checksum: undefined })
  const tag = md5(Buffer.concat([one, two].map((bytes) => createHash('md5').update(bytes).digest())))
  assert.equal(made.etag, `${tag}-2`)
  assert.equal(made.properties.upload, upload.id)
  assert.equal(md5(await readAll(((await objects.open('joined')) as OpenObject).file)), md5(Buffer.concat([one, two])))
  await assert.rejects(objects.complete(upload, { caller, parts, checksum: undefined }), is('UPLOAD_NOT_FOUND'))
  const other = await objects.beginUpload('other', { caller, properties: {} })
  await objects.putPart(other, bodyOf(one), { ...part, number: 1 })
  await objects.abort(other)
  assert.deepEqual(await objects.listUploads(''), [])
  const rows = await Array.fromAsync(
    replicas[0]!.store.range({ start: Buffer.from('\u00eep', 'latin1'), end: Buffer.from('\u00eeq', 'latin1') }),
  )
  assert.deepEqual(rows, [])
})

test('what a bucket is told is kept with the volume and spreads, but for what an eventual volume can not keep to', async () => {
  const { volumes, settle } = await openBucket({}, 2)
  await volumes[0]!.changeSettings('docs', (before) => ({ ...before, tags: [['team', 'a']] }))
  await settle()
  const there = await volumes[1]!.openBucket('docs')
  assert.deepEqual(there.settings.tags, [['team', 'a']])
  assert.equal(there.info.owner, caller.principal)
  assert.equal(await volumes[1]!.openBucket('docs'), there)
  for (const settings of [{ encryption: { algorithm: 'AES256' } }, { lifecycle: [] }, { objectLock: {} }] as const)
    await assert.rejects(
      volumes[0]!.changeSettings('docs', () => settings),
      is('UNSUPPORTED'),
    )
  await assert.rejects(
    volumes[0]!.changeSettings('docs', () => ({ policy: 'p'.repeat(20_000) })),
    is('TOO_LARGE'),
  )
})
