import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { faultyFiles } from './faulty-files.ts'
import type { Fault } from './faulty-files.ts'
import { storageError, systemErrorCode } from './files.ts'
import type { Files } from './files.ts'
import { MemoryFiles } from './memory-files.ts'
import { nodeFiles } from './node-files.ts'
import { isTemporaryName } from './publish.ts'
import { systemError } from './system-error.ts'

async function onDisk(context: TestContext): Promise<{ files: Files; root: string }> {
  const root = await mkdtemp(join(tmpdir(), 'shoal-files-'))
  context.after(() => rm(root, { recursive: true, force: true }))
  return { files: nodeFiles, root }
}

async function inMemory(): Promise<{ files: Files; root: string }> {
  return { files: new MemoryFiles(), root: '/' }
}

async function failsWith(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => systemErrorCode(error) === code)
}

for (const [name, setUp] of [
  ['node', onDisk],
  ['memory', inMemory],
] as const) {
  describe(`${name}: the promises of Files`, () => {
    test('what is published can be read, replaces what was there, and leaves no temporary file', async (context) => {
      const { files, root } = await setUp(context)
      const path = join(root, 'a')
      await files.publish(path, [Buffer.from('one '), Buffer.alloc(0), Buffer.from('two')])
      assert.equal(String(await files.read(path)), 'one two')
      await files.publish(path, [Buffer.from('three')], { modifiedMs: 1_600_000_000_123, mode: 0o600 })
      assert.equal(String(await files.read(path)), 'three')
      const facts = await files.facts(path)
      assert.deepEqual(facts, { kind: 'file', sizeBytes: 5, modifiedMs: 1_600_000_000_123, mode: 0o600 })
      assert.deepEqual(await files.list(root), ['a'])
    })

    test('concurrent publications of one path leave one of them whole', async (context) => {
      const { files, root } = await setUp(context)
      const texts = Array.from({ length: 12 }, (_, index) => String(index).repeat(5_000))
      await Promise.all(texts.map((text) => files.publish(join(root, 'a'), [Buffer.from(text)])))
      assert.ok(texts.includes(String(await files.read(join(root, 'a')))))
      assert.deepEqual(await files.list(root), ['a'])
    })

    test('writing through puts pieces at their positions, among other writes', async (context) => {
      const { files, root } = await setUp(context)
      const file = await files.open(join(root, 'a'), 'create')
      await file.write([Buffer.alloc(12, '.')], 0)
      await file.writeThrough([Buffer.from('on'), Buffer.from('e')], 1)
      await file.writeThrough([Buffer.from('two')], 8)
      await file.write([Buffer.from('-')], 5)
      await file.close()
      assert.equal(String(await files.read(join(root, 'a'))), '.one.-..two.')
    })

    test('reads and writes happen at their positions, many pieces at once', async (context) => {
      const { files, root } = await setUp(context)
      const file = await files.open(join(root, 'a'), 'create')
      const pieces = Array.from({ length: 3_000 }, (_, index) => Buffer.from(`${index},`))
      await file.write(pieces, 10)
      const all = Buffer.concat(pieces)
      assert.equal((await file.facts()).sizeBytes, 10 + all.length)
      const target = Buffer.alloc(all.length + 50)
      assert.equal(await file.read(target, 10), all.length)
      assert.ok(target.subarray(0, all.length).equals(all))
      assert.equal(await file.read(target, 1 << 20), 0)
      await file.truncate(12)
      await file.datasync()
      assert.equal(String(await files.read(join(root, 'a'))), `${'\0'.repeat(10)}0,`)
      await file.close()
      await file.close()
    })

    test('absence and presence are told apart', async (context) => {
      const { files, root } = await setUp(context)
      const path = join(root, 'none')
      assert.equal(await files.read(path), undefined)
      assert.equal(await files.facts(path), undefined)
      assert.equal(await files.list(path), undefined)
      assert.equal(await files.remove(path), false)
      await failsWith('ENOENT', files.open(path, 'read'))
      await failsWith('ENOENT', files.open(path, 'update'))
      await failsWith('ENOENT', files.rename(path, join(root, 'b')))
      await (await files.open(path, 'create')).close()
      await failsWith('EEXIST', files.open(path, 'create'))
      assert.equal(await files.remove(path), true)
      assert.equal(await files.facts(path), undefined)
    })

    test('folders are made with their parents, and making them again is harmless', async (context) => {
      const { files, root } = await setUp(context)
      await files.makeFolder(join(root, 'x/y/z'))
      await files.makeFolder(join(root, 'x/y/z'))
      assert.equal((await files.facts(join(root, 'x/y/z')))?.kind, 'folder')
      assert.equal(await files.createFolder(join(root, 'x/w')), true)
      assert.equal(await files.createFolder(join(root, 'x/w')), false)
      assert.deepEqual((await files.list(join(root, 'x')))?.toSorted(), ['w', 'y'])
      const { freeBytes, capacityBytes } = await files.space(root)
      assert.ok(freeBytes > 0 && freeBytes <= capacityBytes)
    })

    test('a lock is held against other openings of the file until it is closed', async (context) => {
      const { files, root } = await setUp(context)
      const first = await files.open(join(root, 'lock'), 'create')
      const second = await files.open(join(root, 'lock'), 'update')
      assert.equal(first.tryLock(), true)
      assert.equal(second.tryLock(), false)
      await first.close()
      assert.equal(second.tryLock(), true)
      await second.close()
    })
  })
}

