import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ChunkId, InodeId, TenantId, UploadId, VolumeId } from '#foundation/ids.ts'
import { decodeName, encodeName } from '#foundation/name.ts'
import * as keys from './keys.ts'

const u64 = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER))
const u32 = fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 32 - 1))
const inode = u64.map((number) => number as InodeId)
const prefix = fc.tuple(u32, u32).map(([tenant, volume]) => keys.volumePrefix(tenant as TenantId, volume as VolumeId))
/** Names as they may be, and some that are alike. */
const name = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 255 }),
    fc
      .array(fc.constantFrom(0x01, 0x2e, 0x30, 0x61, 0xff), { minLength: 1, maxLength: 4 })
      .map((bytes) => Uint8Array.from(bytes)),
  )
  .map((bytes) => decodeName(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))))
  .filter((text) => text !== '.' && text !== '..')
const form = fc.constantFrom<keys.EntryForm>('file', 'directory')
const upload = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex') as UploadId)
const chunk = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex') as ChunkId)

const sign = (value: number): number => Math.sign(value)
const less = (a: number, b: number): number => sign(a - b)

function holds<T extends [unknown, ...unknown[]]>(property: fc.IPropertyWithHooks<T>): void {
  fc.assert(property, { numRuns: 2_000 })
}

test('numbers come back, and order as their bytes do', () => {
  holds(
    fc.property(u64, u64, (a, b) => {
      const [left, right] = [keys.contentBytes(a), keys.contentBytes(b)]
      assert.equal(keys.readU64(left, 0), a)
      assert.equal(Buffer.compare(left, right), less(a, b))
    }),
  )
})

test('an entry comes back: parent, name and form', () => {
  holds(
    fc.property(prefix, inode, name, form, (where, parent, given, wanted) => {
      const key = keys.entryKey(where, parent, given, wanted)
      assert.deepEqual(keys.readEntryKey(key), { name: given, form: wanted })
      assert.equal(keys.parentOfEntryKey(key), parent)
      assert.ok(key.subarray(0, 8).equals(where))
      assert.equal(key.length, 17 + encodeName(given).length + (wanted === 'directory' ? 1 : 0))
    }),
  )
})

test('entries order by parent, then as S3 orders keys: by the bytes of the name, a directory as if it ended in a slash', () => {
  const s3 = (given: string, wanted: keys.EntryForm) =>
    Buffer.concat([encodeName(given), Buffer.from(wanted === 'directory' ? '/' : '')])
  holds(
    fc.property(prefix, fc.tuple(inode, name, form), fc.tuple(inode, name, form), fc.boolean(), (where, a, b, siblings) => {
      const parentOfB = siblings ? a[0] : b[0]
      const order = less(a[0], parentOfB) || Buffer.compare(s3(a[1], a[2]), s3(b[1], b[2]))
      const left = keys.entryKey(where, a[0], a[1], a[2])
      assert.equal(Buffer.compare(left, keys.entryKey(where, parentOfB, b[1], b[2])), order)
    }),
  )
})

test('a directory has exactly its own entries in its range', () => {
  holds(
    fc.property(prefix, inode, inode, name, form, (where, directory, parent, given, wanted) => {
      fc.pre(directory < Number.MAX_SAFE_INTEGER)
      const { start, end } = keys.entryRange(where, directory)
      const key = keys.entryKey(where, parent, given, wanted)
      const isInside = Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0
      assert.equal(isInside, parent === directory)
    }),
  )
})

test('extents order by content, then by offset, and come back', () => {
  holds(
    fc.property(prefix, fc.tuple(u64, u64), fc.tuple(u64, u64), (where, a, b) => {
      const left = keys.extentKey(where, ...a)
      assert.deepEqual([keys.idOfKey(left), keys.offsetOfExtentKey(left)], a)
      assert.equal(Buffer.compare(left, keys.extentKey(where, ...b)), less(a[0], b[0]) || less(a[1], b[1]))
    }),
  )
})

