import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId, InodeId, UploadId } from '#foundation/ids.ts'
import { decodeCounters, encodeCounters } from '#metadata/counters.ts'
import type { Finding, Steps } from '#metadata/fsck-check.ts'
import { encodeLock } from '#metadata/locks.ts'
import { FSCK_PROBLEMS } from '#metadata/fsck-problems.ts'
import { type ChunkUse, compareReferences, tallyChunks } from '#metadata/fsck-references.ts'
import { survey } from '#metadata/fsck-survey.ts'
import * as keys from '#metadata/keys.ts'
import { encodeExtent, encodeLink, encodePointer, encodeRecord } from '#metadata/record.ts'
import { decodeReference, encodeReference } from '#metadata/references.ts'
import { Damaged, inOrder, runFsck } from './fsck-damage.suite.ts'
import { caller, pattern, readAll } from './volume-fixture.suite.ts'

const { KIND } = keys
const EMPTY = Buffer.alloc(0)
const LARGE = pattern(5 * 1024 * 1024 + 7)

interface Case {
  readonly name: string
  readonly finds: readonly string[]
  readonly damage: (d: Damaged) => Promise<void>
  /** What must hold once it is mended. */
  readonly after?: (d: Damaged) => Promise<void>
}

const isAsBefore = async (d: Damaged): Promise<void> => {
  assert.deepEqual(await readAll(await d.fixture.volume.openFile(['a', 'table'])), LARGE)
  assert.deepEqual(await readAll(await d.fixture.volume.openFile(['hard'])), LARGE.subarray(5, 200_005))
}

const chunkOf = async (d: Damaged, path: string): Promise<ChunkId> => (await d.locate(path)).record.extents[0]!.chunk

