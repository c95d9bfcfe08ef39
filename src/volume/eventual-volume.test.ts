import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError, type ErrorCode } from '#foundation/errors.ts'
import { entityTag } from '#metadata/attributes.ts'
import { eventualFixture } from './eventual-fixture.suite.ts'
import type { EventualVolume } from './eventual-volume.ts'
import type { VolumeSettings } from './volume.ts'
import { bodyOf, caller, p, pattern, readAll } from './volume-fixture.suite.ts'

const MIB = 1024 * 1024
const is = (code: ErrorCode) => (error: unknown) => isShoalError(error, code)
const write = (volume: EventualVolume, path: string, body: string | Buffer) =>
  volume.writeFile(p(path), Buffer.from(body as Buffer), { caller, createParents: true })

async function docs(settings: Partial<VolumeSettings> = {}): Promise<EventualVolume> {
  const { volumes } = await eventualFixture()
  await volumes[0]!.create('docs', settings, caller)
  return volumes[0]!.open('docs')
}

async function names(
  volume: EventualVolume,
  path: string,
  options: { recursive?: boolean; limit?: number } = {},
): Promise<string[]> {
  const found: string[] = []
  for (let cursor: string | undefined; ;) {
    const { entries, next } = await volume.list(p(path), { ...options, ...(cursor === undefined ? {} : { cursor }) })
    found.push(...entries.map((entry) => entry.path.join('/') + (entry.attributes.type === 'directory' ? '/' : '')))
    if (next === undefined) return found
    cursor = next
  }
}

test('contents of every size come back exact, whole and in ranges', async () => {
  const volume = await docs({ chunkSizeBytes: MIB })
  for (const size of [0, 1, 4096, 4097, MIB, MIB + 1, 3 * MIB + 7]) {
    const bytes = pattern(size, size + 1)
    const { attributes } = await volume.writeFile(p('file'), bodyOf(bytes), { caller, expected: { sizeBytes: size } })
    assert.equal(attributes.sizeBytes, size)
    assert.ok((await readAll(await volume.openFile(p('file')))).equals(bytes), `${size} bytes`)
    const file = await volume.openFile(p('file'))
    const [offset, length] = [Math.floor(size / 3), Math.ceil(size / 2)]
    const pieces = await Array.fromAsync(file!.read({ offset, length }))
    assert.ok(Buffer.concat(pieces).equals(bytes.subarray(offset, offset + length)))
  }
  await assert.rejects(
    volume.writeFile(p('file'), bodyOf('short'), { caller, expected: { sizeBytes: 9 } }),
    is('INCOMPLETE_BODY'),
  )
})

test('a directory is there while anything is in it, or once it was made', async () => {
  const volume = await docs()
  await write(volume, 'a/b/c', 'x')
  assert.equal((await volume.stat(p('a')))?.type, 'directory')
  assert.equal((await volume.stat(p('a/b')))?.type, 'directory')
  await volume.remove(p('a/b/c'), { caller })
  assert.equal(await volume.stat(p('a')), undefined)
  await volume.makeDirectory(p('made'), { caller })
  await assert.rejects(volume.makeDirectory(p('made'), { caller }), is('ALREADY_EXISTS'))
  await assert.rejects(volume.writeFile(p('made'), Buffer.from('x'), { caller }), is('IS_A_DIRECTORY'))
  await assert.rejects(volume.writeFile(p('none/x'), Buffer.from('x'), { caller }), is('NOT_FOUND'))
  await write(volume, 'made/file', 'x')
  await assert.rejects(volume.remove(p('made'), { caller }), is('DIRECTORY_NOT_EMPTY'))
  await volume.remove(p('made'), { caller, recursive: true })
  assert.deepEqual(await names(volume, '', { recursive: true }), [])
})

test('listings name everything once, in order, whatever the size of their pages', async () => {
  const volume = await docs()
  for (const path of ['a', 'a-b', 'dir/one', 'dir/sub/deep/two', 'dir/sub/three', 'z']) await write(volume, path, path)
  await volume.makeDirectory(p('dir/empty'), { caller })
  const all = ['a', 'a-b', 'dir/', 'dir/empty/', 'dir/one', 'dir/sub/', 'dir/sub/deep/', 'dir/sub/deep/two', 'dir/sub/three', 'z']
  for (const limit of [1, 2, 3, 1000]) {
    assert.deepEqual(await names(volume, '', { recursive: true, limit }), all)
    assert.deepEqual(await names(volume, '', { limit }), ['a', 'a-b', 'dir/', 'z'])
    assert.deepEqual(await names(volume, 'dir', { limit }), ['empty/', 'one', 'sub/'])
  }
  await assert.rejects(volume.list(p('a')), is('NOT_A_DIRECTORY'))
  await assert.rejects(volume.list(p('none')), is('NOT_FOUND'))
  await assert.rejects(volume.list(p(''), { cursor: 'no cursor!' }), is('INVALID_ARGUMENT'))
})

