import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import { openMemoryStore } from '#kv/memory.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import { FeedQuestions } from './feed-questions.ts'
import { bodyOf, caller, ManualClock, openFixture, p, pattern, readAll } from './volume-fixture.suite.ts'

const MiB = 1024 * 1024

test('contents of every size around the limits come back exact, with their digest', async () => {
  const { volume } = await openFixture()
  for (const size of [0, 1, 4095, 4096, 4097, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, MiB - 1, MiB, MiB + 1, 5 * MiB + 17]) {
    const bytes = pattern(size, size + 1)
    const { attributes, created } = await volume.writeFile(p(`f${size}`), bodyOf(bytes), { caller, digest: true })
    assert.equal(created, true)
    assert.equal(attributes.sizeBytes, size)
    assert.deepEqual(attributes.sha256, createHash('sha256').update(bytes).digest(), `${size}`)
    assert.ok(bytes.equals(await readAll(await volume.openFile(p(`f${size}`)))), `${size}`)
  }
})

test('any range of a file of several chunks reads exact', async () => {
  const { volume } = await openFixture()
  const bytes = pattern(7 * MiB + 123)
  await volume.writeFile(p('big'), bodyOf(bytes), { caller })
  const file = await volume.openFile(p('big'))
  for (const [offset, length] of [
    [0, 1],
    [MiB - 1, 2],
    [3 * MiB - 7, 2 * MiB + 9],
    [7 * MiB, 1000],
    [7 * MiB + 122, 1],
    [8 * MiB, 5],
  ] as const) {
    const pieces: Buffer[] = []
    for await (const piece of file?.read({ offset, length }) ?? []) pieces.push(Buffer.from(piece))
    assert.ok(Buffer.concat(pieces).equals(bytes.subarray(offset, offset + length)), `${offset}+${length}`)
  }
})

test('a reader goes on with the old contents when the file is replaced, removed and collected in the middle', async () => {
  const { volume, volumes, clock } = await openFixture()
  const bytes = pattern(6 * MiB)
  await volume.writeFile(p('big'), bodyOf(bytes), { caller })
  const file = await volume.openFile(p('big'))
  await volume.writeFile(p('big'), bodyOf('new'), { caller })
  await volume.remove(p('big'), { caller })
  clock.advance(10_000)
  await volumes.collect()
  clock.advance(10_000)
  await volumes.collect()
  assert.ok(bytes.equals(await readAll(file)))
})

test('what nothing uses is gone from the chunk store after the grace, and what is used stays', async () => {
  const { volume, volumes, chunks, clock } = await openFixture()
  const shared = pattern(MiB, 5)
  await volume.writeFile(p('a'), bodyOf(shared, pattern(6 * MiB, 9)), { caller })
  await volume.writeFile(p('b'), bodyOf(shared), { caller })
  await volume.remove(p('a'), { caller })
  await volumes.collect()
  assert.equal((await chunks.usage()).chunks, 7)
  clock.advance(2_000)
  await volumes.collect()
  clock.advance(2_000)
  await volumes.collect()
  assert.equal((await chunks.usage()).chunks, 1)
  assert.ok(shared.equals(await readAll(await volume.openFile(p('b')))))
  assert.deepEqual((await volumes.find('docs'))?.usage, { files: 1, bytes: MiB })
})

test('a body that fails leaves the path as it was, and its chunks to the collector', async () => {
  const { volume, volumes, chunks, clock } = await openFixture()
  await volume.writeFile(p('f'), bodyOf('before'), { caller })
  const broken = async function* () {
    yield pattern(3 * MiB)
    throw new Error('the line went dead')
  }
  await assert.rejects(volume.writeFile(p('f'), broken(), { caller }), /line went dead/)
  assert.equal(String(await readAll(await volume.openFile(p('f')))), 'before')
  clock.advance(2_000)
  await volumes.collect()
  assert.equal((await chunks.usage()).chunks, 0)
})

test('a wrong length or digest changes nothing', async () => {
  const { volume } = await openFixture()
  const wrong = [
    { expected: { sizeBytes: 5 }, code: 'INVALID_ARGUMENT' },
    { expected: { sizeBytes: 7 }, code: 'INCOMPLETE_BODY' },
    { expected: { sha256: Buffer.alloc(32) }, code: 'DIGEST_MISMATCH' },
    { expected: { md5: Buffer.alloc(16) }, code: 'DIGEST_MISMATCH' },
  ]
  for (const { expected, code } of wrong) {
    await assert.rejects(volume.writeFile(p('f'), bodyOf('sixsix'), { caller, expected }), { code })
    assert.equal(await volume.stat(p('f')), undefined)
  }
})

