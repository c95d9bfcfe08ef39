import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import type { AppendFiles } from '#platform/append-files.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { SmallFiles } from './small-files.ts'

function bench(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-small-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const warnings: string[] = []
  const log = { warn: (message: string) => warnings.push(message) } as never
  const open = (bytesMax = 1 << 20, files: AppendFiles = nodeAppendFiles) => new SmallFiles({ files, folder, bytesMax, log })
  const packs = () => readdirSync(folder).map((name) => join(folder, name))
  return { open, packs, warnings }
}

test('each file is what was put under its name, or is not there, whatever was put after it and however often it is opened anew', (t) => {
  const bytesMax = 4_000
  const actions = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.tuple(fc.constant('put' as const), fc.nat(30), fc.nat(700)) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('get' as const), fc.nat(30), fc.constant(0)) },
      fc.tuple(fc.constant('open' as const), fc.constant(0), fc.constant(0)),
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(actions, (steps) => {
      const { open, packs } = bench(t)
      let files = open(bytesMax)
      const put = new Map<string, Buffer>()
      for (const [what, number, length] of steps) {
        const name = `file-${number}`
        if (what === 'open') files = open(bytesMax)
        else if (what === 'get') {
          const there = files.get(name)
          if (there !== undefined) assert.deepEqual(there, put.get(name))
        } else {
          if (!files.has(name)) put.set(name, Buffer.alloc(length, number + 1))
          files.put([{ name, bytes: put.get(name) as Buffer }])
          assert.deepEqual(files.get(name), put.get(name), 'What was put last is there')
        }
        assert.ok(files.sizeBytes <= bytesMax)
      }
      const onDisk = packs().reduce((sum, path) => sum + readFileSync(path).length, 0)
      assert.equal(onDisk, files.sizeBytes)
    }),
    { numRuns: 60 },
  )
})

test('files that are put together are each what they are, in as many packs as they need', (t) => {
  const { open, packs } = bench(t)
  const lengths = [1, 60_000, 5_000, 3_000, 70_000, 0, 4_096, 30_000, 30_000]
  const put = lengths.map((length, at) => ({ name: `file-${at}`, bytes: Buffer.alloc(length, at + 1) }))
  const [first] = put
  for (const bytesMax of [1 << 20, 200_000]) {
    const files = open(bytesMax)
    files.put([...put, ...(first === undefined ? [] : [first])])
    for (const again of [files, open(bytesMax)]) {
      const there = put.filter(({ name }) => again.has(name))
      for (const { name, bytes } of there) assert.deepEqual(again.get(name), bytes, name)
      assert.equal(again.has('file-8'), true, 'What was put last is there')
      if (bytesMax > 200_000) assert.equal(there.length, put.length)
      assert.ok(again.sizeBytes <= bytesMax)
    }
    assert.ok(packs().length > 0)
    for (const path of packs()) rmSync(path)
  }
})

test('a damaged file is not given back, and the others are', (t) => {
  const { open, packs, warnings } = bench(t)
  const files = open()
  for (const name of ['a', 'b', 'c']) files.put([{ name, bytes: Buffer.from(`contents of ${name}`) }])
  const [path = ''] = packs()
  const bytes = readFileSync(path)
  bytes.write('x', bytes.indexOf('of b'))
  writeFileSync(path, bytes)
  const next = open()
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => next.get(name)?.toString()),
    ['contents of a', undefined, 'contents of c'],
  )
  assert.equal(warnings.length, 1)
  next.put([{ name: 'b', bytes: Buffer.from('again') }])
  assert.equal(next.get('b')?.toString(), 'again')
  truncateSync(path, bytes.length - 3)
  const torn = open()
  assert.deepEqual([torn.get('a')?.toString(), torn.has('c')], ['contents of a', false])
  torn.put([{ name: 'c', bytes: Buffer.from('after it') }])
  assert.equal(open().get('c')?.toString(), 'after it')
})

test('a disk without room costs speed and nothing else', (t) => {
  const { open, warnings } = bench(t)
  const full: AppendFiles = {
    ...nodeAppendFiles,
    open: () => {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    },
  }
  const files = open(1 << 20, full)
  for (let times = 0; times < 3; times += 1) files.put([{ name: 'a', bytes: Buffer.from('x') }])
  assert.deepEqual([files.get('a'), warnings.length], [undefined, 1])
})