test('conditions hold in the moment of the change, as this node knows it', async () => {
  const volume = await docs()
  const ifAbsent = { caller, conditions: { ifNoneMatch: '*' } } as const
  const { attributes } = await volume.writeFile(p('file'), Buffer.from('1'), ifAbsent)
  await assert.rejects(volume.writeFile(p('file'), Buffer.from('2'), ifAbsent), is('PRECONDITION_FAILED'))
  const ifSame = { caller, conditions: { ifMatch: [entityTag(attributes)] } }
  const second = await volume.writeFile(p('file'), Buffer.from('2'), ifSame)
  assert.notEqual(entityTag(second.attributes), entityTag(attributes))
  await assert.rejects(volume.writeFile(p('file'), Buffer.from('3'), ifSame), is('PRECONDITION_FAILED'))
  await assert.rejects(volume.remove(p('file'), ifSame), is('PRECONDITION_FAILED'))
  assert.equal(String(await readAll(await volume.openFile(p('file')))), '2')
})

test('a volume with cas takes no write over a version that is not named', async () => {
  const volume = await docs({ onConflict: 'cas' })
  const { attributes } = await write(volume, 'file', '1')
  await assert.rejects(write(volume, 'file', '2'), is('PRECONDITION_FAILED'))
  await volume.writeFile(p('file'), Buffer.from('2'), { caller, conditions: { ifMatch: [entityTag(attributes)] } })
})

test('files and trees are renamed and copied, and changed in ranges', async () => {
  const volume = await docs()
  await write(volume, 'src/a', 'first')
  await write(volume, 'src/sub/b', 'second')
  await volume.rename(p('src'), p('dst'), { caller })
  assert.deepEqual(await names(volume, '', { recursive: true }), ['dst/', 'dst/a', 'dst/sub/', 'dst/sub/b'])
  await volume.copy(p('dst'), p('copy'), { caller, recursive: true })
  await volume.copy(p('dst/a'), p('copy/sub/b'), { caller, replace: true })
  assert.equal(String(await readAll(await volume.openFile(p('copy/sub/b')))), 'first')
  await assert.rejects(volume.rename(p('dst/a'), p('copy/a'), { caller, mode: 'no-replace' }), is('ALREADY_EXISTS'))
  await assert.rejects(volume.rename(p('dst'), p('copy'), { caller }), is('ALREADY_EXISTS'))
  await volume.writeAt(p('dst/a'), { offset: 7, bytes: Buffer.from('gap') })
  assert.equal(String(await readAll(await volume.openFile(p('dst/a')))), 'first\0\0gap')
  await volume.truncate(p('dst/a'), 3, caller)
  await volume.copyRange({ source: p('copy/a'), sourceOffset: 2, target: p('dst/a'), targetOffset: 1, length: 2 })
  assert.equal(String(await readAll(await volume.openFile(p('dst/a')))), 'frs')
})

test('of a file and a directory of one name the directory is removed, renamed and changed, and then the file shows again', async () => {
  const volume = await docs()
  const both = async () => {
    await write(volume, 'k', 'file')
    await write(volume, 'k/in', 'in')
  }
  await both()
  await volume.setAttributes(p('k'), { mode: 0o700 })
  assert.deepEqual(await names(volume, '', { recursive: true }), ['k', 'k/', 'k/in'])
  await assert.rejects(volume.remove(p('k'), { caller }), is('DIRECTORY_NOT_EMPTY'))
  await volume.rename(p('k'), p('moved'), { caller })
  assert.deepEqual(await names(volume, '', { recursive: true }), ['k', 'moved/', 'moved/in'])
  assert.deepEqual([(await volume.stat(p('k')))?.mode, (await volume.stat(p('moved')))?.mode], [0o644, 0o700])
  await both()
  await volume.remove(p('k'), { caller, recursive: true })
  assert.equal(String(await readAll(await volume.openFile(p('k')))), 'file')
})

