import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { computeLayout } from './compute-layout.ts'
import { chunkIn, node, nodes } from './nodes.suite.ts'

test('the first bits of a chunk’s id are its partition, and its partition’s holders are its', () => {
  const layout = computeLayout({ nodes: nodes(9, 3), copies: 3 })
  for (const partition of [0, 1, 15, 16, 0x123, 4_095]) {
    assert.equal(layout.partitionOf(chunkIn(partition)), partition)
    assert.deepEqual(layout.holders(chunkIn(partition)), layout.holdersOf(partition))
  }
  const small = computeLayout({ nodes: nodes(9, 3), copies: 3, partitionBits: 3 })
  assert.equal(small.partitionOf(chunkIn(0x5ff)), 2)
  assert.equal(small.partitionOf(chunkIn(0x600)), 3)
  for (const partition of [-1, 8, 0.5]) {
    assert.throws(
      () => small.holdersOf(partition),
      (error) => isShoalError(error, 'INVALID_ARGUMENT'),
    )
  }
})

test('all nodes but the holders stand in for them, those in zones without a holder first', () => {
  const layout = computeLayout({ nodes: nodes(12, 4), copies: 3 })
  fc.assert(
    fc.property(fc.nat(4_095), (partition) => {
      const holders = layout.holders(chunkIn(partition))
      const candidates = layout.candidates(chunkIn(partition))
      assert.equal(new Set([...holders, ...candidates]).size, 12)
      assert.equal(candidates.length, 9)
      const used = new Set(holders.map((id) => layout.zoneOf(id)))
      assert.deepEqual(
        candidates.map((id) => used.has(layout.zoneOf(id))),
        [...Array(3).fill(false), ...Array(6).fill(true)],
      )
    }),
  )
})

test('a node is the first to stand in as often as its capacity says, and one that leaves changes the order of no others', () => {
  const members = [
    ...nodes(6, 6),
    node(6, { zone: 'zone-6', capacityBytes: 3e12 }),
    node(7, { zone: 'zone-7', capacityBytes: 1e9 }),
  ]
  const layout = computeLayout({ nodes: members, copies: 1, partitionBits: 12 })
  const free = members.map(() => 0)
  const firsts = members.map(() => 0)
  for (let partition = 0; partition < 4_096; partition += 1) {
    const first = layout.candidates(chunkIn(partition))[0]
    for (const [index, { id }] of members.entries()) {
      if (!layout.holdersOf(partition).includes(id)) free[index] = (free[index] as number) + 1
      if (first === id) firsts[index] = (firsts[index] as number) + 1
    }
  }
  const share = (index: number): number => (firsts[index] as number) / (free[index] as number)
  assert.ok(share(6) > 2 * share(0) && share(6) < 4 * share(0), `${share(6)} against ${share(0)}`)
  assert.ok(share(7) < 0.01)

  const without = computeLayout({ nodes: members.slice(1), copies: 1, previous: layout })
  let compared = 0
  for (let partition = 0; partition < 4_096; partition += 1) {
    if (layout.holdersOf(partition)[0] !== without.holdersOf(partition)[0]) continue
    compared += 1
    assert.deepEqual(
      without.candidates(chunkIn(partition)),
      layout.candidates(chunkIn(partition)).filter((id) => id !== members[0]?.id),
    )
  }
  assert.ok(compared > 3_000)
})
