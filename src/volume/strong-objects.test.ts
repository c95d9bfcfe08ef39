import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { encodeName } from '#foundation/name.ts'
import { pathOfKey } from '#foundation/object-key.ts'
import type { ObjectInfo, Objects, OpenObject, PutOptions, VersionListing } from './objects.ts'
import { bodyOf, caller, type Fixture, openFixture, p, pattern, readAll } from './volume-fixture.suite.ts'

const options: PutOptions = { caller, properties: () => ({}) }
const md5 = (bytes: string | Buffer): string => createHash('md5').update(bytes).digest('hex')

async function openBucket(): Promise<Fixture & { objects: Objects }> {
  const fixture = await openFixture()
  return { ...fixture, objects: await fixture.volumes.openObjects('docs') }
}

async function keysOf(objects: Objects, listing: { prefix?: string; delimiter?: string; after?: string; limit?: number } = {}) {
  const { items, isTruncated } = await objects.list({ limit: 1_000, ...listing })
  return { names: items.map((item) => ('key' in item ? item.key : `(${item.commonPrefix})`)), isTruncated }
}

async function contentsOf(objects: Objects, key: string, versionId?: string): Promise<string> {
  const open = (await objects.open(key, versionId)) as OpenObject
  return (await readAll(open.file)).toString()
}

const versionsOf = ({ items }: VersionListing) =>
  items.map((item) => {
    if ('commonPrefix' in item) return `(${item.commonPrefix})`
    const { key, versionId, isLatest } = 'object' in item ? item.object : item.marker
    return `${key} ${'object' in item ? item.object.sizeBytes : 'marker'}${isLatest ? ' latest' : ''}${versionId === 'null' ? ' null' : ''}`
  })

test('an object is what was put, with its MD5 and its properties, and a file for every other door', async () => {
  const { objects, volume } = await openBucket()
  const properties = { contentType: 'text/plain', metadata: { colour: 'blue' }, tags: [['a', 'b']] as const }
  const put = await objects.put('a/b.txt', Buffer.from('hello'), { caller, properties: () => properties })
  assert.equal(put.etag, md5('hello'))
  const found = await objects.find('a/b.txt')
  assert.ok(found !== undefined && 'object' in found)
  assert.deepEqual(found.object.properties, properties)
  assert.equal(found.object.versionId, 'null')
  assert.equal((await readAll(await volume.openFile(p('a/b.txt')))).toString(), 'hello')
  const large = pattern(3_000_000)
  assert.equal((await objects.put('large', bodyOf(large), options)).etag, md5(large))
  assert.equal(md5(await readAll(await volume.openFile(p('large')))), md5(large))
})