test('a range of a long file is what was written, and chunks in which nothing changes are not written again', async () => {
  const { volumes } = await eventualFixture()
  await volumes[0]!.create('docs', { chunkSizeBytes: MIB }, caller)
  const volume = await volumes[0]!.open('docs')
  const chunksOf = async () => (await volume.locate(p('file')))!.extents.map(({ chunk }) => chunk)
  let model = pattern(5 * MIB + 1000, 1)
  await volume.writeFile(p('file'), bodyOf(model), { caller })
  for (const [offset, length] of [
    [model.length, 10],
    [0, 1],
    [2 * MIB - 5, 10],
    [3 * MIB, MIB],
    [5 * MIB + 2000, MIB + 500],
    [MIB + 7, 4 * MIB],
    [0, 7 * MIB],
  ] as const) {
    const bytes = pattern(length, offset + length)
    const before = await chunksOf()
    const { sizeBytes } = await volume.writeAt(p('file'), { offset, bytes })
    const longer = Buffer.alloc(Math.max(model.length, offset + length))
    model.copy(longer)
    bytes.copy(longer, offset)
    const touched = (at: number) => (at + 1) * MIB > Math.min(offset, model.length) && at * MIB < offset + length
    model = longer
    assert.equal(sizeBytes, model.length)
    assert.ok((await readAll(await volume.openFile(p('file')))).equals(model), `${length} bytes at ${offset}`)
    const after = await chunksOf()
    assert.equal(after.length, Math.ceil(model.length / MIB))
    for (const [at, chunk] of before.entries()) if (!touched(at)) assert.equal(after[at], chunk, `chunk ${at}`)
  }
  await volume.punch(p('file'), { offset: MIB, length: 3 * MIB })
  model.fill(0, MIB, 4 * MIB)
  await volume.truncate(p('file'), model.length + MIB, caller)
  assert.ok((await readAll(await volume.openFile(p('file')))).equals(Buffer.concat([model, Buffer.alloc(MIB)])))
  await volume.truncate(p('file'), 10, caller)
  assert.ok((await readAll(await volume.openFile(p('file')))).equals(model.subarray(0, 10)))
})

test('attributes and extended attributes stay when contents change; links lead on', async () => {
  const volume = await docs()
  await write(volume, 'file', '1')
  await volume.setAttributes(p('file'), { mode: 0o600, uid: 7 })
  await volume.writeXattr(p('file'), { name: 'user.note', value: Buffer.from('n') })
  await write(volume, 'file', '2')
  const attributes = await volume.stat(p('file'))
  assert.deepEqual([attributes?.mode, attributes?.uid], [0o600, 7])
  assert.equal(String(await volume.readXattr(p('file'), 'user.note')), 'n')
  await volume.removeXattr(p('file'), 'user.note')
  await assert.rejects(volume.removeXattr(p('file'), 'user.note'), is('XATTR_NOT_FOUND'))
  await volume.makeSymlink(p('link'), Buffer.from('file'), { caller })
  assert.equal(String(await readAll(await volume.openFile(p('link'), { follow: true }))), '2')
  await volume.makeSymlink(p('round'), Buffer.from('round'), { caller })
  await assert.rejects(volume.openFile(p('round'), { follow: true }), is('TOO_MANY_SYMLINKS'))
  await assert.rejects(volume.link(p('file'), p('hard')), is('UNSUPPORTED'))
})

test('of two writes that did not know of each other one shows, and the other can be restored or dropped', async () => {
  const { volumes, clock, settle } = await eventualFixture(2)
  await volumes[0]!.create('docs', {}, caller)
  await settle()
  const [here, there] = [await volumes[0]!.open('docs'), await volumes[1]!.open('docs')]
  await write(here, 'plan', 'earlier')
  clock.advance(10)
  await write(there, 'plan', 'later')
  await settle()
  for (const volume of [here, there]) {
    assert.equal(String(await readAll(await volume.openFile(p('plan')))), 'later')
    const { conflicts } = await volume.conflicts.list({})
    assert.deepEqual(
      conflicts.map(({ path, versions }) => [path, versions.map(({ attributes }) => attributes?.sizeBytes)]),
      [[['plan'], [5, 7]]],
    )
  }
  const [, lost] = await here.conflicts.show(p('plan'))
  await here.conflicts.restore(p('plan'), lost!.id)
  await settle()
  assert.equal(String(await readAll(await there.openFile(p('plan')))), 'earlier')
  assert.deepEqual((await there.conflicts.list({})).conflicts, [])
  await assert.rejects(here.conflicts.drop(p('plan'), lost!.id), is('NOT_FOUND'))
  await assert.rejects(here.conflicts.drop(p('plan'), 'what'), is('INVALID_ARGUMENT'))
})

