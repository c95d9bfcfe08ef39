// Times, links and renames as POSIX.1-2017 and renameat2(2) have them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { bodyOf, caller, type Fixture, openFixture, p, pattern, readAll } from '#volume/volume-fixture.suite.ts'
import type { Volume } from '#volume/volume.ts'
import type { Attributes } from './attributes.ts'

/** Every entry by its path, with the root as "". */
async function everything(volume: Volume): Promise<Map<string, Attributes>> {
  const { entries } = await volume.list([], { recursive: true })
  const root = (await volume.stat([])) as Attributes
  return new Map([['', root], ...entries.map(({ path, attributes }) => [path.join('/'), attributes] as const)])
}

const TIMES = ['mtimeNs', 'ctimeNs', 'atimeNs', 'btimeNs'] as const

/** Which times `act` sets to now, by the paths as they are afterwards; what it doesn't touch is left out. */
async function touched({ volume, clock }: Fixture, act: () => Promise<unknown>): Promise<Record<string, string>> {
  const before = new Map([...(await everything(volume)).values()].map((attributes) => [attributes.inode, attributes]))
  clock.advance(1)
  await act()
  const result: Record<string, string> = {}
  for (const [path, now] of await everything(volume)) {
    const changed = TIMES.filter((time) => now[time] !== before.get(now.inode)?.[time])
    for (const time of changed) assert.equal(now[time], clock.nowNs(), `${time} of "${path}"`)
    if (changed.length > 0) result[path] = changed.map((time) => time.slice(0, -'timeNs'.length)).join('')
  }
  return result
}

test('each change sets exactly the times that POSIX says, of the file and of its directory', async () => {
  const fixture = await openFixture()
  const { volume } = fixture
  for (const path of ['d', 'e']) await volume.makeDirectory(p(path), { caller })
  const byte = Buffer.from('3')
  const cases: [string, () => Promise<unknown>, Record<string, string>][] = [
    ['create', () => volume.writeFile(p('d/f'), bodyOf('1'), { caller }), { d: 'mc', 'd/f': 'mcab' }],
    ['replace', () => volume.writeFile(p('d/f'), bodyOf('2'), { caller }), { 'd/f': 'mc' }],
    ['write', () => volume.writeAt(p('d/f'), { offset: 1, bytes: byte }, caller), { 'd/f': 'mc' }],
    ['write nothing', () => volume.writeAt(p('d/f'), { offset: 1, bytes: Buffer.alloc(0) }, caller), {}],
    ['truncate', () => volume.truncate(p('d/f'), 1, caller), { 'd/f': 'mc' }],
    ['chmod', () => volume.setAttributes(p('d/f'), { mode: 0o600 }, caller), { 'd/f': 'c' }],
    ['setxattr', () => volume.writeXattr(p('d/f'), { name: 'user.x', value: byte }, caller), { 'd/f': 'c' }],
    ['removexattr', () => volume.removeXattr(p('d/f'), 'user.x', caller), { 'd/f': 'c' }],
    ['read', async () => readAll(await volume.openFile(p('d/f'))), {}],
    ['link', () => volume.link(p('d/f'), p('e/g'), caller), { e: 'mc', 'd/f': 'c', 'e/g': 'c' }],
    ['rename', () => volume.rename(p('d/f'), p('e/h'), { caller }), { d: 'mc', e: 'mc', 'e/g': 'c', 'e/h': 'c' }],
    ['rename within', () => volume.rename(p('e/h'), p('e/i'), { caller }), { e: 'mc', 'e/g': 'c', 'e/i': 'c' }],
    ['rename to another name of it', () => volume.rename(p('e/g'), p('e/i'), { caller }), {}],
    ['unlink of one name', () => volume.remove(p('e/g'), { caller }), { e: 'mc', 'e/i': 'c' }],
    ['symlink', () => volume.makeSymlink(p('d/l'), Buffer.from('f'), { caller }), { d: 'mc', 'd/l': 'mcab' }],
    ['mkdir', () => volume.makeDirectory(p('d/s'), { caller }), { d: 'mc', 'd/s': 'mcab' }],
    ['mkdir -p of what is there', () => volume.makeDirectory(p('d/s'), { caller, parents: true }), {}],
    ['rmdir', () => volume.remove(p('d/s'), { caller }), { d: 'mc' }],
    ['exchange', () => volume.rename(p('d'), p('e'), { caller, mode: 'exchange' }), { '': 'mc', d: 'c', e: 'c' }],
    [
      'exchange across',
      () => volume.rename(p('d/i'), p('e'), { caller, mode: 'exchange' }),
      { '': 'mc', d: 'mc', 'd/i': 'c', e: 'c' },
    ],
  ]
  for (const [name, act, expected] of cases) assert.deepEqual(await touched(fixture, act), expected, name)
})