test('a file of very many chunks goes through a session of its own and is published in one step', async () => {
  const { volume, volumes, chunks, clock } = await openFixture()
  const body = async function* () {
    for (let index = 0; index < 1_300; index += 1) yield pattern(MiB, (index % 3) + 1)
  }
  const { attributes } = await volume.writeFile(p('huge'), body(), { caller })
  assert.equal(attributes.sizeBytes, 1_300 * MiB)
  assert.equal((await volume.listUploads()).uploads.length, 0)
  assert.equal((await chunks.usage()).chunks, 3)
  const file = await volume.openFile(p('huge'))
  let at = 0
  for await (const piece of file?.read({ offset: 0, length: 1_300 * MiB }) ?? []) {
    if (at % (100 * MiB) === 0)
      assert.ok(
        pattern(MiB, ((at / MiB) % 3) + 1)
          .subarray(0, piece.length)
          .equals(piece),
      )
    at += piece.length
  }
  file?.close()
  assert.equal(at, 1_300 * MiB)
  await volume.remove(p('huge'), { caller })
  for (let round = 0; round < 3; round += 1) {
    clock.advance(2_000)
    await volumes.collect()
  }
  assert.equal((await chunks.usage()).chunks, 0)
})

test('parts in any order become the file at the commit, and not before', async () => {
  const { volume } = await openFixture()
  const { id } = await volume.beginUpload(p('dir/up'), { caller, createParents: true })
  const parts = [pattern(2 * MiB, 1), pattern(100, 2), pattern(MiB + 5, 3)]
  for (const number of [3, 1, 2]) await volume.writePart(id, { number, body: bodyOf(parts[number - 1] as Buffer) })
  assert.equal(await volume.stat(p('dir')), undefined)
  await assert.rejects(volume.commitUpload(id, { caller, expected: { sizeBytes: 1 } }), { code: 'UPLOAD_INCOMPLETE' })
  const sha256 = createHash('sha256').update(Buffer.concat(parts)).digest()
  await assert.rejects(volume.commitUpload(id, { caller, expected: { sha256: Buffer.alloc(32) } }), { code: 'DIGEST_MISMATCH' })
  const { attributes } = await volume.commitUpload(id, { caller, expected: { sha256 } })
  assert.deepEqual(attributes.sha256, sha256)
  assert.ok(Buffer.concat(parts).equals(await readAll(await volume.openFile(p('dir/up')))))
  await assert.rejects(volume.commitUpload(id, { caller }), { code: 'UPLOAD_NOT_FOUND' })
})

test('an expired or aborted upload leaves nothing', async () => {
  const { volume, volumes, chunks, clock } = await openFixture()
  const first = await volume.beginUpload(p('a'), { caller })
  const second = await volume.beginUpload(p('b'), { caller })
  for (const { id } of [first, second]) await volume.writePart(id, { number: 1, body: bodyOf(pattern(MiB)) })
  await volume.abortUpload(first.id)
  clock.advance(61_000)
  for (let round = 0; round < 3; round += 1) {
    await volumes.collect()
    clock.advance(2_000)
  }
  assert.equal(await volume.findUpload(second.id), undefined)
  assert.equal((await chunks.usage()).chunks, 0)
})

test('writes at an offset split extents, spill inline contents and leave holes', async () => {
  const { volume } = await openFixture()
  let expected = Buffer.alloc(0)
  await volume.writeFile(p('f'), bodyOf(''), { caller })
  const writes = [
    [0, 10],
    [4000, 200],
    [100, 3 * MiB],
    [MiB - 5, 10],
    [20 * MiB, 1],
    [2 * MiB, 2 * MiB + 7],
    [0, 1],
    [5 * MiB, 300],
    [5 * MiB + 100, 50],
  ] as const
  for (const [index, [offset, length]] of writes.entries()) {
    const bytes = pattern(length, index + 10)
    await volume.writeAt(p('f'), { offset, bytes }, caller)
    const next = Buffer.alloc(Math.max(expected.length, offset + length))
    expected.copy(next)
    bytes.copy(next, offset)
    expected = next
    assert.ok(expected.equals(await readAll(await volume.openFile(p('f')))), `write ${index}`)
  }
  for (const size of [7 * MiB, 3, 5000, 12 * MiB, 0, 6000]) {
    await volume.truncate(p('f'), size, caller)
    const next = Buffer.alloc(size)
    expected.copy(next)
    expected = next
    assert.ok(expected.equals(await readAll(await volume.openFile(p('f')))), `truncate to ${size}`)
  }
})

