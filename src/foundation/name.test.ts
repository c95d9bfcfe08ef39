import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeName, encodeName } from './name.ts'

test('every byte string comes back byte for byte', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      assert.deepEqual(new Uint8Array(encodeName(decodeName(bytes))), new Uint8Array(bytes))
    }),
    { numRuns: 5_000 },
  )
})

test('distinct byte strings have distinct names', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), fc.uint8Array({ maxLength: 6 }), (a, b) => {
      if (Buffer.compare(a, b) !== 0) assert.notEqual(decodeName(a), decodeName(b))
    }),
    { numRuns: 5_000 },
  )
})

test('UTF-8 reads as itself, other bytes as lone surrogates', () => {
  assert.equal(decodeName(Buffer.from('Grüße 🐟')), 'Grüße 🐟')
  assert.equal(decodeName(Buffer.from('\uFFFD')), '\uFFFD')
  assert.equal(decodeName(Buffer.of(0x61, 0xff, 0x62)), 'a\udcffb')
  assert.equal(decodeName(Buffer.of(0xed, 0xb2, 0x80)), '\udced\udcb2\udc80')
})
