import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId, InodeId, TenantId, VolumeId } from '#foundation/ids.ts'
import { FILE_TYPES } from './attributes.ts'
import { entryKey, inodeKey, volumePrefix } from './keys.ts'
import { decodeObjectPart, encodeObjectPart, type ObjectPart } from './object-part.ts'
import {
  decodeExtent,
  decodeLink,
  decodePointer,
  decodeRecord,
  ListedRecord,
  encodeExtent,
  encodeLink,
  encodePointer,
  encodeRecord,
  type Extent,
  type InodeRecord,
} from './record.ts'

const PLAIN = { noNullPrototype: true } as const
const u32 = fc.oneof(fc.nat(), fc.constant(2 ** 32 - 1))
const u64 = fc.oneof(fc.nat(), fc.maxSafeNat())
const time = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const extent: fc.Arbitrary<Extent> = fc.record(
  {
    offset: u64,
    length: u32,
    chunk: hash.map((bytes) => bytes.toString('hex') as ChunkId),
    chunkOffset: u32,
  },
  PLAIN,
)
const tag = fc.option(
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
  { nil: undefined },
)
const objectPart: fc.Arbitrary<ObjectPart> = fc
  .record(
    {
      sequence: u64,
      isNull: fc.boolean(),
      md5: tag,
      parts: fc.integer({ min: 0, max: 10_000 }),
      frozenTag: tag,
      properties: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      isHeld: fc.boolean(),
      hasStorageClass: fc.boolean(),
      isEncrypted: fc.boolean(),
      isEdited: fc.boolean(),
    },
    PLAIN,
  )
  .map((part) => (part.md5 === undefined ? part : { ...part, frozenTag: undefined }))
const record: fc.Arbitrary<InodeRecord> = fc.record(
  {
    inode: u64.map((number) => number as InodeId),
    type: fc.constantFrom(...FILE_TYPES),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: u32,
    gid: u32,
    links: u32,
    sizeBytes: u64,
    atimeNs: time,
    mtimeNs: time,
    ctimeNs: time,
    btimeNs: time,
    rdev: u32,
    version: u64,
    sha256: fc.option(hash, { nil: undefined }),
    content: u64,
    form: fc.constantFrom('none', 'inline', 'embedded', 'table'),
    extents: fc.array(extent, { maxLength: 4 }),
    occupiedBytes: u64,
    reserved: fc.array(fc.record({ start: u64, end: u64 }, PLAIN), { maxLength: 64 }),
    hasXattrs: fc.boolean(),
    isImplicit: fc.boolean(),
    object: fc.option(objectPart.map(encodeObjectPart), { nil: undefined }),
  },
  PLAIN,
)

test('every record comes back as it was', () => {
  fc.assert(
    fc.property(record, (given) => assert.deepEqual(decodeRecord(encodeRecord(given)), given)),
    { numRuns: 3_000 },
  )
})

test('a listing sees of every record what is in it', () => {
  fc.assert(
    fc.property(record, (given) => {
      const { inode, type, sizeBytes, mtimeNs, version, sha256, object } = new ListedRecord(encodeRecord(given))
      assert.deepEqual(
        { inode, type, sizeBytes, mtimeNs, version, sha256, object },
        {
          inode: given.inode,
          type: given.type,
          sizeBytes: given.sizeBytes,
          mtimeNs: given.mtimeNs,
          version: given.version,
          sha256: given.sha256,
          object: given.object,
        },
      )
      assert.deepEqual(new ListedRecord(encodeRecord(given)).whole(), given)
    }),
  )
})

test('every object part comes back as it was', () => {
  fc.assert(
    fc.property(objectPart, (given) => assert.deepEqual(decodeObjectPart(encodeObjectPart(given)), given)),
    { numRuns: 3_000 },
  )
})