test('a write at an offset to a file that another one takes the place of meanwhile is one to that one', async () => {
  const clock = new ManualClock()
  const chunks = openMemoryChunkStore({ clock })
  const { volume } = await openFixture({ clock, chunks })
  const [old, next] = [pattern(500, 1), pattern(500, 2)]
  await volume.writeFile(p('f'), bodyOf(old), { caller })
  await volume.writeFile(p('g'), bodyOf(next), { caller })
  // Both are of their first version. The bytes of the write are the first chunk, what was inline the second one.
  const write = chunks.write.bind(chunks)
  let written = 0
  chunks.write = async (id, bytes) => {
    await write(id, bytes)
    written += 1
    if (written === 2) await volume.rename(p('g'), p('f'), { caller })
  }
  await volume.writeAt(p('f'), { offset: 8_000, bytes: Buffer.from('end') }, caller)
  const whole = await readAll(await volume.openFile(p('f')))
  assert.ok(whole.equals(Buffer.concat([next, Buffer.alloc(7_500), Buffer.from('end')])))
})

test('a write at an offset, a truncation and a renaming say what they change, and change nothing else', async () => {
  const { volume } = await openFixture()
  const tagOf = async (name: string) => ({ ifMatch: [entityTag((await volume.stat(p(name))) as Attributes)] })
  for (const name of ['f', 'g']) await volume.writeFile(p(name), bodyOf(pattern(2 * MiB)), { caller })
  const old = await tagOf('f')
  const range = { offset: 10, bytes: Buffer.alloc(MiB, 'x') }
  await volume.writeAt(p('f'), { ...range, conditions: old }, caller)
  const failed = { code: 'PRECONDITION_FAILED' }
  await assert.rejects(volume.writeAt(p('f'), { ...range, conditions: old }, caller), failed)
  await assert.rejects(volume.writeAt(p('f'), { offset: 0, bytes: Buffer.from('small'), conditions: old }, caller), failed)
  await assert.rejects(volume.truncate(p('f'), 7, caller, old), failed)
  assert.equal((await volume.stat(p('f')))?.sizeBytes, 2 * MiB)
  await assert.rejects(volume.rename(p('g'), p('f'), { caller, conditions: old }), failed)
  await assert.rejects(volume.rename(p('g'), p('f'), { caller, conditions: { ifNoneMatch: '*' } }), failed)
  await volume.truncate(p('f'), 7, caller, await tagOf('f'))
  await volume.rename(p('g'), p('f'), { caller, conditions: await tagOf('f') })
  assert.equal((await volume.stat(p('f')))?.sizeBytes, 2 * MiB)
  const { uid, gid, mtimeNs } = await volume.makeDirectory(p('d'), { caller, attributes: { uid: 3, gid: 4, mtimeNs: 5n } })
  assert.deepEqual([uid, gid, mtimeNs], [3, 4, 5n])
})

test('a range is copied without storing a byte again', async () => {
  const { volume, chunks } = await openFixture()
  const bytes = pattern(4 * MiB + 99)
  await volume.writeFile(p('a'), bodyOf(bytes), { caller })
  await volume.writeFile(p('b'), bodyOf('small'), { caller })
  const before = (await chunks.usage()).chunks
  await volume.copyRange({ source: p('a'), sourceOffset: 1000, target: p('b'), targetOffset: 5000, length: 3 * MiB }, caller)
  const expected = Buffer.alloc(5000 + 3 * MiB)
  expected.write('small')
  bytes.copy(expected, 5000, 1000, 1000 + 3 * MiB)
  assert.ok(expected.equals(await readAll(await volume.openFile(p('b')))))
  assert.equal((await chunks.usage()).chunks, before + 1, 'only the inline contents became a chunk')
})

test('the change feed tells what happened in order, to followers as it happens, and says when it no longer can', async () => {
  const { volume, volumes } = await openFixture({ changeRingEntries: 300 })
  const cursor = await volumes.currentCursor()
  await volume.makeDirectory(p('d'), { caller })
  await volume.writeFile(p('d/f'), bodyOf('x'), { caller })
  await volume.rename(p('d/f'), p('g'), { caller })
  await volume.remove(p('g'), { caller })
  const seen: string[] = []
  for await (const change of volumes.changes({ cursor, follow: false })) seen.push(`${change.kind} ${change.path.join('/')}`)
  assert.deepEqual(seen, ['create d', 'create d/f', 'rename g', 'remove g'])
  const live = volumes.changes({})
  const next = live.next()
  await new Promise((resolve) => setImmediate(resolve))
  await volume.writeFile(p('h'), bodyOf('x'), { caller })
  assert.deepEqual((await next).value?.path, ['h'])
  await live.return?.()
  for (let index = 0; index < 1_100; index += 1) await volume.writeFile(p('h'), bodyOf('x'), { caller })
  await assert.rejects(volumes.changes({ cursor, follow: false }).next(), { code: 'CURSOR_TOO_OLD' })
})