test('times that the caller sets stay until the next change', async () => {
  const { volume } = await openFixture()
  const attributes = { mtimeNs: 5n, atimeNs: -7n }
  await volume.writeFile(p('f'), bodyOf('1'), { caller, attributes })
  const { mtimeNs, atimeNs } = (await volume.stat(p('f'))) as Attributes
  assert.deepEqual({ mtimeNs, atimeNs }, attributes)
  await volume.writeFile(p('f'), bodyOf('2'), { caller, attributes: { mtimeNs: 6n } })
  assert.equal((await volume.stat(p('f')))?.mtimeNs, 6n)
})

test('attributes that no record can hold are refused, and nothing is made', async () => {
  const { volume } = await openFixture()
  const refused = { code: 'INVALID_ARGUMENT' }
  for (const attributes of [
    { mode: 0o10000 },
    { mode: -1 },
    { uid: 2 ** 32 },
    { gid: 0.5 },
    { mtimeNs: 2n ** 63n },
    { atimeNs: -(2n ** 64n) },
  ]) {
    await assert.rejects(volume.writeFile(p('f'), bodyOf('1'), { caller, attributes }), refused)
    await assert.rejects(volume.beginUpload(p('f'), { caller, attributes }), refused)
    await assert.rejects(volume.setAttributes([], attributes, caller), refused)
  }
  await assert.rejects(volume.makeDirectory(p('f'), { caller, mode: 0o70000 }), refused)
  await assert.rejects(volume.makeNode(p('f'), { type: 'fifo', mode: -1 }, caller), refused)
  await assert.rejects(volume.makeNode(p('f'), { type: 'block-device', mode: 0, rdev: 2 ** 32 }, caller), refused)
  assert.equal(await volume.stat(p('f')), undefined)
})

test('a volume holds no more bytes than can be counted exactly', async () => {
  const { volume, volumes } = await openFixture()
  for (const path of ['a', 'b']) await volume.writeFile(p(path), bodyOf('1'), { caller })
  await volume.truncate(p('a'), Number.MAX_SAFE_INTEGER - 1, caller)
  await assert.rejects(volume.writeAt(p('b'), { offset: 1, bytes: Buffer.from('2') }, caller), { code: 'TOO_LARGE' })
  await assert.rejects(volume.writeAt(p('a'), { offset: Number.MAX_SAFE_INTEGER, bytes: Buffer.from('2') }, caller), {
    code: 'TOO_LARGE',
  })
  assert.equal((await volumes.find('docs'))?.usage.bytes, Number.MAX_SAFE_INTEGER)
  await volume.remove(p('a'), { caller })
  assert.equal((await volumes.find('docs'))?.usage.bytes, 1)
})

test('nothing is written through a symbolic link into what has no contents', async () => {
  const { volume } = await openFixture()
  await volume.makeNode(p('fifo'), { type: 'fifo', mode: 0o600 }, caller)
  await volume.makeSymlink(p('link'), Buffer.from('fifo'), { caller })
  await assert.rejects(volume.writeFile(p('link'), bodyOf('x'), { caller }), { code: 'NOT_PERMITTED' })
  assert.equal((await volume.stat(p('fifo')))?.sizeBytes, 0)
})

test('an absent file behind a symbolic link is NOT_FOUND to whoever would change it', async () => {
  const { volume } = await openFixture()
  await volume.makeDirectory(p('d'), { caller })
  await volume.makeSymlink(p('link'), Buffer.from('d'), { caller })
  await assert.rejects(volume.writeAt(p('link/f'), { offset: 0, bytes: Buffer.from('x') }, caller), { code: 'NOT_FOUND' })
})

test('a device number is a device’s', async () => {
  const { volume } = await openFixture()
  for (const type of ['file', 'fifo', 'socket'] as const)
    assert.equal((await volume.makeNode(p(type), { type, mode: 0o600, rdev: 7 }, caller)).rdev, 0)
  assert.equal((await volume.makeNode(p('tty'), { type: 'character-device', mode: 0o600, rdev: 7 }, caller)).rdev, 7)
})

