import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { BlockMemory } from './block-memory.ts'
import { BLOCK_BYTES, LargeFiles } from './large-files.ts'

const SIZE_BYTES = 2 * BLOCK_BYTES + 1000

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-large-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

function openIn(folder: string, blocksMax = 1000): LargeFiles {
  return new LargeFiles({
    files: nodeAppendFiles,
    folder,
    bytesMax: () => blocksMax * BLOCK_BYTES,
    room: new BlockMemory(nodeClock),
    clock: nodeClock,
    log: { warn: () => undefined } as never,
  })
}

const nameOf = (number: number): string => `file-${number}-${SIZE_BYTES}`

function bytesOf(file: number, index: number): Buffer {
  const bytes = Buffer.alloc(Math.min(BLOCK_BYTES, SIZE_BYTES - index * BLOCK_BYTES), `${file}/${index} `)
  bytes.writeUInt32LE(file * 10 + index, bytes.length - 4)
  return bytes
}

const file = fc.integer({ min: 0, max: 3 })
const index = fc.integer({ min: 0, max: 2 })
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), file, index }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('load' as const), file, index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), file, index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const), file, index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('damage' as const), file, index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tear' as const), file, index }) },
)

test('a block is what was put there, or is not there, whatever happens to the disk and however often the process starts anew', async (t) => {
  const run = async (steps: readonly { kind: string; file: number; index: number }[]): Promise<void> => {
    const folder = folderOf(t)
    let large = openIn(folder)
    const here = new Set<string>()
    for (const { kind, file: number, index: at } of steps) {
      const place = { file: nameOf(number), index: at }
      const path = join(folder, place.file)
      const block = `${number}/${at}`
      if (kind === 'put') {
        await large.put(place, bytesOf(number, at))
        here.add(block)
      } else if (kind === 'load') {
        const into = Buffer.alloc(bytesOf(number, at).length)
        assert.equal(large.load(place, into), here.has(block), block)
        if (here.has(block)) assert.ok(into.equals(bytesOf(number, at)), block)
      } else if (kind === 'drop') {
        large.drop(place.file)
        for (const other of [0, 1, 2]) here.delete(`${number}/${other}`)
        assert.equal(existsSync(path), false)
      } else if (kind === 'open') large = openIn(folder)
      else if (kind === 'damage' && here.delete(block)) {
        const bytes = readFileSync(path)
        bytes[at * BLOCK_BYTES + 77] = (bytes[at * BLOCK_BYTES + 77] as number) ^ 4
        writeFileSync(path, bytes)
        // It is found out when it is looked at.
        assert.equal(large.load(place, Buffer.alloc(bytesOf(number, at).length)), false)
      } else if (kind === 'tear' && existsSync(`${path}.sums`)) {
        // By a process that was killed while it wrote a record.
        appendFileSync(`${path}.sums`, 'abc')
        large = openIn(folder)
      }
    }
    const sizes = [...here].map((block) => bytesOf(...(block.split('/').map(Number) as [number, number])).length)
    assert.equal(
      openIn(folder).sizeBytes,
      sizes.reduce((sum, size) => sum + size, 0),
    )
    rmSync(folder, { recursive: true })
    writeFileSync(folder, '')
  }
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), run), { numRuns: 40 })
})

test('the files that were used longest ago go, also while others are written, and give back their room', async (t) => {
  const folder = folderOf(t)
  const large = openIn(folder, 6)
  await Promise.all(
    Array.from({ length: 10 }, async (_, number) => {
      for (const at of [0, 1, 2]) await large.put({ file: nameOf(number), index: at }, bytesOf(number, at))
    }),
  )
  assert.ok(large.sizeBytes <= 6 * BLOCK_BYTES)
  const kept = Array.from({ length: 10 }, (_, number) => number).filter((number) => existsSync(join(folder, nameOf(number))))
  assert.ok(kept.length > 0 && kept.length < 10, kept.join())
  for (const number of kept) {
    for (const at of [0, 1, 2]) {
      const into = Buffer.alloc(bytesOf(number, at).length)
      if (large.load({ file: nameOf(number), index: at }, into)) assert.ok(into.equals(bytesOf(number, at)))
    }
  }
  assert.equal(openIn(folder, 6).sizeBytes, large.sizeBytes)
})

test('more files than may be open are written and read', async (t) => {
  const folder = folderOf(t)
  const large = openIn(folder)
  const numbers = Array.from({ length: 100 }, (_, number) => number)
  await Promise.all(numbers.map((number) => large.put({ file: nameOf(number), index: 2 }, bytesOf(number, 2))))
  for (const number of numbers) {
    const into = Buffer.alloc(1000)
    assert.ok(large.load({ file: nameOf(number), index: 2 }, into) && into.equals(bytesOf(number, 2)), String(number))
  }
})

test('a file that is shorter than its checksums say has the blocks that it has', async (t) => {
  const folder = folderOf(t)
  const before = openIn(folder)
  for (const at of [0, 1, 2]) await before.put({ file: nameOf(1), index: at }, bytesOf(1, at))
  // As after a power loss.
  truncateSync(join(folder, nameOf(1)), BLOCK_BYTES + 5)
  const large = openIn(folder)
  const found = [0, 1, 2].map((at) => large.load({ file: nameOf(1), index: at }, Buffer.alloc(bytesOf(1, at).length)))
  assert.deepEqual(found, [true, false, false])
  assert.equal(large.sizeBytes, BLOCK_BYTES)
})
