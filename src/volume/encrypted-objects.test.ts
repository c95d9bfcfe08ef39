import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { nodeRandom as random } from '#platform/node-random.ts'
import { ContentKeys } from './content-cipher.ts'
import type { ObjectProperties, Objects, OpenObject } from './objects.ts'
import { caller, type Fixture, openFixture } from './volume-fixture.suite.ts'

const MIB = 1024 * 1024
const refused = (error: unknown) => isShoalError(error, 'NOT_PERMITTED')

interface Trial extends Fixture {
  readonly objects: Objects
  /** Puts encrypted contents, with a key of the client's if that is given. */
  put(key: string, bytes: Buffer, customerKey?: Buffer): Promise<ObjectProperties>
}

async function open(): Promise<Trial> {
  const fixture = await openFixture({ contentKeys: new ContentKeys(random.bytes(32), random) })
  const objects = await fixture.volumes.openObjects('docs')
  return {
    ...fixture,
    objects,
    async put(key, bytes, customerKey) {
      const made = objects.makeKey(customerKey)
      const properties = { encryption: made.encryption }
      await objects.put(key, bytes, { caller, properties: () => properties, key: made.key })
      return properties
    },
  }
}

async function openObject(objects: Objects, key: string): Promise<OpenObject> {
  const found = await objects.open(key)
  assert.ok(found !== undefined && 'file' in found)
  return found
}

async function read(open: OpenObject, range = { offset: 0, length: open.object.sizeBytes }): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of open.file.read(range)) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

test('contents of any size come back whole and in ranges, and no chunk has any of them', async () => {
  const { objects, put, chunks } = await open()
  for (const size of [0, 1, 100, 4_096, 4_097, 300_000, MIB - 28, MIB, 6 * MIB + 5]) {
    const bytes = random.bytes(size)
    await put('a', bytes)
    const opened = await openObject(objects, 'a')
    assert.equal(opened.object.sizeBytes, size)
    assert.deepEqual(await read(opened), bytes, `${size}`)
    for (const offset of [0, 1, Math.floor(size / 2), MIB - 29, MIB - 27, size - 1].filter((at) => at >= 0 && at < size))
      for (const length of [1, 70_000, size])
        assert.deepEqual(
          await read(opened, { offset, length }),
          bytes.subarray(offset, offset + length),
          `${size} ${offset} ${length}`,
        )
    opened.file.close()
  }
  await put('b', Buffer.from('a secret that is nowhere to be found'.repeat(100)))
  for await (const { id } of chunks.list()) assert.equal((await chunks.read(id)).includes('secret'), false)
})

test('other doors read what the node has the key of, and are refused what it has not', async () => {
  const { objects, put, volumes } = await open()
  const volume = await volumes.open('docs')
  const bytes = random.bytes(2 * MIB)
  await put('own', bytes)
  const file = await volume.openFile(['own'])
  assert.ok(file !== undefined)
  const pieces: Buffer[] = []
  for await (const piece of file.read({ offset: MIB - 100, length: 200 })) pieces.push(Buffer.from(piece))
  assert.deepEqual(Buffer.concat(pieces), bytes.subarray(MIB - 100, MIB + 100))
  file.close()
  const customerKey = random.bytes(32)
  await put('theirs', bytes, customerKey)
  await assert.rejects(volume.openFile(['theirs']), refused)
  const opened = await openObject(objects, 'theirs')
  await assert.rejects(read(opened), refused)
  assert.equal(opened.unlock(random.bytes(32)), false)
  await assert.rejects(read(opened), refused)
  assert.equal(opened.unlock(customerKey), true)
  assert.deepEqual(await read(opened), bytes)
  opened.file.close()
})