test('hard links are one file: what is changed through one name shows through the other, and the last name frees it', async () => {
  const { volume, volumes, chunks, clock } = await openFixture()
  const bytes = pattern(9_000)
  await volume.writeFile(p('a'), bodyOf(bytes), { caller })
  await volume.makeDirectory(p('d'), { caller })
  await volume.link(p('a'), p('d/b'), caller)
  await volume.link(p('d/b'), p('c'), caller)
  await volume.setAttributes(p('d/b'), { mode: 0o640, uid: 7 }, caller)
  await volume.writeXattr(p('c'), { name: 'user.x', value: Buffer.from('v') }, caller)
  await volume.writeAt(p('a'), { offset: 2, bytes: Buffer.from('xyz') }, caller)
  bytes.write('xyz', 2)
  const [a, b, c] = await Promise.all(['a', 'd/b', 'c'].map((path) => volume.stat(p(path))))
  assert.deepEqual(a, b)
  assert.deepEqual(b, c)
  assert.deepEqual([a?.links, a?.mode, a?.uid], [3, 0o640, 7])
  assert.deepEqual((await volumes.find('docs'))?.usage, { files: 2, bytes: 9_000 })
  await volume.remove(p('a'), { caller })
  await volume.rename(p('d/b'), p('e'), { caller })
  assert.deepEqual([(await volume.stat(p('e')))?.links, (await volume.stat(p('c')))?.inode], [2, a?.inode])
  await volume.remove(p('c'), { caller })
  assert.ok(bytes.equals(await readAll(await volume.openFile(p('e')))))
  assert.deepEqual(await volume.readXattr(p('e'), 'user.x'), Buffer.from('v'))
  await volume.link(p('e'), p('again'), caller)
  await volume.remove(p('e'), { caller })
  await volume.remove(p('again'), { caller })
  assert.deepEqual((await volumes.find('docs'))?.usage, { files: 1, bytes: 0 })
  for (let round = 0; round < 2; round += 1) {
    clock.advance(2_000)
    await volumes.collect()
  }
  assert.equal((await chunks.usage()).chunks, 0)
})

test('a file replaced by a rename keeps its other names', async () => {
  const { volume } = await openFixture()
  await volume.writeFile(p('old'), bodyOf('old'), { caller })
  await volume.link(p('old'), p('kept'), caller)
  await volume.writeFile(p('new'), bodyOf('new'), { caller })
  await volume.rename(p('new'), p('old'), { caller })
  assert.equal(String(await readAll(await volume.openFile(p('old')))), 'new')
  assert.equal(String(await readAll(await volume.openFile(p('kept')))), 'old')
  assert.equal((await volume.stat(p('kept')))?.links, 1)
})

