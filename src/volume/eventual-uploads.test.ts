import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { usedChunks } from '#eventual/chunk-uses.ts'
import { indexManifests, tidyManifests } from '#eventual/manifest-index.ts'
import type { Message } from '#eventual/message.ts'
import { settleLeft } from '#eventual/settle-left.ts'
import { isShoalError, type ErrorCode } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { eventualFixture } from './eventual-fixture.suite.ts'
import type { VolumeSettings } from './volume.ts'
import { bodyOf, caller, p, pattern, readAll } from './volume-fixture.suite.ts'

const MIB = 1024 * 1024
const is = (code: ErrorCode) => (error: unknown) => isShoalError(error, code)
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

async function open(settings: Partial<VolumeSettings> = {}, nodes = 1) {
  const fixture = await eventualFixture(nodes)
  await fixture.volumes[0]!.create('docs', settings, caller)
  await fixture.settle()
  return { ...fixture, volume: await fixture.volumes[0]!.open('docs') }
}

test('parts become a file in one step, under the conditions and with the attributes that the upload began with', async () => {
  const { volume } = await open({ chunkSizeBytes: MIB })
  const parts = [pattern(2 * MIB + 1, 1), Buffer.alloc(0), pattern(100, 2)]
  const begun = await volume.beginUpload(p('a/file'), {
    caller,
    createParents: true,
    attributes: { mode: 0o600, mtimeNs: 5_000_000_000n },
    conditions: { ifNoneMatch: '*' },
  })
  for (const [at, body] of parts.entries()) await volume.writePart(begun.id, { number: at + 1, body: bodyOf(body) })
  const found = await volume.findUpload(begun.id)
  assert.deepEqual(
    found?.parts.map(({ sizeBytes, sha256: digest }) => [sizeBytes, digest]),
    parts.map((body) => [body.length, sha256(body)]),
  )
  assert.equal(await volume.stat(p('a/file')), undefined)
  const whole = Buffer.concat(parts)
  await assert.rejects(volume.commitUpload(begun.id, { caller, expected: { sizeBytes: 7 } }), is('UPLOAD_INCOMPLETE'))
  await assert.rejects(
    volume.commitUpload(begun.id, { caller, expected: { sha256: sha256(Buffer.of(1)) } }),
    is('DIGEST_MISMATCH'),
  )
  const { attributes } = await volume.commitUpload(begun.id, {
    caller,
    expected: { sizeBytes: whole.length, sha256: sha256(whole) },
  })
  assert.deepEqual([attributes.mode, attributes.mtimeNs, attributes.sha256], [0o600, 5_000_000_000n, sha256(whole)])
  assert.ok((await readAll(await volume.openFile(p('a/file')))).equals(whole))
  const second = await volume.beginUpload(p('a/file'), { caller, conditions: { ifNoneMatch: '*' } })
  await volume.writePart(second.id, { number: 1, body: bodyOf('x') })
  await assert.rejects(volume.commitUpload(second.id, { caller }), is('PRECONDITION_FAILED'))
  assert.deepEqual(
    (await volume.listUploads()).uploads.map(({ id }) => id),
    [second.id],
  )
  await volume.abortUpload(second.id)
  await assert.rejects(volume.abortUpload(second.id), is('UPLOAD_NOT_FOUND'))
})

test('chunks of an upload are used until it ends, and one that has expired ends', async () => {
  const { volume, volumes, replicas, clock } = await open({ class: 'twice' })
  const bytes = pattern(5_000, 3)
  const chunk = sha256(bytes).toString('hex') as ChunkId
  const used = async () => (await usedChunks(replicas[0]!, [chunk])).get(chunk)
  const upload = await volume.beginUpload(p('file'), { caller })
  await volume.writePart(upload.id, { number: 1, body: bodyOf(bytes) })
  assert.deepEqual(await used(), ['twice'])
  await volume.writePart(upload.id, { number: 1, body: bodyOf('another') })
  assert.equal(await used(), undefined)
  await volume.writePart(upload.id, { number: 2, body: bodyOf(bytes) })
  assert.equal(await volumes[0]!.reapUploads(), 0)
  clock.advance(3_600_000)
  assert.equal(await volumes[0]!.reapUploads(), 1)
  assert.equal(await used(), undefined)
  assert.equal(await volume.findUpload(upload.id), undefined)
})

test('a file of more chunks than a version has room for is read whole and in ranges on every node, and keeps all of them', async () => {
  const { volume, volumes, replicas, nodes, chunks, clock, settle } = await open({ chunkSizeBytes: MIB }, 2)
  const count = 259
  // Two kinds of chunks, so that the store keeps little.
  const blocks = [pattern(MIB, 1), pattern(MIB, 2)] as const
  const block = (at: number): Buffer => blocks[at % 2] as Buffer
  async function* body() {
    for (let at = 0; at < count; at += 1) yield block(at)
  }
  const { attributes } = await volume.writeFile(p('long'), body(), { caller })
  assert.equal(attributes.sizeBytes, count * MIB)
  await settle()
  const there = await volumes[1]!.open('docs')
  const file = await there.openFile(p('long'))
  const read = Buffer.concat(await Array.fromAsync(file!.read({ offset: 257 * MIB - 5, length: 10 })))
  assert.ok(read.equals(Buffer.concat([block(256).subarray(-5), block(257).subarray(0, 5)])))
  const digest = createHash('sha256')
  for await (const piece of file!.read({ offset: 0, length: Infinity })) digest.update(piece)
  const expected = createHash('sha256')
  for (let at = 0; at < count; at += 1) expected.update(block(at))
  assert.deepEqual(digest.digest(), expected.digest())
  const extents = (await there.locate(p('long')))?.extents
  assert.deepEqual([extents?.length, extents?.at(-1)?.offset], [count, 258 * MIB])

  const ids = [...blocks.map((bytes) => sha256(bytes).toString('hex')), '0'.repeat(64)] as ChunkId[]
  for (const [at, replica] of replicas.entries()) {
    const classes = async () => {
      const used = await usedChunks(replica, ids)
      return ids.map((id) => used.get(id))
    }
    // Until the list has been looked up any chunk may be of it.
    assert.deepEqual(await classes(), [[], [], []], `node ${at}`)
    assert.equal(
      await indexManifests(
        replica,
        (chunk) => chunks.read(chunk),
        (error) => assert.fail(String(error)),
      ),
      0,
    )
    assert.deepEqual(await classes(), [['default'], ['default'], undefined])
    await tidyManifests(replica)
    assert.deepEqual(await classes(), [['default'], ['default'], undefined])
  }
  await there.remove(p('long'), { caller })
  await settle()
  // What was left stays until no member can have it any more.
  await tidyManifests(replicas[1]!)
  assert.equal((await usedChunks(replicas[1]!, ids)).size, 2)
  clock.advance(3_600_000)
  await settle()
  const peers = { running: () => [replicas[0]!.node], call: (_: unknown, message: Message) => nodes[0]!.answer(message) }
  assert.ok((await settleLeft(replicas[1]!, { peers })) > 0)
  await tidyManifests(replicas[1]!)
  assert.deepEqual([...(await usedChunks(replicas[1]!, ids))], [])
  const rows = await Array.fromAsync(
    replicas[1]!.store.range({ start: Buffer.from('\u00een', 'latin1'), end: Buffer.from('\u00eeo', 'latin1') }),
  )
  assert.deepEqual(rows, [])
})