test('who writes over the version that he has read replaces it, and what others have written since stays beside his', async () => {
  const { volumes, settle, clock } = await eventualFixture(2)
  await volumes[0]!.create('docs', {}, caller)
  await settle()
  const [here, there] = [await volumes[0]!.open('docs'), await volumes[1]!.open('docs')]
  const put = (volume: EventualVolume, body: string, base: string) =>
    volume.writeFile(p('plan'), Buffer.from(body), { caller, base })
  const lost = async () => (await here.conflicts.show(p('plan'))).slice(1).map(({ attributes }) => attributes?.sizeBytes)
  const read = entityTag((await write(here, 'plan', 'read by both')).attributes)
  await settle()
  const next = entityTag((await put(here, 'one', read)).attributes)
  assert.deepEqual(await lost(), [])
  clock.advance(10)
  await write(there, 'plan', 'heard of too late')
  await settle()
  assert.deepEqual(await lost(), [3], 'two nodes wrote at once')
  clock.advance(10)
  await put(here, 'two by two', next)
  assert.equal(String(await readAll(await here.openFile(p('plan')))), 'two by two')
  assert.deepEqual(await lost(), [17])
  await settle()
  assert.equal(String(await readAll(await there.openFile(p('plan')))), 'two by two')
  assert.deepEqual(
    (await there.conflicts.show(p('plan'))).map(({ attributes }) => attributes?.sizeBytes),
    [10, 17],
  )
})

test('on a volume with cas a version that was read counts as one that is named', async () => {
  const volume = await docs({ onConflict: 'cas' })
  const first = entityTag((await write(volume, 'plan', 'first')).attributes)
  const put = (body: string, base: string) => volume.writeFile(p('plan'), Buffer.from(body), { caller, base })
  await put('second', first)
  await assert.rejects(put('third', first), is('PRECONDITION_FAILED'))
})

test('both of two writes have the same entity tag on every node, and a reading by a quorum sees the newest', async () => {
  const { volumes, settle } = await eventualFixture(3)
  await volumes[0]!.create('docs', {}, caller)
  await settle()
  const [here, there] = [await volumes[0]!.open('docs'), await volumes[2]!.open('docs')]
  const { attributes } = await write(here, 'file', 'newest')
  assert.equal(await there.stat(p('file')), undefined)
  await there.consult(p('file'), 'all')
  assert.equal(entityTag((await there.stat(p('file')))!), entityTag(attributes))
})

test('an eventual volume promises no quota and no versions, and says what it has', async () => {
  const { volumes } = await eventualFixture()
  await assert.rejects(volumes[0]!.create('docs', { quotaBytes: 1 }, caller), is('UNSUPPORTED'))
  await assert.rejects(volumes[0]!.create('docs', { versioning: 'enabled' }, caller), is('UNSUPPORTED'))
  await volumes[0]!.create('docs', { keep: 'everywhere', onConflict: 'keep-both' }, caller)
  await write(await volumes[0]!.open('docs'), 'a/b', 'four')
  const info = await volumes[0]!.find('docs')
  assert.deepEqual(info?.eventual, { onConflict: 'keep-both', keep: 'everywhere' })
  assert.deepEqual(info?.usage, { bytes: 4, files: 1 })
  await assert.rejects(volumes[0]!.remove('docs', {}), is('VOLUME_NOT_EMPTY'))
  await volumes[0]!.remove('docs', { force: true })
  assert.equal(volumes[0]!.has('docs'), false)
})

test('every node tells who moves chunks of a volume with another class, once it has heard of it', async () => {
  const { volumes, classChanges, settle } = await eventualFixture(2)
  await volumes[0]!.create('docs', {}, caller)
  await settle()
  await volumes[0]!.update('docs', { onConflict: 'cas' })
  await settle()
  assert.deepEqual(classChanges, [0, 0])
  await volumes[0]!.update('docs', { class: 'archive' })
  await settle()
  assert.deepEqual(classChanges, [1, 1])
})
