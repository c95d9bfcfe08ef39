import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeRecord, encodeRecord, PAGE_BYTES, recordBytes } from './journal-format.ts'
import { nameOfKey } from './key-name.ts'
import { WriteSet } from './write-set.ts'

const anyBytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength })
const anyWrites = fc
  .array(fc.record({ key: anyBytes(1, 40), value: fc.option(anyBytes(0, 3_000), { nil: undefined }) }), { maxLength: 20 })
  .map((list) => {
    const writes = new WriteSet()
    for (const write of list) writes.set(nameOfKey(write.key), write)
    return writes
  })
const anyHead = fc.record({ sequence: fc.maxSafeNat(), applied: fc.maxSafeNat() })

test('a record that is read is what was written, wherever it stands', () => {
  fc.assert(
    fc.property(anyHead, anyWrites, fc.nat(2), (head, writes, page) => {
      const file = Buffer.alloc(256 * 1024, 0xee)
      const at = page * PAGE_BYTES
      const lengthBytes = encodeRecord(file.subarray(at), head, writes)
      assert.equal(lengthBytes, recordBytes(writes))
      assert.equal(lengthBytes % PAGE_BYTES, 0)
      const record = decodeRecord(file, at)
      assert.deepEqual([record?.sequence, record?.applied, record?.lengthBytes], [head.sequence, head.applied, lengthBytes])
      const expected = [...writes.writes()].map(({ key, value }) => [Buffer.from(key), value && Buffer.from(value)])
      assert.deepEqual(
        record?.writes.map(({ key, value }) => [key, value]),
        expected,
      )
    }),
  )
})

test('a record in which any bit is another, or that is cut short, is none', () => {
  fc.assert(
    fc.property(anyHead, anyWrites, fc.nat(), fc.nat(7), (head, writes, position, bit) => {
      const file = Buffer.alloc(recordBytes(writes))
      encodeRecord(file, head, writes)
      const endsAt = 32 + writes.dataBytes + writes.size * 6
      assert.equal(decodeRecord(file.subarray(0, endsAt - 1), 0), undefined)
      const at = position % endsAt
      file[at] = (file[at] as number) ^ (1 << bit)
      assert.equal(decodeRecord(file, 0), undefined)
    }),
  )
})

test('what is no record is none', () => {
  assert.equal(decodeRecord(Buffer.alloc(0), 0), undefined)
  assert.equal(decodeRecord(Buffer.alloc(PAGE_BYTES), 0), undefined)
  assert.equal(decodeRecord(Buffer.alloc(PAGE_BYTES, 0xff), 0), undefined)
})
