import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { parsePath } from '#foundation/path.ts'
import { isForTheWriter } from '#kv/following-store.ts'
import type { OpenFile } from '#volume/volume.ts'
import { openWriterAndReader } from './reader-volumes.suite.ts'
import type { WriterAndReader } from './reader-volumes.suite.ts'

const caller = { principal: 'tester' }
const CHUNK_BYTES = 1024 * 1024
/** In the metadata, in a pack, in a file, in four files, and in a table of eleven. */
const SIZES = [1_000, 100_000, 700_000, 3_500_000, 11_000_000]

let both: WriterAndReader

before(async () => {
  both = await openWriterAndReader()
  await both.writer.create('docs', { chunkSizeBytes: CHUNK_BYTES }, caller)
})
after(() => both.close())

/** Different in each chunk, and for each seed. */
function contents(lengthBytes: number, seed: string): Buffer {
  const bytes = Buffer.alloc(lengthBytes)
  for (let at = 0; at < lengthBytes; at += 5_000) bytes.write(`${seed} ${at} `, at)
  return bytes
}

async function write(name: string, bytes: Buffer): Promise<void> {
  const volume = await both.writer.open('docs')
  await volume.writeFile(parsePath(name), bytes, { caller })
}

async function remove(name: string): Promise<void> {
  await (await both.writer.open('docs')).remove(parsePath(name), { caller })
}

async function open(name: string): Promise<OpenFile | undefined> {
  return (await both.reader.open('docs')).openFile(parsePath(name))
}

async function rest(pieces: AsyncIterator<Buffer>, first: Buffer[] = []): Promise<Buffer> {
  for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) first.push(Buffer.from(piece.value))
  return Buffer.concat(first)
}

async function read(file: OpenFile | undefined): Promise<Buffer> {
  assert.ok(file !== undefined)
  try {
    return await rest(file.read({ offset: 0, length: file.attributes.sizeBytes }))
  } finally {
    file.close()
  }
}

const WAYS = {
  replaced: (name: string, sizeBytes: number) => write(name, contents(sizeBytes, 'other')),
  removed: (name: string) => remove(name),
  'changed in place': async (name: string, sizeBytes: number) => {
    const volume = await both.writer.open('docs')
    for (let offset = 0; offset < sizeBytes; offset += CHUNK_BYTES / 2)
      await volume.writeAt(parsePath(name), { offset, bytes: Buffer.from('changed') }, caller)
  },
}

for (const [how, change] of Object.entries(WAYS))
  for (const sizeBytes of SIZES)
    test(`what a thread has opened stays what it was when it is ${how} and collected meanwhile: ${sizeBytes} bytes`, async () => {
      const name = `${how}-${sizeBytes}`
      const bytes = contents(sizeBytes, 'first')
      await write(name, bytes)
      const file = await open(name)
      assert.ok(file !== undefined)
      const pieces = file.read({ offset: 0, length: sizeBytes })
      const { value: first } = await pieces.next()
      const kept = Buffer.from(first as Buffer)
      await change(name, sizeBytes)
      await both.collect()
      assert.ok((await rest(pieces, [kept])).equals(bytes))
      assert.ok((await rest(file.read({ offset: 0, length: sizeBytes }))).equals(bytes))
      file.close()
      if (how !== 'removed') await remove(name)
      await both.collect()
      assert.equal((await both.disk.usage()).chunks, 0)
    })

test('what is replaced between the look of a thread and its pin is opened as it is then', async () => {
  for (const sizeBytes of SIZES.slice(1)) {
    await write('raced', contents(sizeBytes, 'first'))
    await both.reader.open('docs')
    both.afterLook = async () => {
      await write('raced', contents(sizeBytes, 'second'))
      await both.collect()
    }
    assert.ok((await read(await open('raced'))).equals(contents(sizeBytes, 'second')))
  }
})

test('what is removed between the look of a thread and its pin is not there', async () => {
  for (const sizeBytes of SIZES.slice(1)) {
    await write('raced', contents(sizeBytes, 'first'))
    await both.reader.open('docs')
    both.afterLook = async () => {
      await remove('raced')
      await both.collect()
    }
    assert.equal(await open('raced'), undefined)
  }
})

test('a change that is under way while a thread opens a file is seen together with its attributes or not at all', async () => {
  const volume = await both.writer.open('docs')
  await both.reader.open('docs')
  const bytes = contents(11_000_000, 'whole')
  for (let round = 0; round < 5; round += 1) {
    await write('whole', bytes)
    const before = await volume.stat(parsePath('whole'))
    const changed = Buffer.from(bytes)
    changed.write('changed', 9_500_000)
    let change: Promise<unknown> = Promise.resolve()
    both.afterLook = async () => {
      change = volume.writeAt(parsePath('whole'), { offset: 9_500_000, bytes: Buffer.from('changed') }, caller)
      await both.transacted()
    }
    const file = await open('whole')
    await change
    const found = await read(file)
    assert.ok(found.equals(file?.attributes.mtimeNs === before?.mtimeNs ? bytes : changed))
  }
})

test('where a packed chunk lies is asked once, and again after compaction has moved it', async () => {
  const bytes = contents(100_000, 'packed')
  await write('packed', bytes)
  assert.ok((await read(await open('packed'))).equals(bytes))
  const { places } = both.asked
  assert.ok((await read(await open('packed'))).equals(bytes))
  assert.equal(both.asked.places, places)
  // The pack fills up, and all else in it goes.
  for (let at = 0; at < 12; at += 1) await write(`filler-${at}`, contents(200_000, `filler ${at}`))
  for (let at = 0; at < 12; at += 1) await remove(`filler-${at}`)
  await both.collect()
  assert.ok((await read(await open('packed'))).equals(bytes))
  assert.equal(both.asked.places, places)
  await both.releaseFiles()
  assert.ok((await read(await open('packed'))).equals(bytes))
  assert.equal(both.asked.places, places + 1)
})

test('the writer is asked for tables before they are opened, and where a chunk lies once, if the chunk may be in a pack', async () => {
  for (const [sizeBytes, settled] of [
    [3_500_000, 0],
    [11_000_000, 1],
  ] as const) {
    const before = { ...both.asked }
    await write('asked', contents(sizeBytes, `asked ${sizeBytes}`))
    const file = await open('asked')
    assert.equal(both.asked.settled - before.settled, settled)
    for (let round = 0; round < 3; round += 1) await rest(file?.read({ offset: 10, length: 100 }) as AsyncIterator<Buffer>)
    assert.equal(both.asked.places - before.places, 1)
    await read(file)
  }
})

test('a chunk that is not here is for the writer', async () => {
  await write('lost', contents(700_000, 'lost'))
  const volume = await both.writer.open('docs')
  for (const extent of (await volume.locate(parsePath('lost')))?.extents ?? []) {
    if (extent.chunk !== undefined) await both.disk.forget(extent.chunk)
  }
  await assert.rejects(read(await open('lost')), isForTheWriter)
})