const CASES: readonly Case[] = [
  // Volumes
  {
    name: 'a volume without its name',
    finds: ['volume-name-missing'],
    damage: (d) => d.delete(keys.volumeNameKey(d.fixture.volume.info.tenant, 'docs')),
    after: isAsBefore,
  },
  {
    name: 'a volume whose record is lost',
    finds: ['volume-record-missing'],
    damage: (d) => d.delete(keys.policyKey(d.prefix)),
    after: async (d) => assert.ok((await d.fixture.volumes.find('docs'))?.policy.consistency === 'strong'),
  },
  {
    name: 'a volume whose record is garbage, and whose name is lost',
    finds: ['volume-record-missing'],
    async damage(d) {
      await d.put(keys.policyKey(d.prefix), Buffer.from('{"id":'))
      await d.delete(keys.volumeNameKey(d.fixture.volume.info.tenant, 'docs'))
    },
    after: async (d) => assert.equal((await d.fixture.volumes.list())[0]?.name, 'lost-volume-1'),
  },
  {
    name: 'a name that leads to no volume',
    finds: ['volume-name-dangling'],
    damage: (d) => d.put(keys.volumeNameKey(d.fixture.volume.info.tenant, 'ghost'), keys.contentBytes(7)),
  },
  {
    name: 'rows of a volume that nobody knows',
    finds: ['volume-rows-stray'],
    async damage(d) {
      await d.delete(keys.policyKey(d.prefix))
      await d.delete(keys.volumeNameKey(d.fixture.volume.info.tenant, 'docs'))
    },
    async after(d) {
      d.fixture.clock.advance(10_000)
      await d.fixture.volumes.collect()
      d.fixture.clock.advance(10_000)
      await d.fixture.volumes.collect()
      assert.equal((await d.fixture.chunks.usage()).chunks, 0)
    },
  },
  {
    name: 'a counter of volumes that would give a number again',
    finds: ['volume-counter-low'],
    damage: (d) => d.put(keys.VOLUME_COUNTER_KEY, keys.contentBytes(1)),
  },
  {
    name: 'a living volume on the garbage list',
    finds: ['discarded-in-use'],
    damage: (d) => d.put(keys.garbageContentKey(1, d.prefix, EMPTY), EMPTY),
    after: isAsBefore,
  },
  {
    name: 'a row of the garbage list that is none',
    finds: ['garbage-row-unreadable'],
    damage: (d) => d.put(keys.garbageContentKey(1, d.prefix, Buffer.from('abc')), EMPTY),
  },
  // References
  {
    name: 'a reference that counts too many',
    finds: ['reference-count-wrong'],
    damage: async (d) => d.put(keys.referenceKey(await chunkOf(d, 'a/one')), encodeReference({ count: 9, zeroAtMs: 0 })),
    after: async (d) => assert.equal(decodeReference((await d.get(keys.referenceKey(await chunkOf(d, 'a/one'))))!).count, 1),
  },
  {
    name: 'a reference that is lost',
    finds: ['reference-count-wrong'],
    damage: async (d) => d.delete(keys.referenceKey(await chunkOf(d, 'a/two'))),
  },
  {
    name: 'a used chunk that counts as unused',
    finds: ['reference-count-wrong'],
    async damage(d) {
      const chunk = await chunkOf(d, 'a/one')
      await d.put(keys.referenceKey(chunk), encodeReference({ count: 0, zeroAtMs: 5 }))
      await d.put(keys.garbageChunkKey(5, chunk), EMPTY)
    },
    async after(d) {
      d.fixture.clock.advance(10_000)
      await d.fixture.volumes.collect()
      assert.equal((await readAll(await d.fixture.volume.openFile(['a', 'one']))).length, 300_000)
    },
  },
  {
    name: 'an unused chunk that counts as used',
    finds: ['reference-count-wrong'],
    damage: (d) => d.put(keys.referenceKey('ab'.repeat(32) as ChunkId), encodeReference({ count: 3, zeroAtMs: 0 })),
  },
  {
    name: 'a reference whose value is garbage',
    finds: ['reference-count-wrong'],
    damage: async (d) => d.put(keys.referenceKey(await chunkOf(d, 'a/one')), Buffer.from('x')),
  },
  {
    name: 'an unused chunk that is not on the garbage list',
    finds: ['garbage-chunk-missing'],
    damage: (d) => d.put(keys.referenceKey('ab'.repeat(32) as ChunkId), encodeReference({ count: 0, zeroAtMs: 3 })),
  },
  {
    name: 'a used chunk on the garbage list',
    finds: ['garbage-chunk-stray'],
    damage: async (d) => d.put(keys.garbageChunkKey(3, await chunkOf(d, 'a/one')), EMPTY),
  },
  {
    name: 'an extent that is cut short',
    finds: ['extent-unreadable', 'reference-count-wrong'],
    async damage(d) {
      const { content } = (await d.locate('a/table')).record
      await d.put(keys.extentKey(d.prefix, content, 1024 * 1024), Buffer.from('short'))
    },
    after: async (d) =>
      assert.deepEqual(
        (await readAll(await d.fixture.volume.openFile(['a', 'table']))).subarray(1024 * 1024, 2 * 1024 * 1024),
        Buffer.alloc(1024 * 1024),
      ),
  },
  // Entries
  {
    name: 'an entry that can not be read',
    finds: ['entry-unreadable', 'counters-wrong', 'inode-dangling', 'inline-stray'],
    damage: async (d) => d.put(await d.keyOf('a/b/small'), Buffer.from('nonsense')),
    after: async (d) => assert.equal(await d.fixture.volume.stat(['a', 'b', 'small']), undefined),
  },
  {
    name: 'an entry that is lost',
    finds: ['counters-wrong', 'inode-dangling', 'inline-stray'],
    damage: async (d) => d.delete(await d.keyOf('a/b/small')),
  },
  {
    name: 'a key too short to be an entry',
    finds: ['entry-unreadable'],
    damage: (d) => d.put(keys.kindRange(d.prefix, KIND.entry).start, Buffer.from('x')),
  },
  {
    name: 'a link to nothing',
    finds: ['entry-dangling'],
    damage: async (d) => d.put(await d.keyOf('a/ghost'), encodeLink(d.spare)),
    after: async (d) => assert.equal(await d.fixture.volume.stat(['a', 'ghost']), undefined),
  },
  {
    name: 'a link to an inode whose record is in another entry',
    finds: ['entry-link-wrong'],
    damage: async (d) => d.put(await d.keyOf('a/again'), encodeLink((await d.locate('a/one')).record.inode)),
    async after(d) {
      const [one, again] = [await d.fixture.volume.stat(['a', 'one']), await d.fixture.volume.stat(['a', 'again'])]
      assert.deepEqual([one?.inode, one?.links], [again?.inode, 2])
    },
  },
  {
    name: 'a name that is not allowed',
    finds: ['entry-name-illegal', 'inode-pointer-wrong'],
    async damage(d) {
      const key = await d.keyOf('a/b/small')
      const value = (await d.get(key))!
      await d.delete(key)
      await d.put(keys.entryKey(d.prefix, (await d.locate('a/b')).record.inode, 'x/y', 'file'), value)
    },
    async after(d) {
      const [entry] = (await d.fixture.volume.list(['lost+found'])).entries
      assert.equal(entry?.attributes.sizeBytes, 5)
    },
  },
  {
    name: 'a directory under the key of a file',
    finds: ['entry-form-wrong', 'inode-pointer-wrong'],
    async damage(d) {
      const key = await d.keyOf('d/e', 'directory')
      const value = (await d.get(key))!
      await d.delete(key)
      await d.put(await d.keyOf('d/e'), value)
    },
    after: async (d) => assert.ok((await d.fixture.volume.stat(['d', 'e', 'f', 'deep']))?.sizeBytes === 4),
  },
  {
    name: 'a directory that is lost with its entry',
    finds: ['entry-without-parent', 'directory-links-wrong', 'counters-wrong'],
    damage: async (d) => d.delete(await d.keyOf('d/e', 'directory')),
    async after(d) {
      const [found] = (await d.fixture.volume.list(['lost+found'], { recursive: true })).entries.filter(
        ({ path }) => path.at(-1) === 'deep',
      )
      assert.equal(found?.attributes.sizeBytes, 4)
      assert.deepEqual(found.path.slice(1), ['f', 'deep'])
    },
  },
  {
    name: 'entries in what is no directory',
    finds: ['entry-without-parent', 'inode-pointer-wrong'],
    async damage(d) {
      const key = await d.keyOf('a/b/small')
      const value = (await d.get(key))!
      await d.delete(key)
      await d.put(keys.entryKey(d.prefix, (await d.locate('a/one')).record.inode, 'odd', 'file'), value)
    },
    async after(d) {
      const [entry] = (await d.fixture.volume.list(['lost+found'])).entries
      assert.equal(entry?.attributes.sizeBytes, 5)
    },
  },
  {
    name: 'an inode without its row',
    finds: ['inode-pointer-wrong'],
    damage: async (d) => d.delete(keys.inodeKey(d.prefix, (await d.locate('a/one')).record.inode)),
  },
  {
    name: 'a directory without its row',
    finds: ['inode-pointer-wrong'],
    damage: async (d) => d.delete(keys.inodeKey(d.prefix, (await d.locate('d/e')).record.inode)),
    after: async (d) => assert.ok((await d.fixture.volume.stat(['d', 'e', 'f', 'deep']))?.sizeBytes === 4),
  },
  {
    name: 'an inode whose row is garbage',
    finds: ['inode-pointer-wrong'],
    damage: async (d) => d.put(keys.inodeKey(d.prefix, (await d.locate('a/one')).record.inode), Buffer.from('\x03rubbish')),
  },
  {
    name: 'a row of an inode that is nowhere',
    finds: ['inode-dangling'],
    damage: async (d) => d.put(keys.inodeKey(d.prefix, d.spare), encodePointer(await d.keyOf('a/nowhere'))),
  },
  {
    name: 'a row of an inode that is garbage',
    finds: ['inode-unreadable'],
    damage: async (d) => d.put(keys.inodeKey(d.prefix, d.spare), Buffer.from('rubbish')),
  },
  {
    name: 'a record in two entries',
    finds: ['inode-twice', 'counters-wrong', 'reference-count-wrong'],
    damage: async (d) => d.put(await d.keyOf('a/twin'), encodeRecord((await d.locate('a/one')).record)),
    async after(d) {
      const [one, twin] = [await d.fixture.volume.stat(['a', 'one']), await d.fixture.volume.stat(['a', 'twin'])]
      assert.deepEqual([one?.inode, one?.links], [twin?.inode, 2])
    },
  },
  {
    name: 'a directory in two entries',
    finds: ['inode-twice', 'counters-wrong', 'directory-links-wrong'],
    damage: async (d) => d.put(await d.keyOf('a/twin', 'directory'), encodeRecord((await d.locate('d/e')).record)),
    after: async (d) => assert.equal(await d.fixture.volume.stat(['a', 'twin']), undefined),
  },
  {
    name: 'a file of several names without any',
    finds: ['inode-orphan'],
    async damage(d) {
      await d.delete(await d.keyOf('hard'))
      await d.delete(await d.keyOf('a/hard'))
    },
    async after(d) {
      const [entry] = (await d.fixture.volume.list(['lost+found'])).entries
      assert.deepEqual(
        await readAll(await d.fixture.volume.openFile(['lost+found', ...(entry?.path ?? [])])),
        LARGE.subarray(5, 200_005),
      )
      assert.equal(entry?.attributes.links, 1)
    },
  },
  {
    name: 'a record that names another inode',
    finds: ['inode-number-wrong'],
    damage: (d) => d.change('hard', { inode: d.spare }),
    after: isAsBefore,
  },
  {
    name: 'a link count that is too high',
    finds: ['link-count-wrong'],
    damage: (d) => d.change('hard', { links: 9 }),
    after: async (d) => assert.equal((await d.fixture.volume.stat(['hard']))?.links, 2),
  },
  {
    name: 'a link count of a file with one name',
    finds: ['link-count-wrong'],
    damage: (d) => d.change('a/one', { links: 0 }),
    after: async (d) => assert.equal((await d.fixture.volume.stat(['a', 'one']))?.links, 1),
  },
  {
    name: 'link counts of directories, with and without entries',
    finds: ['directory-links-wrong', 'directory-links-wrong'],
    async damage(d) {
      await d.fixture.volume.makeDirectory(['empty'], { caller })
      await d.change('empty', { links: 1 })
      await d.change('d', { links: 7 })
    },
    after: async (d) => assert.equal((await d.fixture.volume.stat(['d']))?.links, 3),
  },
  {
    name: 'a root that is lost',
    finds: ['root-missing'],
    damage: (d) => d.delete(keys.inodeKey(d.prefix, 1 as InodeId)),
    after: isAsBefore,
  },
  {
    name: 'directories that contain each other',
    finds: ['directory-unreachable', 'directory-links-wrong', 'directory-links-wrong'],
    async damage(d) {
      const [top, inner] = [await d.locate('d'), await d.locate('d/e/f')]
      const moved = keys.entryKey(d.prefix, inner.record.inode, 'loop', 'directory')
      await d.delete(top.entry!)
      await d.put(moved, encodeRecord(top.record))
      await d.put(keys.inodeKey(d.prefix, top.record.inode), encodePointer(moved))
    },
    async after(d) {
      const { entries } = await d.fixture.volume.list(['lost+found'], { recursive: true })
      assert.ok(entries.some(({ path }) => path.at(-1) === 'deep'))
    },
  },
  // Contents
  {
    name: 'a directory with contents',
    finds: ['attributes-wrong'],
    damage: (d) => d.change('d', { sizeBytes: 5 }),
  },
  {
    name: 'inline contents of another length',
    finds: ['inline-length-wrong', 'counters-wrong'],
    damage: async (d) => d.change('a/b/small', { sizeBytes: (await d.locate('a/b/small')).record.sizeBytes + 3 }),
    after: async (d) => assert.equal((await readAll(await d.fixture.volume.openFile(['a', 'b', 'small']))).toString(), 'small'),
  },
  {
    name: 'inline contents that no file has',
    finds: ['inline-stray'],
    damage: (d) => d.put(keys.inlineKey(d.prefix, d.spare), Buffer.from('x')),
  },
  {
    name: 'an extent beyond the end of a file',
    finds: ['extent-wrong', 'counters-wrong'],
    damage: (d) => d.change('a/one', { sizeBytes: 299_999 }),
    after: async (d) =>
      assert.deepEqual(await readAll(await d.fixture.volume.openFile(['a', 'one'])), LARGE.subarray(0, 299_999)),
  },
  {
    name: 'extents in a record that overlap',
    finds: ['extent-wrong'],
    async damage(d) {
      const [first, second] = (await d.locate('a/two')).record.extents
      await d.change('a/two', {
        extents: [
          { ...first!, length: 1_000_000 },
          { ...second!, offset: 999_990 },
        ],
      })
    },
  },
  {
    name: 'extents in a table that overlap, and one that is empty',
    finds: ['extent-wrong', 'extent-wrong'],
    async damage(d) {
      const { content } = (await d.locate('a/table')).record
      const at = (offset: number) => keys.extentKey(d.prefix, content, offset)
      const second = (await d.get(at(1024 * 1024)))!
      await d.delete(at(1024 * 1024))
      await d.put(at(1024 * 1024 - 7), second)
      const last = (await d.get(at(5 * 1024 * 1024)))!
      last.writeUInt32BE(0, 0)
      await d.put(at(5 * 1024 * 1024), last)
    },
  },
  {
    name: 'extents that no file has',
    finds: ['extents-stray'],
    async damage(d) {
      const chunk = await chunkOf(d, 'a/one')
      await d.put(keys.extentKey(d.prefix, d.spare, 0), encodeExtent({ offset: 0, length: 9, chunk, chunkOffset: 0 }))
      await d.put(keys.referenceKey(chunk), encodeReference({ count: 2, zeroAtMs: 0 }))
    },
    async after(d) {
      d.fixture.clock.advance(10_000)
      await d.fixture.volumes.collect()
      assert.equal(await d.get(keys.extentKey(d.prefix, d.spare, 0)), undefined)
      assert.ok((await runFsck(d.fixture.volumes)).result.clean)
    },
  },
  {
    name: 'contents of a file on the garbage list',
    finds: ['discarded-in-use'],
    async damage(d) {
      const { content } = (await d.locate('a/table')).record
      await d.put(keys.garbageContentKey(1, d.prefix, keys.contentBytes(content)), EMPTY)
    },
    async after(d) {
      d.fixture.clock.advance(10_000)
      await d.fixture.volumes.collect()
      await isAsBefore(d)
    },
  },
  {
    name: 'two files with one table of extents',
    finds: ['content-shared', 'counters-wrong'],
    async damage(d) {
      const { content, sizeBytes } = (await d.locate('a/table')).record
      await d.fixture.volume.writeFile(['z'], (async function* () {})(), { caller })
      await d.change('z', { form: 'table', content, sizeBytes })
    },
    async after(d) {
      await d.fixture.volume.remove(['z'], { caller })
      d.fixture.clock.advance(10_000)
      await d.fixture.volumes.collect()
      await isAsBefore(d)
    },
  },
  {
    name: 'a flag of extended attributes without any',
    finds: ['xattr-flag-wrong'],
    damage: (d) => d.change('hard', { hasXattrs: true }),
  },
  {
    name: 'extended attributes without a flag',
    finds: ['xattr-flag-wrong'],
    damage: (d) => d.change('a/one', { hasXattrs: false }),
    after: async (d) => assert.deepEqual(await d.fixture.volume.listXattrs(['a', 'one']), ['user.note']),
  },
  {
    name: 'extended attributes of nothing',
    finds: ['xattr-stray'],
    damage: (d) => d.put(keys.xattrKey(d.prefix, d.spare, 'user.x'), Buffer.from('x')),
  },
  // Locks
  {
    name: 'a lock on nothing',
    finds: ['lock-stray'],
    damage: async (d) => {
      const { lock } = await d.lock('a/one')
      await d.put(keys.lockKey(d.prefix, d.spare, lock.token), encodeLock(lock))
    },
    after: async (d) => assert.equal((await d.fixture.volume.locks.find(['a', 'one'])).covering.length, 1),
  },
  {
    name: 'a lock that can not be read',
    finds: ['lock-unreadable'],
    damage: async (d) => {
      const { lock } = await d.lock('a/one')
      await d.put(keys.lockKey(d.prefix, lock.inode, lock.token), Buffer.from('{"scope":"none"}'))
    },
    after: async (d) => assert.equal((await d.fixture.volume.locks.find(['a', 'one'])).covering.length, 0),
  },
  {
    name: 'settings of a bucket that can not be read',
    finds: ['settings-unreadable'],
    damage: (d) => d.put(keys.settingsKey(d.prefix), Buffer.from('{"policy')),
    after: async (d) => assert.deepEqual((await d.fixture.volumes.openBucket('docs')).settings, {}),
  },
  // Uploads
  {
    name: 'an upload that can not be read',
    finds: ['upload-unreadable'],
    damage: (d) => d.put(keys.uploadKey(d.prefix, d.upload as UploadId), Buffer.from('{"path":"x"}')),
    after: async (d) => assert.equal(await d.fixture.volume.findUpload(d.upload as UploadId), undefined),
  },
  {
    name: 'parts of no upload',
    finds: ['part-stray'],
    damage: (d) => d.delete(keys.uploadKey(d.prefix, d.upload as UploadId)),
  },
  {
    name: 'a part without its extents, and extents without their part',
    finds: ['part-wrong', 'part-wrong', 'reference-count-wrong'],
    async damage(d) {
      const upload = d.upload as UploadId
      await d.delete(keys.partKey(d.prefix, upload, 2))
      await d.delete(keys.partExtentKey(d.prefix, upload, { part: 1, offset: 1024 * 1024 }))
    },
    after: async (d) => assert.deepEqual((await d.fixture.volume.findUpload(d.upload as UploadId))?.parts, []),
  },
  {
    name: 'an open upload on the garbage list',
    finds: ['discarded-in-use'],
    damage: (d) => d.put(keys.garbageContentKey(1, d.prefix, Buffer.from(d.upload, 'hex')), Buffer.from('release')),
    async after(d) {
      d.fixture.clock.advance(10_000)
      await d.fixture.volumes.collect()
      await d.fixture.volume.commitUpload(d.upload as UploadId, { caller })
      assert.equal((await readAll(await d.fixture.volume.openFile(['up']))).length, 1_400_000)
    },
  },
  // Counters
  {
    name: 'usage that is counted wrong',
    finds: ['counters-wrong'],
    async damage(d) {
      const counters = decodeCounters(await d.get(keys.countersKey(d.prefix)))
      await d.put(keys.countersKey(d.prefix), encodeCounters({ ...counters, files: 3, bytes: 0 }))
    },
  },
  {
    name: 'counters that are lost',
    finds: ['counters-wrong', 'next-id-low'],
    damage: (d) => d.delete(keys.countersKey(d.prefix)),
  },
  {
    name: 'a number that would be given again',
    finds: ['next-id-low'],
    async damage(d) {
      const counters = decodeCounters(await d.get(keys.countersKey(d.prefix)))
      await d.put(keys.countersKey(d.prefix), encodeCounters({ ...counters, nextId: counters.nextId - 3 }))
    },
  },
  {
    name: 'a number that only a record names',
    finds: ['next-id-low'],
    damage: (d) => d.change('a/one', { content: 5_000 }),
  },
  // The change feed
  {
    name: 'a counter of changes that would give a number again',
    finds: ['change-counter-low'],
    damage: (d) => d.put(keys.CHANGE_COUNTER_KEY, keys.contentBytes(2)),
  },
  {
    name: 'changes that are missing',
    finds: ['change-rows-missing'],
    damage: (d) => d.delete(keys.changeKey(5)),
  },
  {
    name: 'a change that can not be read',
    finds: ['change-row-unreadable'],
    damage: (d) => d.put(keys.changeKey(5), Buffer.from('{')),
  },
]