describe('power loss', () => {
  test('what was published survives; what was only written need not', async () => {
    let lost = 0
    for (let seed = 1; seed <= 50; seed += 1) {
      const files = new MemoryFiles({ seed })
      await files.publish('/kept', [Buffer.from('old')])
      await files.publish('/kept', [Buffer.from('kept')])
      const file = await files.open('/unsynced', 'create')
      await file.write([Buffer.alloc(5_000, 1)], 0)
      files.crash()
      assert.equal(String(await files.read('/kept')), 'kept')
      const survivor = await files.read('/unsynced')
      if (survivor === undefined || survivor.length < 5_000 || survivor.includes(0)) lost += 1
      await failsWith('EIO', file.datasync())
    }
    assert.ok(lost > 10, `only ${lost} of 50 power losses lost unsynced data`)
  })

  test('cut at any step, a publication leaves the old contents or the new', async () => {
    const seen = new Set<string>()
    for (let seed = 1; seed <= 200; seed += 1) {
      const files = new MemoryFiles({ seed })
      await files.publish('/a', [Buffer.alloc(3_000, 'o')])
      files.cutPowerAfter(seed % 6)
      const published = await files.publish('/a', [Buffer.alloc(3_000, 'n')]).then(
        () => true,
        () => false,
      )
      files.crash()
      const contents = String(await files.read('/a'))
      assert.ok(contents === 'o'.repeat(3_000) || contents === 'n'.repeat(3_000))
      if (published) assert.equal(contents[0], 'n')
      seen.add(contents[0] as string)
      for (const name of (await files.list('/')) ?? []) assert.ok(name === 'a' || isTemporaryName(name))
    }
    assert.deepEqual([...seen].toSorted(), ['n', 'o'])
  })
})

test('a full medium takes what fits and says ENOSPC; NO_SPACE is its translation, STORAGE_FAILED that of the rest', async () => {
  const files = new MemoryFiles({ capacityBytes: 1_000 })
  await failsWith('ENOSPC', files.publish('/a', [Buffer.alloc(1_001)]))
  assert.deepEqual(await files.list('/'), [])
  await files.publish('/a', [Buffer.alloc(1_000)])
  assert.equal((await files.space()).freeBytes, 0)
  assert.ok(isShoalError(storageError(systemError('ENOSPC', 'write'), 'store'), 'NO_SPACE'))
  assert.ok(isShoalError(storageError(systemError('EIO', 'write'), 'store'), 'STORAGE_FAILED'))
})

test('planned faults hit their operation, and a failed publication leaves the target as it was', async () => {
  for (const operation of ['open', 'write', 'datasync', 'rename'] as const) {
    for (const fault of ['io-error', 'no-space', 'short-io-error', 'short-no-space'] as Fault[]) {
      const files = new MemoryFiles()
      await files.publish('/a', [Buffer.from('old')])
      const faulty = faultyFiles(files, (asked) => (asked === operation ? fault : undefined))
      await failsWith(fault.endsWith('io-error') ? 'EIO' : 'ENOSPC', faulty.publish('/a', [Buffer.from('newer')]))
      assert.equal(String(await files.read('/a')), 'old')
      assert.deepEqual(await files.list('/'), ['a'])
    }
  }
})
