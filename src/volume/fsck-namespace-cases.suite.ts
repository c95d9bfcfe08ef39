import assert from 'node:assert/strict'
import type { InodeId } from '#foundation/ids.ts'
import * as keys from '#metadata/keys.ts'
import { encodeLink, encodePointer, encodeRecord } from '#metadata/record.ts'
import { type FsckCase, EMPTY, isAsBefore, LARGE } from './fsck-case.suite.ts'
import { caller, readAll } from './volume-fixture.suite.ts'

const { KIND } = keys

/** Damage to volumes, entries and directories. */
export const NAMESPACE_CASES: readonly FsckCase[] = [
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
]
