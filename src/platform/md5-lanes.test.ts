import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { Md5Lanes } from './md5-lanes.ts'

const md5 = (pieces: readonly Uint8Array[]): string => createHash('md5').update(Buffer.concat(pieces)).digest('hex')

/** Lengths about blocks and slices, and any in between. */
const lengths = fc.oneof(
  fc.nat({ max: 200 }),
  fc.constantFrom(0, 55, 56, 63, 64, 65, 32_767, 32_768, 32_769, 65_536),
  fc.nat({ max: 100_000 }),
)
const streams = fc.array(fc.array(lengths, { maxLength: 4 }), { minLength: 1, maxLength: 19 })

test('every stream has the digest that Node has for its bytes, however many there are and however they are cut', () => {
  fc.assert(
    fc.property(streams, fc.nat({ max: 3 }), (plan, turnsBetween) => {
      const lanes = new Md5Lanes()
      const open = plan.map((sizes, at) => ({
        stream: lanes.open(),
        pieces: sizes.map((size, piece) => Buffer.alloc(size, `${at}/${piece}/`)),
        left: sizes.length,
      }))
      for (let piece = 0; piece < 4; piece += 1) {
        for (const one of open) {
          const bytes = one.pieces[piece]
          if (bytes !== undefined) one.stream.update(bytes, () => (one.left -= 1))
        }
        for (let turn = 0; turn < turnsBetween; turn += 1) lanes.turn()
      }
      while (lanes.turn());
      for (const { stream, pieces, left } of open) {
        assert.equal(left, 0)
        assert.equal(stream.digest().toString('hex'), md5(pieces))
      }
    }),
    { numRuns: 60 },
  )
})

test('bytes that are let go are not looked at again', () => {
  const lanes = new Md5Lanes()
  const stream = lanes.open()
  const bytes = Buffer.alloc(100_007, 'before')
  const before = Buffer.from(bytes)
  stream.update(bytes, () => bytes.fill(0))
  while (lanes.turn());
  assert.equal(stream.digest().toString('hex'), md5([before]))
})

test('a digest can be asked for before the bytes are done, by what comes behind them', () => {
  const lanes = new Md5Lanes()
  const [one, other] = [lanes.open(), lanes.open()]
  const digests: string[] = []
  one.update(Buffer.alloc(500_000, 'one'), () => {})
  one.update(Buffer.alloc(0), () => digests.push(one.digest().toString('hex')))
  other.update(Buffer.alloc(200_001, 'other'), () => {})
  other.update(Buffer.alloc(0), () => digests.push(other.digest().toString('hex')))
  while (lanes.turn());
  assert.deepEqual(digests, [md5([Buffer.alloc(200_001, 'other')]), md5([Buffer.alloc(500_000, 'one')])])
})

test('lengths beyond 512 MiB, whose bits need more than 32 digits, are told right', { timeout: 60_000 }, () => {
  const lanes = new Md5Lanes()
  const stream = lanes.open()
  const piece = Buffer.alloc(64 * 1024 * 1024, 'x')
  const expected = createHash('md5')
  for (let count = 0; count < 9; count += 1) {
    stream.update(piece, () => {})
    expected.update(piece)
  }
  while (lanes.turn());
  assert.equal(stream.digest().toString('hex'), expected.digest('hex'))
})