/** What rename does to a small tree, by mode: an error code, or what stands at the target afterwards. */
const RENAMES: readonly (readonly [source: string, target: string, replace: string, noReplace: string, exchange: string])[] = [
  ['file', 'free', 'file', 'file', 'NOT_FOUND'],
  ['file', 'other', 'file', 'ALREADY_EXISTS', 'file'],
  ['file', 'link', 'file', 'ALREADY_EXISTS', 'file'],
  ['file', 'empty', 'IS_A_DIRECTORY', 'ALREADY_EXISTS', 'file'],
  ['file', 'full', 'IS_A_DIRECTORY', 'ALREADY_EXISTS', 'file'],
  ['full', 'empty', 'full', 'ALREADY_EXISTS', 'full'],
  ['empty', 'full', 'DIRECTORY_NOT_EMPTY', 'ALREADY_EXISTS', 'empty'],
  ['empty', 'file', 'NOT_A_DIRECTORY', 'ALREADY_EXISTS', 'empty'],
  ['full', 'full/new', 'MOVE_INTO_ITSELF', 'MOVE_INTO_ITSELF', 'NOT_FOUND'],
  ['full', 'full/sub', 'MOVE_INTO_ITSELF', 'ALREADY_EXISTS', 'MOVE_INTO_ITSELF'],
  ['full/sub', 'full', 'DIRECTORY_NOT_EMPTY', 'ALREADY_EXISTS', 'MOVE_INTO_ITSELF'],
  ['full/sub', 'free', 'full/sub', 'full/sub', 'NOT_FOUND'],
  ['missing', 'free', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'],
  ['missing', 'file', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'],
  ['file', 'missing/x', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'],
  ['file', 'other/x', 'NOT_A_DIRECTORY', 'NOT_A_DIRECTORY', 'NOT_A_DIRECTORY'],
  ['file', '', 'NOT_PERMITTED', 'NOT_PERMITTED', 'NOT_PERMITTED'],
  ['', 'free', 'NOT_PERMITTED', 'NOT_PERMITTED', 'NOT_PERMITTED'],
]

test('rename and its flags do what renameat2 does, and a refusal leaves everything as it was', async () => {
  for (const [source, target, ...outcomes] of RENAMES) {
    for (const [at, mode] of (['replace', 'no-replace', 'exchange'] as const).entries()) {
      const { volume } = await openFixture()
      for (const path of ['empty', 'full', 'full/sub']) await volume.makeDirectory(p(path), { caller })
      for (const path of ['file', 'other', 'full/sub/x']) await volume.writeFile(p(path), bodyOf(path), { caller })
      await volume.makeSymlink(p('link'), Buffer.from('full'), { caller })
      const before = await everything(volume)
      const what = `${source} to ${target}, ${mode}`
      const outcome = outcomes[at] as string
      const error = await volume.rename(p(source), p(target), { caller, mode }).then(
        () => undefined,
        (reason: { code?: string }) => reason.code,
      )
      const after = await everything(volume)
      if (!before.has(outcome)) {
        assert.equal(error, outcome, what)
        assert.deepEqual(after, before, what)
        continue
      }
      assert.equal(error, undefined, what)
      assert.equal(after.get(target)?.inode, before.get(outcome)?.inode, what)
      assert.equal(after.get(source)?.inode, mode === 'exchange' ? before.get(target)?.inode : undefined, what)
    }
  }
})

test('what looks at contents or changes them follows symbolic links anywhere; what makes or names entries does not', async () => {
  const { volume } = await openFixture()
  await volume.makeDirectory(p('d'), { caller })
  await volume.writeFile(p('d/f'), bodyOf('abcdef'), { caller })
  await volume.makeSymlink(p('to-d'), Buffer.from('d'), { caller })
  await volume.makeSymlink(p('d/to-f'), Buffer.from('f'), { caller })
  const through = p('to-d/to-f')
  const namesIn = async (path: string) => (await volume.list(p(path))).entries.map((entry) => entry.path.join('/'))
  assert.equal((await volume.stat(through, { follow: true }))?.sizeBytes, 6)
  assert.equal(String(await readAll(await volume.openFile(through, { follow: true }))), 'abcdef')
  assert.deepEqual(await namesIn('to-d'), ['f', 'to-f'])
  assert.equal((await volume.locate(through))?.attributes.sizeBytes, 6)
  await volume.writeAt(through, { offset: 0, bytes: Buffer.from('A') }, caller)
  await volume.copyRange({ source: through, sourceOffset: 0, target: through, targetOffset: 6, length: 1 }, caller)
  await volume.truncate(through, 8, caller)
  assert.equal(String(await readAll(await volume.openFile(p('d/f')))), 'AbcdefA\0')
  await volume.writeFile(p('d/to-f'), bodyOf('whole'), { caller })
  assert.equal(String(await readAll(await volume.openFile(p('d/f')))), 'whole')
  const refused: Record<string, () => Promise<unknown>> = {
    stat: () => volume.stat(through),
    openFile: () => volume.openFile(through),
    writeFile: () => volume.writeFile(p('to-d/g'), bodyOf(''), { caller }),
    'writeFile with parents': () => volume.writeFile(p('to-d/e/g'), bodyOf(''), { caller, createParents: true }),
    upload: async () => volume.commitUpload((await volume.beginUpload(p('to-d/g'), { caller })).id, { caller }),
    makeDirectory: () => volume.makeDirectory(p('to-d/e'), { caller }),
    makeSymlink: () => volume.makeSymlink(p('to-d/l'), Buffer.from('x'), { caller }),
    makeNode: () => volume.makeNode(p('to-d/n'), { type: 'fifo', mode: 0o600 }, caller),
    readSymlink: () => volume.readSymlink(through),
    'link from': () => volume.link(p('to-d/f'), p('g'), caller),
    'link to': () => volume.link(p('d/f'), p('to-d/g'), caller),
    'rename from': () => volume.rename(p('to-d/f'), p('g'), { caller }),
    'rename to': () => volume.rename(p('d/f'), p('to-d/g'), { caller }),
    'copy from': () => volume.copy(p('to-d/f'), p('g'), { caller }),
    'copy to': () => volume.copy(p('d/f'), p('to-d/g'), { caller }),
    remove: () => volume.remove(p('to-d/f'), { caller }),
    setAttributes: () => volume.setAttributes(p('to-d/f'), { mode: 0o600 }, caller),
    listXattrs: () => volume.listXattrs(p('to-d/f')),
    writeXattr: () => volume.writeXattr(p('to-d/f'), { name: 'user.a', value: Buffer.from('b') }, caller),
  }
  for (const [name, run] of Object.entries(refused))
    await assert.rejects(run(), (error) => isShoalError(error, 'NOT_A_DIRECTORY'), name)
  // The last name is the link itself.
  assert.equal((await volume.stat(p('to-d')))?.type, 'symlink')
  await volume.rename(p('to-d'), p('moved'), { caller })
  await volume.remove(p('moved'), { caller, recursive: true })
  assert.deepEqual(await namesIn('d'), ['f', 'to-f'])
})
