import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeName } from '#foundation/name.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { NAMES } from '#volume/volume-operations.suite.ts'
import { bodyOf, caller, type Fixture, openFixture, p } from '#volume/volume-fixture.suite.ts'
import type { Volume } from '#volume/volume.ts'
import { putFile } from './files.ts'
import { Metadata } from './metadata.ts'

/** Object keys as S3 knows them: some are prefixes of others with and without a slash, none ends in one. */
const anyKey = fc.array(fc.constantFrom(...NAMES, 'a.', 'a-b', '0', 'aa', '\u{10000}', '\uffff', '\udc80'), {
  minLength: 1,
  maxLength: 4,
})

const keyBytes = (names: readonly string[]): Buffer =>
  Buffer.concat(names.flatMap((name, at) => [at === 0 ? NOTHING : SLASH, encodeName(name)]))
const SLASH = Buffer.from('/')
const NOTHING = Buffer.alloc(0)

async function putObjects(
  { kv, clock, volume }: { kv: KeyValueStore; clock: Fixture['clock']; volume: Volume },
  keys: readonly string[][],
): Promise<void> {
  const metadata = new Metadata({ kv, clock, changeRingEntries: 100, isOpen: () => false })
  for (const key of keys) {
    await metadata.transact(volume.info, 'tester', (t) =>
      putFile(t, key, {
        contents: { kind: 'inline', bytes: NOTHING },
        sha256: undefined,
        createParents: true,
        besideDirectory: true,
      }),
    )
  }
}

test('files in depth-first order are in the byte order of their keys, also where a key is another one and a slash', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyKey, { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 9 }), async (keys, limit) => {
      const fixture = await openFixture()
      await putObjects(fixture, keys)
      const wanted = [...new Map(keys.map((key) => [keyBytes(key).toString('hex'), keyBytes(key)])).values()].toSorted(
        Buffer.compare,
      )
      const found: Buffer[] = []
      const all: Buffer[] = []
      for (let cursor: string | undefined, isLast = false; !isLast;) {
        const page = await fixture.volume.list([], { recursive: true, limit, ...(cursor === undefined ? {} : { cursor }) })
        for (const { path, attributes } of page.entries) {
          const isFile = attributes.type === 'file'
          if (isFile) found.push(keyBytes(path))
          all.push(isFile ? keyBytes(path) : Buffer.concat([keyBytes(path), SLASH]))
        }
        cursor = page.next
        isLast = cursor === undefined
      }
      assert.deepEqual(found, wanted)
      assert.deepEqual(all, all.toSorted(Buffer.compare), 'directories stand where their keys with a slash do')
    }),
    { numRuns: 60 },
  )
})

test('a file and a directory of one name are two entries, and the page may end between them', async () => {
  const fixture = await openFixture()
  await putObjects(fixture, [['a'], ['a', 'b'], ['a!'], ['a0']])
  const { volume } = fixture
  const seen: string[] = []
  for (let cursor: string | undefined, isLast = false; !isLast;) {
    const page = await volume.list([], { limit: 1, ...(cursor === undefined ? {} : { cursor }) })
    for (const { path, attributes } of page.entries) seen.push(`${path.join('/')} ${attributes.type}`)
    cursor = page.next
    isLast = cursor === undefined
  }
  assert.deepEqual(seen, ['a file', 'a! file', 'a directory', 'a0 file'])
  assert.equal((await volume.stat(p('a')))?.type, 'directory', 'POSIX sees the directory')
  assert.equal((await volume.openFile(p('a')))?.attributes.type, 'file', 'contents are the object')
  await volume.remove(p('a'), { caller, recursive: true })
  assert.equal((await volume.stat(p('a')))?.type, 'file')
})

test('a listing goes on behind whatever it showed last, although that is gone, or something else by now', async () => {
  for (const recursive of [false, true]) {
    const { volume } = await openFixture()
    for (const path of ['a/1', 'a/2/x', 'a/3', 'b', 'c/1', 'd'])
      await volume.writeFile(p(path), bodyOf(path), { caller, createParents: true })
    const expected = (await volume.list([], { recursive })).entries.map(({ path }) => path.join('/'))
    for (const [at, last] of expected.entries()) {
      const { next } = await volume.list([], { recursive, limit: at + 1 })
      assert.ok(next !== undefined)
      const kept = p(last)
      const wasDirectory = (await volume.stat(kept))?.type === 'directory'
      await volume.rename(kept, p('zz-away'), { caller })
      const whileGone = (await volume.list([], { recursive, cursor: next })).entries.map(({ path }) => path.join('/'))
      const isBelow = (path: string) => path.startsWith(`${last}/`) || path.startsWith('zz-away')
      assert.deepEqual(
        whileGone.filter((path) => !isBelow(path)),
        expected.slice(at + 1).filter((path) => !isBelow(path)),
      )
      if (wasDirectory) await volume.writeFile(kept, bodyOf(''), { caller })
      else await volume.makeDirectory(kept, { caller })
      const whileOther = (await volume.list([], { recursive, cursor: next })).entries.map(({ path }) => path.join('/'))
      assert.deepEqual(
        whileOther.filter((path) => !isBelow(path) && path !== last),
        expected.slice(at + 1).filter((path) => !isBelow(path)),
      )
      await volume.remove(kept, { caller })
      await volume.rename(p('zz-away'), kept, { caller })
    }
  }
})

test('what is no cursor of a listing is refused', async () => {
  const { volume } = await openFixture()
  for (const cursor of ['', 'x', 'W10', Buffer.from('[0]').toString('base64url'), Buffer.from('[0,1]').toString('base64url')])
    await assert.rejects(volume.list([], { cursor }), { code: 'INVALID_ARGUMENT' }, cursor)
  const long = Buffer.from(JSON.stringify([0, 'x'.repeat(5_000)])).toString('base64url')
  await assert.rejects(volume.list([], { cursor: long }), { code: 'INVALID_ARGUMENT' })
  await volume.writeFile(p('a/b/c'), bodyOf(''), { caller, createParents: true })
  const { next } = await volume.list([], { recursive: true, limit: 3 })
  await assert.rejects(volume.list([], { cursor: next as string }), { code: 'INVALID_ARGUMENT' })
})