for (const { name, finds, damage, after } of CASES) {
  test(`${name}: found as ${finds.join(' and ')}, mended, clean then`, async () => {
    const damaged = await Damaged.populate()
    await damage(damaged)
    await damaged.expect(finds)
    await after?.(damaged)
    assert.deepEqual((await runFsck(damaged.fixture.volumes, { verify: true })).findings, [])
  })
}

test('the volume that is damaged is clean before', async () => {
  const { fixture } = await Damaged.populate()
  const { findings, result } = await runFsck(fixture.volumes, { verify: true })
  assert.deepEqual(findings, [])
  assert.deepEqual(result, {
    kind: 'result',
    clean: true,
    findings: 0,
    repaired: 0,
    orphanChunks: 0,
    orphanBytes: 0,
    forgottenChunks: 0,
  })
})

const UNMENDABLE = ['chunk-corrupt', 'chunk-missing', 'chunk-short', 'content-digest-wrong', 'inline-missing']

test('every problem that there is a code for is planted by a test', () => {
  const planted = new Set([...CASES.flatMap(({ finds }) => finds), ...UNMENDABLE])
  assert.deepEqual(
    [...FSCK_PROBLEMS].filter((problem) => !planted.has(problem)),
    [],
  )
})

test('a missing, short or corrupt chunk is told with the files and bytes that it is in, and stays', async () => {
  const d = await Damaged.populate()
  const { chunks, volumes, volume } = d.fixture
  await volume.copy(['a', 'two'], ['copy'], { caller })
  const [first, second] = (await d.locate('a/two')).record.extents
  await chunks.forget(first!.chunk)
  const short = Buffer.from('not those bytes')
  await chunks.forget(second!.chunk)
  await chunks.write(second!.chunk, short)
  const wrong = Buffer.alloc(200_000)
  const hard = await chunkOf(d, 'hard')
  await chunks.forget(hard)
  await chunks.write(hard, wrong)
  const quick = await runFsck(volumes, { repair: true })
  assert.deepEqual(
    quick.findings.map(({ problem, where, repairable }) => [problem, where, repairable]).toSorted(inOrder),
    [
      ['chunk-missing', 'docs:/a/table, bytes 0 to 1048575', false],
      ['chunk-missing', 'docs:/a/two, bytes 0 to 1048575', false],
      ['chunk-missing', 'docs:/copy, bytes 0 to 1048575', false],
      ['chunk-missing', `docs: upload ${d.upload}, part 1 (from 0), bytes 0 to 1048575`, false],
      ['chunk-short', 'docs:/a/two, bytes 1048576 to 1499999', false],
      ['chunk-short', 'docs:/copy, bytes 1048576 to 1499999', false],
    ].toSorted(inOrder),
  )
  const { findings, result } = await runFsck(volumes, { verify: true })
  assert.deepEqual(
    findings.filter(({ problem }) => problem === 'chunk-corrupt').map(({ where }) => where),
    ['docs:/hard, bytes 0 to 199999'],
  )
  assert.deepEqual([result.findings, result.repaired], [7, 0])
})