test('a part of an encrypted file is neither changed nor copied, and the file stays as it was', async () => {
  const { objects, put, volumes } = await open()
  const volume = await volumes.open('docs')
  const bytes = random.bytes(MIB + 100)
  await put('a', bytes)
  await volume.writeFile(['plain'], Buffer.alloc(MIB), { caller })
  await assert.rejects(volume.writeAt(['a'], { offset: 0, bytes: Buffer.from('x') }, caller), refused)
  await assert.rejects(volume.writeAt(['a'], { offset: 5_000, bytes: Buffer.alloc(9_000) }, caller), refused)
  await assert.rejects(volume.truncate(['a'], 10, caller), refused)
  const range = { sourceOffset: 0, targetOffset: 0, length: 100 }
  await assert.rejects(volume.copyRange({ source: ['a'], target: ['plain'], ...range }, caller), refused)
  await assert.rejects(volume.copyRange({ source: ['plain'], target: ['a'], ...range }, caller), refused)
  const opened = await openObject(objects, 'a')
  assert.deepEqual(await read(opened), bytes)
  opened.file.close()
  await volume.writeFile(['a'], Buffer.from('plain now'), { caller })
  assert.equal((await volume.openFile(['a']))?.bytes?.toString(), 'plain now')
})

test('a whole file keeps its encryption when it is copied, renamed, or kept as a version', async () => {
  const { objects, put, volumes } = await open()
  const volume = await volumes.open('docs')
  const bytes = random.bytes(MIB + 100)
  await put('a', bytes)
  await volume.copy(['a'], ['tree', 'copy'], { caller, createParents: true })
  await volume.copy(['tree'], ['trees'], { caller, recursive: true })
  await volume.rename(['a'], ['b'], { caller })
  for (const key of ['b', 'tree/copy', 'trees/copy']) {
    const opened = await openObject(objects, key)
    assert.deepEqual(await read(opened), bytes, key)
    opened.file.close()
  }
  await volumes.update('docs', { versioning: 'enabled' }, caller)
  await volume.writeFile(['b'], Buffer.from('new'), { caller })
  const old = await objects.open('b', 'null')
  assert.ok(old !== undefined && 'file' in old)
  assert.deepEqual(await read(old), bytes)
  old.file.close()
})

test('parts of an upload are encrypted with its one key, and copied ones anew', async () => {
  const { objects, put } = await open()
  const source = random.bytes(2 * MIB)
  await put('source', source)
  const { key, encryption } = objects.makeKey()
  const upload = await objects.beginUpload('a', { caller, properties: { encryption } })
  const first = random.bytes(MIB + 1)
  const options = { caller, checksum: () => undefined, key }
  async function* body() {
    yield first
  }
  await objects.putPart(upload, body(), { ...options, number: 1 })
  const opened = await openObject(objects, 'source')
  await objects.copyPart(upload, opened, { ...options, number: 2, offset: 1_000, length: MIB })
  opened.file.close()
  await objects.complete(upload, { caller, parts: await objects.listParts(upload), checksum: undefined })
  const whole = await openObject(objects, 'a')
  assert.deepEqual(await read(whole), Buffer.concat([first, source.subarray(1_000, 1_000 + MIB)]))
  whole.file.close()
})

test('a copy can be encrypted otherwise than its source, or not at all', async () => {
  const { objects, put } = await open()
  const bytes = random.bytes(MIB + 1)
  const encrypted = await put('source', bytes)
  const source = await openObject(objects, 'source')
  await objects.copy(source, 'shared', { caller, properties: encrypted })
  await objects.copy(source, 'plain', { caller, properties: {}, rewrite: { key: undefined } })
  const { key, encryption } = objects.makeKey()
  await objects.copy(source, 'other', { caller, properties: { encryption }, rewrite: { key } })
  source.file.close()
  for (const name of ['shared', 'plain', 'other']) {
    const opened = await openObject(objects, name)
    assert.deepEqual(await read(opened), bytes, name)
    opened.file.close()
  }
})

test('tags of what the node has no key of tell nothing of the contents', async () => {
  const { objects, put } = await open()
  const customerKey = random.bytes(32)
  const tags = new Set<string>()
  for (const key of ['a', 'b']) {
    await put(key, Buffer.from('the same'), customerKey)
    const found = await objects.find(key)
    assert.ok(found !== undefined && 'object' in found)
    assert.match(found.object.etag, /^[0-9a-f]{32}$/)
    tags.add(found.object.etag)
  }
  assert.equal(tags.size, 2)
})

test('a node without a master key encrypts nothing', async () => {
  const { volumes } = await openFixture()
  const objects = await volumes.openObjects('docs')
  assert.throws(
    () => objects.makeKey(),
    (error) => isShoalError(error, 'UNSUPPORTED'),
  )
})