test('what another door writes is an object with a stable tag that is no MD5, and a change through it drops the MD5', async () => {
  const { objects, volume } = await openBucket()
  await volume.writeFile(p('plain'), Buffer.from('one'), { caller })
  const first = (await objects.find('plain')) as { object: ObjectInfo }
  assert.match(first.object.etag, /^[0-9a-f]{32}-0$/)
  await objects.put('plain', Buffer.from('two'), {
    caller,
    properties: () => ({ contentType: 'x/y', checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' } }),
  })
  await volume.writeAt(p('plain'), { offset: 0, bytes: Buffer.from('T') }, caller)
  const changed = (await objects.find('plain')) as { object: ObjectInfo }
  assert.match(changed.object.etag, /-0$/)
  assert.deepEqual(changed.object.properties, { contentType: 'x/y' })
})

test('keys that paths can not carry are files with escaped names, and "a" stands beside "a/b"', async () => {
  const { objects, volume } = await openBucket()
  const keys = ['a', 'a/', 'a/b', 'a//b', '/lead', 'x/../y', './z', 'e/', 'n\0ul', `${'l'.repeat(300)}/m`, 'a-b']
  for (const key of keys) await objects.put(key, Buffer.from(key), options)
  const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  assert.deepEqual((await keysOf(objects)).names, sorted)
  for (const key of keys) assert.equal(await contentsOf(objects, key), key)
  assert.equal((await readAll(await volume.openFile(pathOfKey('a//b')))).toString(), 'a//b')
})

test('directories that S3 made go with the last object in them, and others stay', async () => {
  const { objects, volume } = await openBucket()
  await volume.makeDirectory(p('mine'), { caller })
  await objects.put('mine/a/b/c', Buffer.from('1'), options)
  await objects.put('mine/a/', Buffer.alloc(0), options)
  await objects.remove('mine/a/b/c', { caller })
  assert.equal(await volume.stat(p('mine/a/b')), undefined)
  assert.deepEqual((await volume.list(p('mine/a'))).entries, [])
  await objects.remove('mine/a/', { caller })
  assert.equal(await volume.stat(p('mine/a')), undefined)
  assert.equal((await volume.stat(p('mine')))?.type, 'directory')
})

test('a marker without contents is hidden from other doors, and goes with its directory', async () => {
  const { objects, volume } = await openBucket()
  await objects.put('d/', Buffer.alloc(0), options)
  assert.deepEqual(
    (await volume.list([], { recursive: true })).entries.map(({ path }) => path),
    [['d']],
  )
  await volume.remove(p('d'), { caller })
  assert.deepEqual((await keysOf(objects)).names, [])
})

const segment = fc.constantFrom('', 'a', 'b', 'a-', 'a0', 'ab', '.', '..', '\u2044', '\udcff', '\0', 'é')
const key = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('/'))
  .filter((text) => text !== '')

test('a listing is that of a sorted list of keys, whatever prefix, delimiter, start and page size', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key, { maxLength: 25 }),
      fc.oneof(fc.constant(''), key),
      fc.constantFrom('', '/', 'a', '-', '/a'),
      fc.option(key, { nil: undefined }),
      fc.integer({ min: 1, max: 6 }),
      async (keys, prefix, delimiter, after, limit) => {
        const { objects } = await openBucket()
        for (const each of keys) await objects.put(each, Buffer.from('x'), options)
        const expected = modelListing(keys, { prefix, delimiter, after })
        const listed: string[] = []
        for (let from = after; ;) {
          const page = await objects.list({ prefix, delimiter, limit, ...(from === undefined ? {} : { after: from }) })
          listed.push(...page.items.map((item) => ('key' in item ? item.key : item.commonPrefix)))
          const last = page.items.at(-1)
          if (!page.isTruncated || last === undefined) break
          from = 'key' in last ? last.key : last.commonPrefix
        }
        assert.deepEqual(listed, expected)
      },
    ),
    { numRuns: 300 },
  )
})

function modelListing(
  keys: readonly string[],
  { prefix, delimiter, after }: { prefix: string; delimiter: string; after: string | undefined },
): string[] {
  const order = (a: string, b: string) => Buffer.compare(encodeName(a), encodeName(b))
  const names = new Set<string>()
  for (const each of keys.toSorted(order)) {
    if (!each.startsWith(prefix)) continue
    const at = delimiter === '' ? -1 : each.indexOf(delimiter, prefix.length)
    const name = at < 0 ? each : each.slice(0, at + delimiter.length)
    // A start that is a common prefix stands for all that it covers.
    if (after !== undefined && (order(each, after) <= 0 || name === after)) continue
    names.add(name)
  }
  return [...names]
}