test('inline contents that are lost or changed are told, and stay', async () => {
  const d = await Damaged.populate()
  const inline = (path: string) => d.locate(path).then(({ record }) => keys.inlineKey(d.prefix, record.content))
  await d.put(await inline('a/b/small'), Buffer.from('smell'))
  await d.delete(await inline('d/e/f/deep'))
  await d.delete(await inline('symlink'))
  const { findings } = await runFsck(d.fixture.volumes, { repair: true, verify: true })
  assert.deepEqual(
    findings.map(({ problem, where, repaired }) => [problem, where, repaired]).toSorted(inOrder),
    [
      ['content-digest-wrong', 'docs:/a/b/small', false],
      ['inline-missing', 'docs:/d/e/f/deep', false],
      ['inline-missing', 'docs:/symlink', false],
    ].toSorted(inOrder),
  )
})

test('chunks that nothing refers to are counted, and forgotten by a repair once the grace is over', async () => {
  const { fixture } = await Damaged.populate()
  const bytes = Buffer.from('left over')
  await fixture.chunks.write('ab'.repeat(32) as ChunkId, bytes)
  const orphansOf = async (options: { repair?: boolean }) => {
    const { clean, orphanChunks, orphanBytes, forgottenChunks } = (await runFsck(fixture.volumes, options)).result
    return [clean, orphanChunks, orphanBytes, forgottenChunks]
  }
  assert.deepEqual(await orphansOf({ repair: true }), [true, 0, 0, 0])
  fixture.clock.advance(2_000)
  assert.deepEqual(await orphansOf({}), [true, 1, 9, 0])
  assert.deepEqual(await orphansOf({ repair: true }), [true, 1, 9, 1])
  assert.deepEqual(await orphansOf({}), [true, 0, 0, 0])
})