test('uploads, parts and their extents come back, and a part has exactly its extents in its range', () => {
  holds(
    fc.property(prefix, upload, fc.integer({ min: 1, max: 10_000 }), u64, (where, id, part, offset) => {
      assert.equal(keys.uploadOfKey(keys.uploadKey(where, id)), id)
      const row = keys.partKey(where, id, part)
      assert.deepEqual([keys.uploadOfKey(row), keys.numberOfPartKey(row)], [id, part])
      const key = keys.partExtentKey(where, id, { part, offset })
      assert.deepEqual([keys.uploadOfKey(key), keys.numberOfPartKey(key), keys.offsetOfPartExtentKey(key)], [id, part, offset])
      assert.ok(Buffer.compare(keys.partExtentKey(where, id, { part, offset: 0 }), key) <= 0)
      assert.ok(Buffer.compare(key, keys.partExtentKey(where, id, { part: part + 1, offset: 0 })) < 0)
    }),
  )
})

test('extended attributes, references and garbage come back', () => {
  holds(
    fc.property(prefix, inode, name, chunk, u64, (where, id, given, used, atMs) => {
      assert.equal(keys.nameOfXattrKey(keys.xattrKey(where, id, given)), given)
      assert.equal(keys.idOfKey(keys.xattrKey(where, id, given)), id)
      assert.equal(keys.chunkOfReferenceKey(keys.referenceKey(used)), used)
      assert.deepEqual(keys.readGarbageChunkKey(keys.garbageChunkKey(atMs, used)), { zeroAtMs: atMs, chunk: used })
      for (const what of [Buffer.alloc(0), keys.contentBytes(id), Buffer.alloc(16, 7)]) {
        const read = keys.readGarbageContentKey(keys.garbageContentKey(atMs, where, what))
        assert.deepEqual(read, { number: atMs, prefix: where, what })
      }
    }),
  )
})

test('what became garbage earlier comes first on its list', () => {
  holds(
    fc.property(u64, u64, chunk, chunk, prefix, (a, b, first, second, where) => {
      fc.pre(a < b)
      assert.ok(Buffer.compare(keys.garbageChunkKey(a, first), keys.garbageChunkKey(b, second)) < 0)
      const [early, late] = [
        keys.garbageContentKey(a, where, Buffer.alloc(16, 255)),
        keys.garbageContentKey(b, where, Buffer.alloc(0)),
      ]
      assert.ok(Buffer.compare(early, late) < 0)
    }),
  )
})

test('names of volumes come back with their tenant', () => {
  holds(
    fc.property(u32, fc.stringMatching(/^[a-z0-9.-]{1,20}$/), (tenant, given) => {
      const key = keys.volumeNameKey(tenant as TenantId, given)
      assert.deepEqual([keys.tenantOfVolumeNameKey(key), keys.nameOfVolumeNameKey(key)], [tenant, given])
    }),
  )
})

test('the range of a kind has its keys, and no other kind or volume', () => {
  holds(
    fc.property(prefix, prefix, inode, fc.constantFrom(...Object.values(keys.KIND)), (where, other, id, kind) => {
      const { start, end } = keys.kindRange(where, keys.KIND.inode)
      const probe = Buffer.concat([other, Buffer.of(kind), keys.contentBytes(id)])
      const isInside = Buffer.compare(probe, start) >= 0 && Buffer.compare(probe, end) < 0
      assert.equal(isInside, other.equals(where) && kind === keys.KIND.inode)
    }),
  )
})

test('the key after a prefix is above all that starts with it, and the key after a key directly behind it', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 6 })
  holds(
    fc.property(bytes, bytes, (start, rest) => {
      fc.pre(start.some((byte) => byte !== 0xff))
      const end = keys.keyAfterPrefix(Buffer.from(start))
      assert.ok(Buffer.compare(Buffer.concat([start, rest]), end) < 0)
      assert.ok(Buffer.compare(Buffer.from(start), end) < 0)
      const isBetween = Buffer.compare(rest, start) > 0 && Buffer.compare(rest, keys.keyAfter(start)) < 0
      assert.equal(isBetween, false)
    }),
  )
})
