import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { computeLayout } from './compute-layout.ts'
import { decodeLayout, encodeLayout } from './layout-codec.ts'
import type { Layout } from './layout.ts'
import { node, nodes } from './nodes.suite.ts'

const facts = ({ version, partitionBits, copies, zones, nodes: members, assignment }: Layout): object => {
  return { version, partitionBits, copies, zones, members, assignment }
}

test('every layout comes back as it was', () => {
  const member = fc.record({
    zone: fc.string({ maxLength: 60, unit: 'grapheme' }).filter((zone) => Buffer.byteLength(zone) <= 255),
    capacityBytes: fc.maxSafeNat(),
    weight: fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1_000, noNaN: true })),
  })
  fc.assert(
    fc.property(
      fc.array(member, { maxLength: 12 }),
      fc.integer({ min: 1, max: 16 }),
      fc.integer({ min: 1, max: 5 }),
      (all, copies, bits) => {
        const layout = computeLayout({ nodes: all.map((fields, at) => node(at, fields)), copies, zones: 1, partitionBits: bits })
        const next = computeLayout({ nodes: nodes(3), copies, zones: copies, previous: layout })
        for (const each of [layout, next]) {
          assert.deepEqual(facts(decodeLayout(encodeLayout(each))), facts(each))
          assert.ok(encodeLayout(decodeLayout(encodeLayout(each))).equals(encodeLayout(each)))
        }
      },
    ),
    { numRuns: 200, endOnFailure: true },
  )
})

test('three copies of 4,096 partitions take 12 KiB on 256 nodes, 24 KiB on more, and 34 bytes a node', () => {
  for (const [count, width] of [
    [256, 1],
    [257, 2],
  ] as const) {
    const layout = computeLayout({ nodes: nodes(count, 1), copies: 3 })
    const bytes = encodeLayout(layout)
    assert.equal(bytes.length, 28 + 7 + count * 34 + 12_288 * width)
    assert.deepEqual(facts(decodeLayout(bytes)), facts(layout))
  }
})

function refused(bytes: Buffer): void {
  assert.throws(
    () => decodeLayout(bytes),
    (error) => isShoalError(error, 'DATA_FORMAT'),
  )
}

test('a bit that flips and an end that is missing are noticed', () => {
  const bytes = encodeLayout(computeLayout({ nodes: nodes(3), copies: 2, partitionBits: 3 }))
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes)
    flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7))
    refused(flipped)
  }
  for (let length = 0; length < bytes.length; length += 1) refused(bytes.subarray(0, length))
})

test('what no encoder writes is refused, also with a right digest', () => {
  const bytes = encodeLayout(computeLayout({ nodes: nodes(3), copies: 2, partitionBits: 3 }))
  const changes: ((changed: Buffer) => Buffer)[] = [
    (changed) => Buffer.concat([changed, Buffer.alloc(1)]),
    (changed) => changed.subarray(0, -1),
    (changed) => changed.fill(3, changed.length - 1),
    (changed) => changed.fill(0, 20, 21),
    (changed) => changed.fill(15, 20, 21),
    (changed) => changed.fill(0, 21, 22),
    (changed) => changed.fill(2, 23, 24),
    (changed) => changed.fill(0xff, 26, 28),
    (changed) => changed.fill(0xff, 28, 29),
    (changed) => changed.fill(0xff, 28 + 3 * 7 + 16, 28 + 3 * 7 + 18),
  ]
  const sealed = (changed: Buffer): Buffer => {
    changed.set(createHash('sha256').update(changed.subarray(12)).digest().subarray(0, 8), 4)
    return changed
  }
  decodeLayout(sealed(Buffer.from(bytes)))
  for (const change of changes) refused(sealed(change(Buffer.from(bytes))))
})
