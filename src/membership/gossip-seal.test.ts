import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { GossipSeal, SEAL_BYTES, type SealedKind } from './gossip-seal.ts'

const CLUSTER = '0123456789abcdef0123456789abcdef'
const random = new SeededRandom(1)
const keyA = random.bytes(32)
const keyB = random.bytes(32)
const sealOf = (primary: Buffer, others: Buffer[] = [], clusterId = CLUSTER) =>
  new GossipSeal({ clusterId, keys: { primary, others }, random })

function refusalOf(seal: GossipSeal, bytes: Buffer, kind: SealedKind = 'packet') {
  const opened = seal.open(kind, bytes)
  assert.ok('refusal' in opened, 'it was opened')
  return opened
}

test('what is sealed opens with the same key and cluster, and shows nothing of itself', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1352 }), (bytes) => {
      const sealed = sealOf(keyA).seal('packet', bytes)
      assert.equal(sealed.length, bytes.length + SEAL_BYTES)
      assert.ok(bytes.length < 8 || !sealed.includes(bytes))
      assert.deepEqual(sealOf(keyA).open('packet', sealed), { bytes: Buffer.from(bytes) })
      assert.notDeepEqual(sealOf(keyA).seal('packet', bytes), sealed)
    }),
  )
})

test('whatever byte is changed, cut or added, it does not open', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 100 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (bytes, place, by) => {
        const sealed = sealOf(keyA).seal('packet', bytes)
        const changed = Buffer.from(sealed)
        const at = place % sealed.length
        changed[at] = (changed[at] as number) ^ by
        refusalOf(sealOf(keyA), changed)
        refusalOf(sealOf(keyA), sealed.subarray(0, at))
        refusalOf(sealOf(keyA), Buffer.concat([sealed, Buffer.of(by)]))
      },
    ),
  )
})

test('another cluster, another key, another version and what is no gossip are told apart', () => {
  const sealed = sealOf(keyA).seal('packet', Buffer.from('x'))
  const other = refusalOf(sealOf(keyA, [], 'f'.repeat(32)), sealed)
  assert.equal(other.refusal, 'other-cluster')
  assert.ok(isShoalError(other.error, 'FORBIDDEN') && other.error.message.includes(CLUSTER))
  const wrongKey = refusalOf(sealOf(keyB), sealed)
  assert.equal(wrongKey.refusal, 'wrong-key')
  assert.ok(isShoalError(wrongKey.error, 'UNAUTHENTICATED'))
  const newer = Buffer.from(sealed)
  newer[2] = 2
  assert.equal(refusalOf(sealOf(keyA), newer).refusal, 'other-version')
  assert.equal(refusalOf(sealOf(keyA), Buffer.from('GET / HTTP/1.1\r\n'.repeat(4))).refusal, 'not-gossip')
})

test('a packet is no exchange, and a question no answer', () => {
  const sealed = sealOf(keyA).seal('exchange', Buffer.from('x'))
  assert.equal(refusalOf(sealOf(keyA), sealed, 'packet').refusal, 'not-gossip')
  assert.equal(refusalOf(sealOf(keyA), sealed, 'answer').refusal, 'not-gossip')
  const relabelled = Buffer.from(sealed)
  relabelled[3] = 2
  assert.equal(refusalOf(sealOf(keyA), relabelled, 'answer').refusal, 'wrong-key')
})

test('a key is exchanged in three steps, and at each all nodes understand each other', () => {
  const steps = [
    { before: { primary: keyA }, after: { primary: keyA, others: [keyB] } },
    { before: { primary: keyA, others: [keyB] }, after: { primary: keyB, others: [keyA] } },
    { before: { primary: keyB, others: [keyA] }, after: { primary: keyB } },
  ]
  const [early, late] = [sealOf(keyA), sealOf(keyA)]
  const agree = () => {
    assert.ok('bytes' in early.open('packet', late.seal('packet', Buffer.from('x'))))
    assert.ok('bytes' in late.open('packet', early.seal('packet', Buffer.from('x'))))
  }
  for (const { before, after } of steps) {
    late.useKeys(before)
    early.useKeys(after)
    agree()
    late.useKeys(after)
    agree()
  }
  assert.equal(refusalOf(early, sealOf(keyA).seal('packet', Buffer.from('x'))).refusal, 'wrong-key')
})

test('keys of another length, and too many, are refused', () => {
  assert.throws(
    () => sealOf(Buffer.alloc(16)),
    (error) => isShoalError(error, 'INVALID_ARGUMENT'),
  )
  assert.throws(
    () => sealOf(keyA, [keyA, keyB, keyA, keyB]),
    (error) => isShoalError(error, 'INVALID_ARGUMENT'),
  )
  assert.throws(
    () => sealOf(keyA, [], 'cluster'),
    (error) => isShoalError(error, 'INVALID_ARGUMENT'),
  )
})
