import assert from 'node:assert/strict'
import type { UploadId } from '#foundation/ids.ts'
import * as keys from '#metadata/keys.ts'
import { encodeRanges } from '#metadata/lock-ranges.ts'
import { encodeLock } from '#metadata/locks.ts'
import { encodeExtent } from '#metadata/record.ts'
import { encodeReference } from '#metadata/references.ts'
import { runFsck } from './fsck-damage.suite.ts'
import { type FsckCase, chunkOf, EMPTY, isAsBefore, LARGE } from './fsck-case.suite.ts'
import { caller, readAll } from './volume-fixture.suite.ts'

/** Damage to the contents of files, and to what hangs on files and volumes: attributes, locks, settings, uploads. */
export const CONTENT_CASES: readonly FsckCase[] = [
  // Contents
  {
    name: 'a directory with contents',
    finds: ['attributes-wrong'],
    damage: (d) => d.change('d', { sizeBytes: 5 }),
  },
  {
    name: 'inline contents of another length',
    finds: ['inline-length-wrong', 'room-wrong', 'counters-wrong'],
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
    finds: ['extent-wrong', 'room-wrong'],
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
      await d.change('z', { form: 'table', content, sizeBytes, occupiedBytes: sizeBytes })
    },
    async after(d) {
      await d.fixture.volume.remove(['z'], { caller })
      d.fixture.clock.advance(10_000)
      await d.fixture.volumes.collect()
      await isAsBefore(d)
    },
  },
  {
    name: 'another number of bytes than a file occupies',
    finds: ['room-wrong'],
    damage: (d) => d.change('a/table', { occupiedBytes: 1 }),
    after: isAsBefore,
  },
  {
    name: 'a range that is set aside and not counted',
    finds: ['room-wrong'],
    damage: (d) => d.change('a/one', { reserved: [{ start: 0, end: 1_000_000 }] }),
    after: async (d) => assert.equal((await d.fixture.volume.stat(['a', 'one']))?.occupiedBytes, 1_000_000),
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
    name: 'a lock of a mount that has no session, and one that is cut off',
    finds: ['file-lock-stray', 'file-lock-stray', 'file-lock-stray'],
    damage: async (d) => {
      const { inode } = await d.locate('a/one').then(({ record }) => record)
      const holder = { session: 'ab'.repeat(16), family: 'posix', owner: 'cd'.repeat(8) } as const
      await d.put(keys.fileLockKey(d.prefix, inode, holder), encodeRanges([{ start: 0n, end: 9n, kind: 'read', pid: 1 }]))
      await d.put(keys.fileLockKey(d.prefix, inode, { ...holder, family: 'flock' }), Buffer.from('short'))
      await d.put(keys.sessionLockKey(d.prefix, inode, { ...holder, owner: '0'.repeat(16) }), EMPTY)
    },
  },
  {
    name: 'a session of a mount that can not be read',
    finds: ['session-unreadable'],
    damage: (d) => d.put(keys.sessionKey(d.prefix, 'ab'.repeat(16)), Buffer.from('{"mount":7}')),
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
]
