import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ChunkId } from '#foundation/ids.ts'
import { blockChecksums } from '#platform/block-checksums.ts'
import { BLOCK_BYTES } from './blocks.ts'
import { BLOCK_CHECKSUMS, decodeTrailer, encodeTrailer, payloadBytesOf, trailerBytes } from './chunk-file-format.ts'
import {
  PACK_HEADER_BYTES,
  decodePackHeader,
  decodeRecordHeader,
  encodePackHeader,
  encodeRecordPrefix,
  findDamagedPayloadBlock,
  packName,
  parsePackName,
  recordBytes,
  recordPrefixBytes,
} from './pack-format.ts'
import type { PackRecord } from './pack-format.ts'
import { idOf, sampleBytes } from './store.suite.ts'

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const salts = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes))
const ids = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex') as ChunkId)
const kills = fc.option(
  fc.tuple(fc.integer({ min: 1, max: 0xffff_ffff }), u32).map(([pack, offset]) => ({ pack, offset })),
  { nil: undefined },
)
const payloads = fc.integer({ min: 1, max: 256 * 1024 }).map((length) => sampleBytes(length, length))
const records: fc.Arbitrary<PackRecord> = fc.oneof(
  fc.record({ id: ids, payload: payloads, kills }),
  fc.record({ id: ids, payload: fc.constant(undefined), kills: kills.filter((kill) => kill !== undefined) }),
)

function encode(record: PackRecord, salt: Buffer, offset: number): Buffer {
  const length = record.payload?.length ?? 0
  const bytes = Buffer.alloc(recordBytes(length))
  const end = encodeRecordPrefix(bytes, 0, { ...record, salt, offset })
  assert.equal(end, recordPrefixBytes(length))
  if (record.payload !== undefined) bytes.set(record.payload, end)
  return bytes
}

test('what is encoded is decoded again: records', () => {
  fc.assert(
    fc.property(records, salts, u32, (record, salt, offset) => {
      const bytes = encode(record, salt, offset)
      assert.equal(bytes.length % 8, 0)
      const { id } = record
      assert.deepEqual(decodeRecordHeader(bytes, 0, { salt, offset }), {
        id,
        lengthBytes: record.payload?.length ?? 0,
        kills: record.kills,
      })
      if (record.payload !== undefined) {
        const upToPadding = bytes.subarray(0, recordPrefixBytes(record.payload.length) + record.payload.length)
        assert.equal(findDamagedPayloadBlock(upToPadding, record.payload.length), -1)
      }
    }),
    { numRuns: 200 },
  )
})

test('a record is refused at another offset, under another salt, cut short, or with any bit of its head flipped', () => {
  const salt = Buffer.from('saltsalt')
  const record: PackRecord = { id: idOf(Buffer.from('x')), payload: sampleBytes(70_000), kills: { pack: 7, offset: 88 } }
  const bytes = encode(record, salt, 4_096)
  const place = { salt, offset: 4_096 }
  assert.ok(decodeRecordHeader(bytes, 0, place) !== undefined)
  assert.ok(decodeRecordHeader(bytes, 0, { salt: undefined, offset: 4_096 }) !== undefined)
  assert.equal(decodeRecordHeader(bytes, 0, { salt, offset: 4_104 }), undefined)
  assert.equal(decodeRecordHeader(bytes, 0, { salt: Buffer.from('othersal'), offset: 4_096 }), undefined)
  const prefix = recordPrefixBytes(70_000)
  for (let length = 0; length < prefix; length += 1) {
    assert.equal(decodeRecordHeader(bytes.subarray(0, length), 0, place), undefined)
  }
  for (let bit = 0; bit < prefix * 8; bit += 1) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.equal(decodeRecordHeader(flipped, 0, place), undefined, `bit ${bit}`)
  }
})

test('what is encoded is decoded again: pack headers; with any bit flipped they are refused', () => {
  fc.assert(
    fc.property(u32, salts, fc.integer({ min: 0, max: PACK_HEADER_BYTES * 8 - 1 }), (number, salt, bit) => {
      const bytes = encodePackHeader({ number, salt })
      assert.deepEqual(decodePackHeader(bytes), { number, salt })
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      assert.equal(decodePackHeader(bytes), undefined)
    }),
  )
})

test('only the names of packs are taken for names of packs', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 0xffff_ffff }), (number) => {
      assert.equal(parsePackName(packName(number)), number)
    }),
  )
  for (const name of ['00000000.pack', '1.pack', '000000001.pack', '4294967296.pack', '00000001.pack.tmp', '0000000a.pack', '']) {
    assert.equal(parsePackName(name), undefined, name)
  }
})

test('a chunk file tells the size of its payload, and no other size passes for one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 * 1024 * 1024 }), (payloadBytes) => {
      assert.equal(payloadBytesOf(payloadBytes + trailerBytes(payloadBytes)), payloadBytes)
    }),
    { numRuns: 2_000 },
  )
  for (const fileBytes of [0, 1, 64, 65, 68, 64 + 65_536 + 4 + 1, 64 + 65_536 + 4 + 4])
    assert.equal(payloadBytesOf(fileBytes), undefined)
})

test('what is encoded is decoded again: trailers; with any bit flipped they are refused', () => {
  const payload = sampleBytes(300_000)
  const id = idOf(payload)
  const trailer = encodeTrailer(id, payload.length, blockChecksums(payload, BLOCK_BYTES, BLOCK_CHECKSUMS))
  const fileBytes = payload.length + trailer.length
  const decoded = decodeTrailer(trailer, fileBytes)
  assert.equal(decoded?.id, id)
  assert.equal(decoded?.payloadBytes, payload.length)
  assert.equal(decoded?.kind, BLOCK_CHECKSUMS)
  assert.equal(decodeTrailer(trailer, fileBytes - 1), undefined)
  assert.equal(decodeTrailer(trailer.subarray(1), fileBytes), undefined)
  for (let bit = 0; bit < trailer.length * 8; bit += 1) {
    const flipped = Buffer.from(trailer)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.equal(decodeTrailer(flipped, fileBytes), undefined, `bit ${bit}`)
  }
})
