import assert from 'node:assert/strict'
import type { KeyValue } from '#kv/store.ts'
import { kindRange, KIND, nullVersionKey } from '#metadata/keys.ts'
import { decodeObjectPart, encodeObjectPart } from '#metadata/object-part.ts'
import { decodeRecord, encodeRecord } from '#metadata/record.ts'
import type { FsckCase } from './fsck-case.suite.ts'
import type { Damaged } from './fsck-damage.suite.ts'
import type { OpenObject } from './objects.ts'
import { caller, readAll } from './volume-fixture.suite.ts'

const KEY = 'versioned/key'

/** Gives the volume an object with the versions "one" (which is "null"), "two" and "three", the last one current. Its
 *  older versions, newest first. */
async function makeVersions(d: Damaged): Promise<[KeyValue, KeyValue]> {
  const { volumes, kv } = d.fixture
  const put = async (text: string) => {
    const objects = await volumes.openObjects('docs')
    await objects.put(KEY, Buffer.from(text), { caller, properties: () => ({}) })
  }
  await put('one')
  await volumes.update('docs', { versioning: 'enabled' }, caller)
  await put('two')
  await put('three')
  const rows = await kv.read((snapshot) => [...snapshot.range(kindRange(d.prefix, KIND.version))])
  assert.equal(rows.length, 2)
  return rows as [KeyValue, KeyValue]
}

async function contentsOf(d: Damaged, versionId: string): Promise<string> {
  const objects = await d.fixture.volumes.openObjects('docs')
  const open = (await objects.open(KEY, versionId)) as OpenObject
  return (await readAll(open.file)).toString()
}

/** Damage to old versions of objects. */
export const VERSION_CASES: readonly FsckCase[] = [
  {
    name: 'an old version whose row is garbage',
    finds: ['version-unreadable', 'inline-stray', 'counters-wrong'],
    async damage(d) {
      const [{ key }] = await makeVersions(d)
      await d.put(key, Buffer.from([1, 2, 3]))
    },
    after: async (d) => assert.equal(await contentsOf(d, 'null'), 'one'),
  },
  {
    name: 'an old version with the number of another',
    finds: ['version-number-wrong'],
    async damage(d) {
      const [{ key, value }] = await makeVersions(d)
      const record = decodeRecord(value)
      const object = encodeObjectPart({ ...decodeObjectPart(record.object), sequence: 3 })
      await d.put(key, encodeRecord({ ...record, object }))
    },
  },
  {
    name: 'an old version that nobody knows as "null" any more',
    finds: ['version-null-wrong'],
    async damage(d) {
      await makeVersions(d)
      await d.delete(nullVersionKey(d.prefix, Buffer.from(KEY)))
    },
    after: async (d) => assert.equal(await contentsOf(d, 'null'), 'one'),
  },
  {
    name: 'two old versions that are both "null"',
    finds: ['version-null-wrong'],
    async damage(d) {
      const [{ key, value }] = await makeVersions(d)
      const record = decodeRecord(value)
      const object = encodeObjectPart({ ...decodeObjectPart(record.object), isNull: true })
      await d.put(key, encodeRecord({ ...record, object }))
    },
    after: async (d) => assert.equal(await contentsOf(d, 'null'), 'one'),
  },
  {
    name: 'a version "null" that is not there',
    finds: ['version-null-stray'],
    damage: (d) => d.put(nullVersionKey(d.prefix, Buffer.from('no/such/key')), Buffer.alloc(8)),
  },
]