test('with versioning a replaced or removed object stays as a version, through whichever door', async () => {
  const { objects, volumes, volume } = await openBucket()
  await objects.put('k', Buffer.from('0'), options)
  await volumes.update('docs', { versioning: 'enabled' }, caller)
  const first = await objects.put('k', Buffer.from('22'), options)
  await volume.writeFile(p('k'), Buffer.from('333'), { caller })
  await volume.remove(p('k'), { caller })
  assert.deepEqual(versionsOf(await objects.listVersions({ limit: 100 })), ['k marker latest', 'k 3', 'k 2', 'k 1 null'])
  assert.equal(await contentsOf(objects, 'k', first.versionId), '22')
  assert.equal(await contentsOf(objects, 'k', 'null'), '0')
  assert.equal(await volume.stat(p('k')), undefined)
  const marker = await objects.find('k')
  assert.ok(marker !== undefined && 'marker' in marker)
  await objects.remove('k', { caller, versionId: marker.marker.versionId })
  assert.equal((await readAll(await volume.openFile(p('k')))).toString(), '333')
  await assert.rejects(volumes.update('docs', { versioning: 'off' }, caller), (error) => isShoalError(error, 'CONFLICT'))
})

test('while versioning is suspended there is one version "null", the last one written', async () => {
  const { objects, volumes } = await openBucket()
  await volumes.update('docs', { versioning: 'enabled' }, caller)
  await objects.put('k', Buffer.from('1'), options)
  await volumes.update('docs', { versioning: 'suspended' }, caller)
  await objects.put('k', Buffer.from('22'), options)
  await objects.put('k', Buffer.from('333'), options)
  assert.deepEqual(versionsOf(await objects.listVersions({ limit: 100 })), ['k 3 latest null', 'k 1'])
  await objects.remove('k', { caller })
  assert.deepEqual(versionsOf(await objects.listVersions({ limit: 100 })), ['k marker latest null', 'k 1'])
  await volumes.update('docs', { versioning: 'enabled' }, caller)
  await objects.put('k', Buffer.from('4444'), options)
  assert.deepEqual(versionsOf(await objects.listVersions({ limit: 100 })), ['k 4 latest', 'k marker null', 'k 1'])
})

test('a file moved by another door leaves its versions and a delete marker at the old key', async () => {
  const { objects, volumes, volume } = await openBucket()
  await volumes.update('docs', { versioning: 'enabled' }, caller)
  await objects.put('old', Buffer.from('1'), options)
  await objects.put('old', Buffer.from('22'), options)
  await volume.rename(p('old'), p('new'), { caller })
  assert.deepEqual(versionsOf(await objects.listVersions({ limit: 100 })), ['new 2 latest', 'old marker latest', 'old 1'])
})

test('versions are listed in pages of any size, newest first', async () => {
  const { objects, volumes } = await openBucket()
  await volumes.update('docs', { versioning: 'enabled' }, caller)
  for (const each of ['b', 'a', 'a/x', 'a', 'b', 'a/x', 'c/d/e']) await objects.put(each, Buffer.from(each), options)
  await objects.remove('a', { caller })
  const whole = await objects.listVersions({ limit: 100 })
  for (const limit of [1, 2, 3]) {
    const listed: VersionListing['items'][number][] = []
    let marker: { after?: string; afterVersion?: string } = {}
    for (;;) {
      const page = await objects.listVersions({ limit, ...marker })
      listed.push(...page.items)
      const last = page.items.at(-1)
      if (!page.isTruncated || last === undefined || 'commonPrefix' in last) break
      const { key: after, versionId: afterVersion } = 'object' in last ? last.object : last.marker
      marker = { after, afterVersion }
    }
    assert.deepEqual(versionsOf({ items: listed, isTruncated: false }), versionsOf(whole))
  }
  assert.deepEqual(versionsOf(await objects.listVersions({ limit: 9, delimiter: '/' })), [
    'a marker latest',
    'a 1',
    'a 1',
    '(a/)',
    'b 1 latest',
    'b 1',
    '(c/)',
  ])
})