test('a feed answers a question behind all that had been acknowledged when it was asked, in whichever volume', async () => {
  const { volume, volumes } = await openFixture()
  await volumes.create('other', {}, caller)
  const other = await volumes.open('other')
  const questions = new FeedQuestions()
  const feed = volumes.askedChanges({ cursor: await volumes.currentCursor(), volume: volume.info.name, questions })
  const told: (string | number)[] = []
  const listening = (async () => {
    for await (const step of feed) told.push(step.kind === 'heard' ? step.question : step.path.join('/'))
  })()
  const until = async (question: number) => {
    for (let turns = 0; turns < 1_000 && !told.includes(question); turns += 1)
      await new Promise((resolve) => setImmediate(resolve))
  }
  for (let round = 1; round <= 3; round += 1) {
    // More than are looked at at once.
    await Promise.all(Array.from({ length: 700 }, (_, at) => volume.writeFile(p(`f${round}-${at}`), bodyOf('x'), { caller })))
    await other.writeFile(p('elsewhere'), bodyOf('x'), { caller })
    questions.ask(round)
    await until(round)
    assert.equal(told.length, 701 * round)
    assert.equal(told.at(-1), round)
  }
  questions.ask(8)
  questions.ask(9)
  await until(9)
  assert.deepEqual(told.slice(-2), [3, 9])
  questions.ask(10)
  await feed.return?.()
  void listening
})

test('an answer of a feed promises that nothing more comes soon, as of a moment before it was looked at what there is', async () => {
  const kv = openMemoryStore()
  const steps: string[] = []
  const { volume, volumes } = await openFixture({
    kv: {
      ...{ get: (key) => kv.get(key), openSnapshot: () => kv.openSnapshot(), range: (options) => kv.range(options) },
      ...{ transact: (fn, options) => kv.transact(fn, options), close: () => kv.close() },
      promiseQuiet: () => {
        steps.push('promised')
        return 7
      },
      read: (fn) => {
        steps.push('read')
        return kv.read(fn)
      },
    },
  })
  const questions = new FeedQuestions()
  const feed = volumes.askedChanges({ cursor: await volumes.currentCursor(), questions })
  await volume.writeFile(p('f'), bodyOf('x'), { caller })
  assert.equal((await feed.next()).value.kind, 'create')
  steps.length = 0
  questions.ask(1)
  assert.deepEqual((await feed.next()).value, { kind: 'heard', question: 1, quietMs: 7 })
  assert.deepEqual(steps.slice(-2), ['promised', 'read'])
  await feed.return?.()
})

test('a move answers with what it moved, also when that is somewhere else by then', async () => {
  const { volume } = await openFixture()
  await volume.writeFile(p('a'), bodyOf('of a'), { caller })
  await volume.writeFile(p('b'), bodyOf('of b, longer'), { caller })
  const [first, second] = await Promise.all([
    volume.rename(p('b'), p('a'), { caller }),
    volume.rename(p('a'), p('b'), { caller }),
  ])
  assert.deepEqual([first.sizeBytes, second.sizeBytes], [12, 12])
  assert.equal(first.inode, second.inode)
  assert.deepEqual(await volume.stat(p('b')), second)
})

test('a removed volume takes its contents with it', async () => {
  const { volume, volumes, chunks, clock } = await openFixture()
  await volume.writeFile(p('a/b/c'), bodyOf(pattern(7 * MiB)), { caller, createParents: true })
  const { id } = await volume.beginUpload(p('u'), { caller })
  await volume.writePart(id, { number: 1, body: bodyOf(pattern(100)) })
  await assert.rejects(volumes.remove('docs', { caller }), { code: 'VOLUME_NOT_EMPTY' })
  await volumes.remove('docs', { caller, force: true })
  await assert.rejects(volume.stat(p('a')), { code: 'VOLUME_NOT_FOUND' })
  for (let round = 0; round < 4; round += 1) {
    clock.advance(2_000)
    await volumes.collect()
  }
  assert.equal((await chunks.usage()).chunks, 0)
})

test('quotas hold, and free space counts again', async () => {
  const { volume, volumes } = await openFixture()
  await volumes.update('docs', { quotaBytes: 100, quotaFiles: 2 }, caller)
  await volume.writeFile(p('a'), bodyOf(pattern(90)), { caller })
  await assert.rejects(volume.writeFile(p('b'), bodyOf(pattern(11)), { caller }), { code: 'QUOTA_EXCEEDED' })
  await volume.writeFile(p('b'), bodyOf(pattern(10)), { caller })
  await assert.rejects(volume.makeDirectory(p('d'), { caller }), { code: 'QUOTA_EXCEEDED' })
  await volume.remove(p('a'), { caller })
  await volume.makeDirectory(p('d'), { caller })
  assert.deepEqual((await volumes.find('docs'))?.usage, { files: 2, bytes: 10 })
})