test('one check runs at a time, and one that is left behind makes room', async () => {
  const { fixture } = await Damaged.populate()
  const first = fixture.volumes.fsck()
  await first.next()
  await assert.rejects(runFsck(fixture.volumes), (error) => isShoalError(error, 'CONFLICT'))
  await first.return?.()
  assert.ok((await runFsck(fixture.volumes)).result.clean)
})

test('a check ends when its signal says so', async () => {
  const { fixture } = await openFixtureOfMany()
  await assert.rejects(runFsck(fixture.volumes, { signal: AbortSignal.abort(new Error('enough')) }), /enough/)
})

async function openFixtureOfMany(): Promise<Damaged> {
  const d = await Damaged.populate()
  const { volume } = d.fixture
  for (let at = 0; at < 400; at += 1) await volume.makeDirectory([`d${at}`], { caller })
  return d
}

test('docs/operations/fsck.md explains each problem, and no other', () => {
  const page = readFileSync(new URL('../../docs/operations/fsck.md', import.meta.url), 'utf8')
  const explained = [...page.matchAll(/^\| `([a-z-]+)` \|.*\|.*\|$/gm)].map(([, code]) => code as string)
  assert.deepEqual(explained.toSorted(inOrder), [...FSCK_PROBLEMS].toSorted(inOrder))
})