test('a bucket with nothing but versions is not empty, and usage counts them', async () => {
  const { objects, volumes } = await openBucket()
  await volumes.update('docs', { versioning: 'enabled' }, caller)
  await objects.put('k', Buffer.from('12345'), options)
  await objects.remove('k', { caller })
  assert.deepEqual((await volumes.find('docs'))?.usage, { files: 1, bytes: 5 })
  await assert.rejects(volumes.remove('docs', { caller }), (error) => isShoalError(error, 'VOLUME_NOT_EMPTY'))
  const { items } = await objects.listVersions({ limit: 10 })
  for (const item of items) {
    if ('commonPrefix' in item) continue
    await objects.remove('k', { caller, versionId: ('object' in item ? item.object : item.marker).versionId })
  }
  assert.deepEqual((await volumes.find('docs'))?.usage, { files: 0, bytes: 0 })
  await volumes.remove('docs', { caller })
})

test('a bucket with nothing but directories counts as empty through S3, and one with a link in it does not', async () => {
  const { objects, volumes, volume } = await openBucket()
  await volume.makeDirectory(p('a'), { caller })
  await assert.rejects(volumes.remove('docs', { caller }), (error) => isShoalError(error, 'VOLUME_NOT_EMPTY'))
  await volume.makeSymlink(p('a/link'), Buffer.from('nowhere'), { caller })
  assert.deepEqual((await keysOf(objects)).names, [])
  await assert.rejects(volumes.removeBucket('docs', caller), (error) => isShoalError(error, 'VOLUME_NOT_EMPTY'))
  await volume.remove(p('a/link'), { caller })
  await volumes.removeBucket('docs', caller)
  assert.equal(await volumes.find('docs'), undefined)
})

test('what is on hold is kept until it is released, whatever is done through any door', async () => {
  const { objects, volume, volumes } = await openBucket()
  await volumes.update('docs', { versioning: 'enabled' }, caller)
  const { versionId } = await objects.put('k', Buffer.from('held'), { caller, properties: () => ({ legalHold: true }) })
  const isRefused = (error: unknown) => isShoalError(error, 'NOT_PERMITTED')
  await assert.rejects(volume.rename(p('k'), p('l'), { caller }), isRefused)
  await volume.link(p('k'), p('m'), caller)
  await assert.rejects(volume.writeAt(p('k'), { offset: 0, bytes: Buffer.from('x') }, caller), isRefused)
  await assert.rejects(objects.remove('k', { caller, versionId }), isRefused)
  await volume.writeFile(p('k'), Buffer.from('new'), { caller })
  await volume.remove(p('k'), { caller })
  assert.equal(await contentsOf(objects, 'k', versionId), 'held')
  await assert.rejects(objects.remove('k', { caller, versionId }), isRefused)
  await objects.change('k', { caller, versionId, change: () => ({}) })
  await objects.remove('k', { caller, versionId })
  assert.equal(await objects.find('k', versionId), undefined)
})

test('the first change in place keeps the contents as a version, and further ones are of the version that it made', async () => {
  const { objects, volume, volumes } = await openBucket()
  await volumes.update('docs', { versioning: 'enabled' }, caller)
  const large = pattern(6 * 1024 * 1024)
  for (const [key, bytes] of [
    ['inline', Buffer.from('0123456789')],
    ['embedded', large.subarray(0, 2_500_000)],
    ['table', large],
  ] as const) {
    const held = { caller, properties: () => ({ legalHold: true }) }
    const { versionId } = await objects.put(key, bodyOf(bytes), held)
    await volume.writeAt(p(key), { offset: 3, bytes: Buffer.from('abc') }, caller)
    await volume.writeAt(p(key), { offset: bytes.length, bytes: Buffer.from('end') }, caller)
    await volume.truncate(p(key), 7, caller)
    await volume.truncate(p(key), 0, caller)
    const kept = await readAll(((await objects.open(key, versionId)) as OpenObject).file)
    assert.equal(md5(kept), md5(bytes))
    const versions = (await objects.listVersions({ prefix: key, limit: 10 })).items
    assert.equal(versions.length, 2, key)
    assert.deepEqual(((await objects.find(key)) as { object: ObjectInfo }).object.properties, {})
  }
  const findings = []
  for await (const event of volumes.fsck({})) if (event.kind === 'finding') findings.push(event)
  assert.deepEqual(findings, [])
})

