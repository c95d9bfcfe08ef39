import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { UploadId } from '#foundation/ids.ts'
import type { RequestMark } from '#foundation/request-mark.ts'
import type { Objects, ObjectUpload, OpenObject } from './objects.ts'
import type { BodyStream, Caller } from './volume.ts'
import { bodyOf, caller, type Fixture, openFixture, p, pattern } from './volume-fixture.suite.ts'

const CHUNKS = pattern(2_500_000)
const UNREAD: BodyStream = {
  [Symbol.asyncIterator]: () => assert.fail('nobody reads the body of what is done already'),
}

interface Case extends Fixture {
  readonly objects: Objects
  /** Of an upload that was begun before. */
  readonly upload: UploadId
  readonly multipart: ObjectUpload
}

async function open(): Promise<Case> {
  const fixture = await openFixture()
  const { volume, volumes } = fixture
  const objects = await volumes.openObjects('docs')
  for (const name of ['file', 'other']) await volume.writeFile(p(name), bodyOf(CHUNKS), { caller })
  await volume.writeFile(p('tree/a/b'), Buffer.from('in a tree'), { caller, createParents: true })
  await volume.writeXattr(p('file'), { name: 'user.x', value: Buffer.from('x') }, caller)
  const { id: upload } = await volume.beginUpload(p('uploaded'), { caller })
  await volume.writePart(upload, { number: 1, body: bodyOf('a part') })
  const multipart = await objects.beginUpload('in parts', { caller, properties: {} })
  await objects.putPart(multipart, bodyOf('a part'), { caller, number: 1, checksum: () => undefined })
  return { ...fixture, objects, upload, multipart }
}

type Change = (at: Case, caller: Caller, body: (content: Buffer) => BodyStream) => Promise<unknown>

/** Whatever changes a strong volume and is asked for by a request of its own. */
const CHANGES: Record<string, Change> = {
  'a small file': ({ volume }, by) => volume.writeFile(p('new'), Buffer.from('new'), { caller: by }),
  'a file of chunks': ({ volume }, by, body) => volume.writeFile(p('new'), body(CHUNKS), { caller: by }),
  'a file that must not be there': ({ volume }, by) =>
    volume.writeFile(p('new'), Buffer.from('new'), { caller: by, conditions: { ifNoneMatch: '*' } }),
  'bytes at an offset': ({ volume }, by) => volume.writeAt(p('file'), { offset: 5, bytes: CHUNKS.subarray(0, 9_000) }, by),
  'a few bytes at an offset': ({ volume }, by) => volume.writeAt(p('tree/a/b'), { offset: 5, bytes: Buffer.from('few') }, by),
  'no bytes at an offset': ({ volume }, by) => volume.writeAt(p('file'), { offset: 5, bytes: Buffer.alloc(0) }, by),
  'another length': ({ volume }, by) => volume.truncate(p('file'), 1_000_000, by),
  'a hole': ({ volume }, by) => volume.punch(p('file'), { offset: 10, length: 1_000 }, by),
  'a range that is set aside': ({ volume }, by) =>
    volume.reserve?.(p('file'), { offset: 10, length: 2_000_000, keepsSize: false }, by) ??
    Promise.reject(new Error('It can’t be')),
  'a range of another file': ({ volume }, by) =>
    volume.copyRange({ source: p('other'), sourceOffset: 0, target: p('file'), targetOffset: 7, length: 100_000 }, by),
  'a range of inline contents': ({ volume }, by) =>
    volume.copyRange({ source: p('tree/a/b'), sourceOffset: 0, target: p('file'), targetOffset: 7, length: 4 }, by),
  'a directory': ({ volume }, by) => volume.makeDirectory(p('directory'), { caller: by }),
  'a symbolic link': ({ volume }, by) => volume.makeSymlink(p('symlink'), Buffer.from('file'), { caller: by }),
  'a fifo': ({ volume }, by) => volume.makeNode(p('fifo'), { type: 'fifo', mode: 0o600 }, by),
  'a link': ({ volume }, by) => volume.link(p('file'), p('link'), by),
  'a move': ({ volume }, by) => volume.rename(p('file'), p('moved'), { caller: by }),
  'a copy': ({ volume }, by) => volume.copy(p('file'), p('copied'), { caller: by, replace: false }),
  'a copy of a tree': ({ volume }, by) => volume.copy(p('tree'), p('copied'), { caller: by, recursive: true }),
  'a removal': ({ volume }, by) => volume.remove(p('file'), { caller: by }),
  'a removal of a tree': ({ volume }, by) => volume.remove(p('tree'), { caller: by, recursive: true }),
  attributes: ({ volume }, by) => volume.setAttributes(p('file'), { mode: 0o600 }, by),
  'an extended attribute': ({ volume }, by) =>
    volume.writeXattr(p('file'), { name: 'user.y', value: Buffer.from('y'), mode: 'create' }, by),
  'an extended attribute that goes': ({ volume }, by) => volume.removeXattr(p('file'), 'user.x', by),
  'the beginning of an upload': ({ volume }, by) => volume.beginUpload(p('later'), { caller: by }),
  'a part of an upload': ({ volume, upload }, by, body) =>
    volume.writePart(upload, { number: 2, body: body(CHUNKS), caller: by }),
  'the commit of an upload': ({ volume, upload }, by) => volume.commitUpload(upload, { caller: by }),
  'the end of an upload': ({ volume, upload }, by) => volume.abortUpload(upload, by),
  'a volume': ({ volumes }, by) => volumes.create('another', { quotaFiles: 7 }, by),
  'a policy': ({ volumes }, by) => volumes.update('docs', { quotaFiles: 1_000 }, by),
  'a volume that goes': ({ volumes }, by) => volumes.remove('docs', { caller: by, force: true }),
  'an object': ({ objects }, by, body) =>
    objects.put('new', body(CHUNKS), { caller: by, properties: () => ({ contentType: 'a/b' }) }),
  'a copied object': async ({ objects }, by) => {
    const before = await objects.recall?.('copied', by)
    if (before !== undefined) return before
    const source = (await objects.open('file')) as OpenObject
    const copied = await objects.copy(source, 'copied', { caller: by, properties: {} })
    source.file.close()
    return copied
  },
  'a removed object': ({ objects }, by) => objects.remove('file', { caller: by }),
  'the beginning of a multipart upload': ({ objects }, by) => objects.beginUpload('later', { caller: by, properties: {} }),
  'a part of a multipart upload': ({ objects, multipart }, by, body) =>
    objects.putPart(multipart, body(CHUNKS), { caller: by, number: 2, checksum: () => undefined }),
  'the end of a multipart upload': async ({ objects, multipart }, by) =>
    (await objects.recall?.(multipart.key, by)) ??
    objects.complete(multipart, { caller: by, parts: await objects.listParts(multipart), checksum: undefined }),
}

