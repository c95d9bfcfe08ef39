import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CHECKSUM_ALGORITHMS } from '#volume/objects.ts'
import { createChecksum } from './checksum.ts'
import { combineCrcs } from './crc-combine.ts'

const digest = (algorithm: (typeof CHECKSUM_ALGORITHMS)[number], ...pieces: (string | Uint8Array)[]): Buffer => {
  const hash = createChecksum(algorithm)
  for (const piece of pieces) hash.update(Buffer.from(piece as Uint8Array))
  return hash.digest()
}

test('each algorithm gives the check value of its specification', () => {
  const given = CHECKSUM_ALGORITHMS.map((algorithm) => digest(algorithm, '123456789').toString('hex'))
  assert.deepEqual(given, [
    'cbf43926',
    'e3069283',
    'ae8b14860a799888',
    'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
    '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
  ])
})

test('a checksum is that of all bytes, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), (pieces) => {
      for (const algorithm of CHECKSUM_ALGORITHMS)
        assert.deepEqual(digest(algorithm, ...pieces), digest(algorithm, Buffer.concat(pieces)))
    }),
  )
})

test('the CRCs of parts combine to that of the whole', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 6 }), (parts) => {
      for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME'] as const) {
        const runs = parts.map((part) => ({ crc: digest(algorithm, part), lengthBytes: part.length }))
        assert.deepEqual(combineCrcs(algorithm, runs), digest(algorithm, Buffer.concat(parts)))
      }
    }),
  )
})