test('a record that is cut short or has something behind it is refused as corrupt', () => {
  const isCorrupt = (error: unknown) => isShoalError(error, 'CORRUPT')
  fc.assert(
    fc.property(record, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 60 }), (given, cut, rest) => {
      const bytes = encodeRecord(given)
      for (const damaged of [bytes.subarray(0, cut % bytes.length), Buffer.concat([bytes, rest])]) {
        assert.throws(() => decodeRecord(damaged), isCorrupt)
        assert.throws(() => new ListedRecord(damaged), isCorrupt)
      }
    }),
  )
})

test('whatever bytes there are: they are a record or corrupt, and nothing else happens', () => {
  const almost = fc.tuple(record, fc.nat(), fc.nat(255)).map(([given, at, byte]) => {
    const bytes = encodeRecord(given)
    bytes[at % bytes.length] = byte
    return bytes
  })
  fc.assert(
    fc.property(
      fc.oneof(
        almost,
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      ),
      (bytes) => {
        try {
          decodeRecord(bytes)
        } catch (error) {
          assert.ok(isShoalError(error, 'CORRUPT'))
        }
        decodeLink(bytes)
        decodePointer(bytes)
      },
    ),
    { numRuns: 3_000 },
  )
})

test('extents, links and pointers come back, and none is taken for another', () => {
  fc.assert(
    fc.property(extent, record, fc.uint8Array({ minLength: 1, maxLength: 40 }), (given, inode, key) => {
      assert.deepEqual(decodeExtent(encodeExtent(given), given.offset), given)
      const [row, link, pointer] = [encodeRecord(inode), encodeLink(inode.inode), encodePointer(Buffer.from(key))]
      assert.equal(decodeLink(link), inode.inode)
      assert.deepEqual(decodePointer(pointer), Buffer.from(key))
      assert.deepEqual([decodeLink(row), decodeLink(pointer), decodePointer(row), decodePointer(link)], Array(4).fill(undefined))
    }),
  )
})

/** Copied by hand from docs/formats/metadata.md, so that neither can change without the other. */
const KEY = '00000001 00000001 65 0000000000000001 6869'
const VALUE = `01 00 01a4 000003e8 000003e8 00000001
0000000000000011 000000000016e360
17979cfe362a0000 17979cfe362a0000 17979cfe362a0000 17979cfe362a0000
0000000000000003 00000000 02 02 0000 0000000000000000
0000000000000000 00100000 00000000
0101010101010101010101010101010101010101010101010101010101010101
0000000000100000 0006e360 00000000
0202020202020202020202020202020202020202020202020202020202020202`

const fromHex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')

test("the format document's example is a record as it says, and is what would be written", () => {
  const page = readFileSync(new URL('../../docs/formats/metadata.md', import.meta.url), 'utf8')
  assert.ok(page.includes(KEY) && page.includes(VALUE))
  const timeNs = BigInt(Date.parse('2023-11-14T22:13:20Z')) * 1_000_000n
  const example: InodeRecord = {
    inode: 17 as InodeId,
    type: 'file',
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    links: 1,
    sizeBytes: 1_500_000,
    atimeNs: timeNs,
    mtimeNs: timeNs,
    ctimeNs: timeNs,
    btimeNs: timeNs,
    rdev: 0,
    version: 3,
    sha256: undefined,
    content: 0,
    form: 'embedded',
    extents: [
      { offset: 0, length: 1_048_576, chunk: '01'.repeat(32) as ChunkId, chunkOffset: 0 },
      { offset: 1_048_576, length: 451_424, chunk: '02'.repeat(32) as ChunkId, chunkOffset: 0 },
    ],
    occupiedBytes: 1_500_000,
    reserved: [],
    hasXattrs: false,
    isImplicit: false,
    object: undefined,
  }
  assert.deepEqual(decodeRecord(fromHex(VALUE)), example)
  assert.deepEqual(encodeRecord(example), fromHex(VALUE))
  const prefix = volumePrefix(1 as TenantId, 1 as VolumeId)
  assert.deepEqual(entryKey(prefix, 1 as InodeId, 'hi', 'file'), fromHex(KEY))
  assert.deepEqual(inodeKey(prefix, 17 as InodeId), fromHex('00000001 00000001 69 0000000000000011'))
})