test('counting the chunks in several passes finds what one pass finds', async () => {
  const d = await Damaged.populate()
  const wrong = await chunkOf(d, 'a/one')
  await d.put(keys.referenceKey(wrong), encodeReference({ count: 9, zeroAtMs: 0 }))
  await d.delete(keys.referenceKey(await chunkOf(d, 'a/two')))
  const snapshot = await d.fixture.kv.openSnapshot()
  const surveyed = drain(survey(snapshot)).result
  const count = (passes: number) => {
    const uses: [ChunkId, ChunkUse][] = []
    const findings: string[] = []
    for (let index = 0; index < passes; index += 1) {
      const part = { index, passes }
      const tallied = drain(tallyChunks(snapshot, surveyed, part)).result
      uses.push(...tallied)
      findings.push(...drain(compareReferences(snapshot, tallied, part)).findings.map(({ where }) => where))
    }
    return { uses: uses.toSorted(inOrder), findings: findings.toSorted(inOrder) }
  }
  const once = count(1)
  assert.ok(once.uses.length >= 8)
  assert.equal(once.findings.length, 2)
  for (const passes of [2, 3, 7, 256]) assert.deepEqual(count(passes), once)
  snapshot.close()
})

function drain<T>(steps: Steps<T>): { findings: Finding[]; result: T } {
  const findings: Finding[] = []
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return { findings, result: step.value }
    if (step.value !== undefined) findings.push(step.value)
  }
}