test('a copy has the same chunks, and its own properties', async () => {
  const { objects, volumes } = await openBucket()
  await volumes.create('other', {}, caller)
  const other = await volumes.openObjects('other')
  const bytes = pattern(2_500_000)
  await objects.put('from', bodyOf(bytes), options)
  const source = (await objects.open('from')) as OpenObject
  const copied = await other.copy(source, 'to/here', { caller, properties: { contentType: 'a/b' } })
  source.file.close()
  assert.equal(copied.etag, md5(bytes))
  assert.equal(md5(await readAll(((await other.open('to/here')) as OpenObject).file)), md5(bytes))
})

test('a copy that another door makes is as much of an object as its source', async () => {
  const { objects, volume } = await openBucket()
  const properties = { contentType: 'a/b', metadata: { c: 'd' } }
  const { etag } = await objects.put('from', Buffer.from('text'), { caller, properties: () => ({ ...properties, owner: 'x' }) })
  await volume.copy(p('from'), p('to'), { caller })
  const copied = (await objects.find('to')) as { object: ObjectInfo }
  assert.deepEqual([copied.object.etag, copied.object.properties], [etag, properties])
})

test('an upload in parts becomes one object of the parts chosen, by reference', async () => {
  const { objects, volumes } = await openBucket()
  const upload = await objects.beginUpload('m/p', { caller, properties: { contentType: 'x/z' } })
  const part = { caller, checksum: () => undefined }
  const bytes = [pattern(1_500_000, 2), pattern(1_500_000, 3), pattern(10, 4)]
  const parts = []
  for (const [index, each] of bytes.entries())
    parts.push(await objects.putPart(upload, bodyOf(each), { ...part, number: index + 1 }))
  await objects.putPart(upload, bodyOf('never taken'), { ...part, number: 9 })
  assert.deepEqual(await keysOf(objects), { names: [], isTruncated: false })
  assert.equal((await objects.listUploads('m/')).length, 1)
  const done = await objects.complete(upload, { caller, parts, checksum: undefined })
  const digests = Buffer.concat(bytes.map((each) => createHash('md5').update(each).digest()))
  assert.equal(done.etag, `${md5(digests)}-3`)
  assert.deepEqual(done.properties, {
    contentType: 'x/z',
    upload: upload.id,
    partSizes: [
      [2, 1_500_000],
      [1, 10],
    ],
  })
  assert.equal(md5(await readAll(((await objects.open('m/p')) as OpenObject).file)), md5(Buffer.concat(bytes)))
  assert.equal(await objects.findUpload('m/p', upload.id), undefined)
  const findings = []
  for await (const event of volumes.fsck({})) if (event.kind === 'finding') findings.push(event)
  assert.deepEqual(findings, [])
})

test('parts are taken from other objects by reference, also from small ones and of ranges', async () => {
  const { objects } = await openBucket()
  const bytes = pattern(2_500_000)
  await objects.put('large', bodyOf(bytes), options)
  await objects.put('small', Buffer.from('0123456789'), options)
  const upload = await objects.beginUpload('sum', { caller, properties: {} })
  const part = { caller, checksum: () => undefined }
  const large = (await objects.open('large')) as OpenObject
  const small = (await objects.open('small')) as OpenObject
  const parts = [
    await objects.copyPart(upload, large, { ...part, number: 1, offset: 7, length: 2_000_000 }),
    await objects.copyPart(upload, small, { ...part, number: 2, offset: 2, length: 3 }),
  ]
  large.file.close()
  small.file.close()
  await objects.complete(upload, { caller, parts, checksum: undefined })
  const expected = Buffer.concat([bytes.subarray(7, 2_000_007), Buffer.from('234')])
  assert.equal(md5(await readAll(((await objects.open('sum')) as OpenObject).file)), md5(expected))
})