const mark = (given: Partial<RequestMark> = {}): RequestMark => ({
  origin: 'door',
  id: Buffer.from('the request'),
  fingerprint: Buffer.alloc(16, 1),
  arrival: 'first',
  isRepeat: false,
  isQuestion: false,
  ...given,
})

/** All that is stored, but for results that are remembered. */
async function rowsOf({ kv }: Case): Promise<string[]> {
  const rows = []
  for await (const { key, value } of kv.range({})) {
    const isRemembered = key.readUInt32BE(0) === 0 && key.readUInt32BE(4) === 0 && key[8] === 0x4d
    // Chunks that a second try has stored in vain are the collector's.
    const isGarbage = key[8] === 0x67 || key[8] === 0x72
    if (!isRemembered && !isGarbage) rows.push(`${key.toString('hex')} ${value.toString('hex')}`)
  }
  return rows
}

for (const [what, change] of Object.entries(CHANGES)) {
  describe(`${what}, asked for again`, () => {
    test('gets the first answer, and changes nothing', async () => {
      const at = await open()
      const first = await change(at, { ...caller, request: mark() }, (content) => bodyOf(content))
      at.clock.advance(1_000)
      const before = await rowsOf(at)
      const again = await change(at, { ...caller, request: mark({ isRepeat: true }) }, () => UNREAD)
      assert.deepEqual(again, first)
      assert.deepEqual(await rowsOf(at), before)
    })

    test('while the first is under way is done once', async () => {
      const at = await open()
      const request = mark()
      const ask = () => change(at, { ...caller, request }, (content) => bodyOf(content))
      const [first, second] = await Promise.allSettled([ask(), ask()])
      const done = [first, second].flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      // Whoever looks before it changes may see that it is done, and come again.
      assert.ok(done.length > 0, `${String((first as PromiseRejectedResult).reason)}`)
      const last = await change(at, { ...caller, request: mark({ isRepeat: true }) }, () => UNREAD)
      for (const one of done) assert.deepEqual(one, last)
    })

    test('without a result to be found is done', async () => {
      const at = await open()
      const again = await change(at, { ...caller, request: mark({ isRepeat: true }) }, (content) => bodyOf(content))
      const third = await change(at, { ...caller, request: mark({ isRepeat: true }) }, () => UNREAD)
      assert.deepEqual(third, again)
    })
  })
}

for (const what of [
  'a file of chunks',
  'a part of an upload',
  'bytes at an offset',
  'an object',
  'a part of a multipart upload',
]) {
  const change = CHANGES[what] as Change

  test(`a question about ${what} is answered if it was done`, async () => {
    const at = await open()
    const first = await change(at, { ...caller, request: mark() }, (content) => bodyOf(content))
    assert.deepEqual(await change(at, { ...caller, request: mark({ isRepeat: true, isQuestion: true }) }, () => UNREAD), first)
  })

  test(`a question about ${what} that was not done sees to it that it will not be, unless it is sent anew`, async () => {
    const at = await open()
    const question = { ...caller, request: mark({ isRepeat: true, isQuestion: true }) }
    await assert.rejects(
      change(at, question, () => UNREAD),
      { code: 'UNAVAILABLE', message: /nothing was done/, details: {} },
    )
    const before = await rowsOf(at)
    await assert.rejects(
      change(at, { ...caller, request: mark() }, (content) => bodyOf(content)),
      { code: 'UNAVAILABLE', message: /nothing was done/ },
    )
    assert.deepEqual(await rowsOf(at), before)
    await change(at, { ...caller, request: mark({ arrival: 'second' }) }, (content) => bodyOf(content))
  })
}

test('results are swept once nobody can come again', async () => {
  const at = await open()
  const request = mark()
  const ask = () => at.volume.makeDirectory(p('directory'), { caller: { ...caller, request } })
  await ask()
  at.clock.advance(61_000)
  await at.volumes.collect()
  await ask()
  at.clock.advance(61_000)
  await at.volumes.collect()
  await assert.rejects(ask(), { code: 'ALREADY_EXISTS' })
})
