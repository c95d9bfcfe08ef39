import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { computeLayout } from './compute-layout.ts'
import { encodeLayout } from './layout-codec.ts'
import { diffLayouts } from './layout-diff.ts'
import type { Layout, LayoutNode } from './layout.ts'
import { fewestMoves } from './fewest-moves.suite.ts'
import { node, nodes } from './nodes.suite.ts'
import { shapeZones, shareOut } from './shares.ts'

const someNodes = (least: number, most: number, numbers = most): fc.Arbitrary<LayoutNode[]> =>
  fc
    .uniqueArray(
      fc.record({
        number: fc.nat(numbers - 1),
        zone: fc.constantFrom('a', 'b', 'c', 'd'),
        capacityBytes: fc.constantFrom(1e12, 2e12, 3e12, 7e12, 1e10, 1, Number.MAX_SAFE_INTEGER),
        weight: fc.constantFrom(1, 1, 1, 0.5, 0),
      }),
      { minLength: least, maxLength: most, selector: ({ number }) => number },
    )
    .map((all) => all.map(({ number, ...fields }) => node(number, fields)))

/** What every layout keeps to. */
function checkLayout(layout: Layout): void {
  const { nodes: members, holdersEach } = layout
  if (holdersEach === 0) return
  const shape = shapeZones(members, holdersEach)
  const { floors, mayExceed } = shareOut(members, shape, layout.partitions)
  for (const [index, load] of layout.loads().entries()) {
    const floor = floors[index] as number
    assert.ok(load >= floor && load <= floor + (mayExceed[index] as number), `node ${index} holds ${load}, its share is ${floor}`)
  }
  for (let partition = 0; partition < layout.partitions; partition += 1) {
    const holders = layout.holdersOf(partition)
    assert.equal(new Set(holders).size, holdersEach, `partition ${partition} lies on distinct nodes`)
    for (const [zone, name] of shape.names.entries()) {
      const copies = holders.filter((id) => layout.zoneOf(id) === name).length
      const lower = shape.lower[zone] as number
      assert.ok(
        copies >= lower && copies <= lower + (shape.extra[zone] as number),
        `partition ${partition} has ${copies} in ${name}`,
      )
    }
  }
}

test('after any series of changes, shares are rounded up or down and copies lie in as many zones as there are', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(someNodes(0, 12), fc.integer({ min: 1, max: 5 })), { minLength: 1, maxLength: 4 }), (steps) => {
      let previous: Layout | undefined
      for (const [members, copies] of steps) {
        previous = computeLayout({ nodes: members, copies, previous, partitionBits: 6 })
        checkLayout(previous)
      }
    }),
    { numRuns: 150 },
  )
})

test('no layout with the same shares moves fewer copies (against a search through all of them)', () => {
  let moved = 0
  fc.assert(
    fc.property(
      someNodes(1, 5, 6),
      someNodes(1, 5, 6),
      fc.tuple(...Array(3).fill(fc.integer({ min: 1, max: 3 }))),
      (from, to, [a, b, bits]) => {
        const previous = computeLayout({ nodes: from, copies: a as number, partitionBits: bits as number })
        const next = computeLayout({ nodes: to, copies: b as number, previous })
        if (next.holdersEach === 0) return
        moved += diffLayouts(previous, next).copiesMoved
        assert.equal(diffLayouts(previous, next).copiesMoved, fewestMoves(previous, next))
      },
    ),
    { numRuns: 300 },
  )
  assert.ok(moved > 500, 'the search had something to find')
})

test('the same nodes move nothing, whatever came before', () => {
  fc.assert(
    fc.property(someNodes(1, 12), someNodes(1, 12), (from, to) => {
      const first = computeLayout({ nodes: from, copies: 3, partitionBits: 6 })
      const second = computeLayout({ nodes: to, copies: 3, previous: first })
      const third = computeLayout({ nodes: to.toReversed(), copies: 3, previous: second })
      assert.equal(diffLayouts(second, third).copiesMoved, 0)
      assert.equal(third.version, 3)
    }),
    { numRuns: 100 },
  )
})

/** Copies that can't stay: of nodes that left or hold more than their new share, or that others lack. */
function unavoidable(previous: Layout, next: Layout): number {
  const shape = shapeZones(next.nodes, next.holdersEach)
  const { floors, mayExceed } = shareOut(next.nodes, shape, next.partitions)
  const before = new Map(previous.nodes.map(({ id }, index) => [id, previous.loads()[index] as number]))
  let gain = 0
  let stay = 0
  for (const [index, { id }] of next.nodes.entries()) {
    const floor = floors[index] as number
    const had = before.get(id) ?? 0
    gain += Math.max(0, floor - had)
    stay += Math.min(had, floor + (mayExceed[index] as number))
  }
  return Math.max(gain, next.partitions * next.holdersEach - stay)
}

describe('4,096 partitions of three copies move what can’t stay and nothing else', () => {
  const hundred = nodes(100, 5)
  const before = computeLayout({ nodes: hundred, copies: 3 })
  const changes: Record<string, LayoutNode[]> = {
    'when a node joins': [...hundred, node(100, { zone: 'zone-0' })],
    'when a node leaves': hundred.slice(1),
    'when a node is replaced': [...hundred.slice(1), node(100, { zone: 'zone-0' })],
    'when a node drains': hundred.map((each, index) => (index === 7 ? { ...each, weight: 0 } : each)),
    'when ten grow': hundred.map((each, index) => (index < 10 ? { ...each, capacityBytes: 2 * each.capacityBytes } : each)),
    'when a zone is added': [...hundred, ...Array.from({ length: 20 }, (_, at) => node(100 + at, { zone: 'zone-5' }))],
    'when a zone is lost': hundred.filter(({ zone }) => zone !== 'zone-2'),
  }
  for (const [name, after] of Object.entries(changes)) {
    test(name, () => {
      const next = computeLayout({ nodes: after, copies: 3, previous: before })
      checkLayout(next)
      assert.ok(unavoidable(before, next) > 0)
      assert.equal(diffLayouts(before, next).copiesMoved, unavoidable(before, next))
    })
  }
})

test('a node that returns to a layout with the same shares is given back nothing but its share', () => {
  const all = nodes(10)
  const first = computeLayout({ nodes: all, copies: 3 })
  const without = computeLayout({ nodes: all.slice(1), copies: 3, previous: first })
  const again = computeLayout({ nodes: all, copies: 3, previous: without })
  assert.ok(diffLayouts(without, again).copiesMoved <= Math.ceil((4_096 * 3) / 10))
})

test('what a node holds is proportional to capacity × weight, to less than one partition', () => {
  const members = [1, 2, 3, 4, 5, 6].map((size, at) =>
    node(at, { zone: `z${at % 3}`, capacityBytes: size * 1e12, weight: at === 0 ? 2 : 1 }),
  )
  const layout = computeLayout({ nodes: members, copies: 1 })
  for (const [index, load] of layout.loads().entries()) {
    const { capacityBytes, weight } = members[index] as LayoutNode
    assert.ok(Math.abs(load - (4_096 * capacityBytes * weight) / 22e12) < 1)
  }
})

test('a node larger than the others together holds each partition once, and the others share the rest', () => {
  const layout = computeLayout({
    nodes: [node(0, { capacityBytes: 1e15 }), node(1), node(2, { capacityBytes: 3e12 })],
    copies: 2,
  })
  assert.deepEqual([...layout.loads()], [4_096, 1_024, 3_072])
})

test('with two zones three copies lie in both; with two nodes two copies are all there is, and said to be too few', () => {
  const two = computeLayout({ nodes: nodes(6, 2), copies: 3, zones: 2 })
  assert.equal(two.shortfall(), undefined)
  assert.deepEqual(computeLayout({ nodes: nodes(6, 2), copies: 3, zones: 3 }).shortfall(), {
    copies: { asked: 3, placed: 3 },
    zones: { asked: 3, placed: 2 },
  })
  assert.deepEqual(computeLayout({ nodes: nodes(2), copies: 3 }).shortfall(), {
    copies: { asked: 3, placed: 2 },
    zones: { asked: 1, placed: 2 },
  })
  const none = computeLayout({ nodes: [node(0, { weight: 0 })], copies: 1 })
  assert.deepEqual(none.holdersOf(0), [])
  assert.deepEqual(none.shortfall()?.copies, { asked: 1, placed: 0 })
})

test('each node is primary for its part of what it holds, to a tenth', () => {
  const layout = computeLayout({
    nodes: nodes(20, 4).map((each, at) => ({ ...each, capacityBytes: (1 + (at % 3)) * 1e12 })),
    copies: 3,
  })
  const primaries = new Map<string, number>()
  for (let partition = 0; partition < layout.partitions; partition += 1) {
    const first = layout.holdersOf(partition)[0] as string
    primaries.set(first, (primaries.get(first) ?? 0) + 1)
  }
  for (const [index, load] of layout.loads().entries()) {
    const count = primaries.get(layout.nodes[index]?.id as string) ?? 0
    assert.ok(Math.abs(count / load - 1 / 3) < 1 / 30, `node ${index} is primary for ${count} of ${load}`)
  }
})

test('a node shares its partitions with all others that it may, so that all of them help when it is lost', () => {
  const layout = computeLayout({ nodes: nodes(30, 3), copies: 3 })
  const mates = new Set<string>()
  const shared = new Map<string, number>()
  for (let partition = 0; partition < layout.partitions; partition += 1) {
    const holders = layout.holdersOf(partition)
    if (!holders.includes(node(0).id)) continue
    for (const id of holders) {
      mates.add(id)
      shared.set(id, (shared.get(id) ?? 0) + 1)
    }
  }
  assert.equal(mates.size, 1 + 20)
  const load = shared.get(node(0).id) as number
  for (const [id, count] of shared) if (id !== node(0).id) assert.ok(count < load / 4, `${count} of ${load} also lie on ${id}`)
})

test('the same request gives the same layout', () => {
  const make = (): Buffer => encodeLayout(computeLayout({ nodes: nodes(17, 4), copies: 3 }))
  assert.ok(make().equals(make()))
})

test('what fits into no layout is refused', () => {
  const refused: Parameters<typeof computeLayout>[0][] = [
    { nodes: [], copies: 0 },
    { nodes: [], copies: 17 },
    { nodes: [], copies: 2, zones: 3 },
    { nodes: [], copies: 1, partitionBits: 15 },
    { nodes: [node(1), node(1)], copies: 1 },
    { nodes: [node(1, { capacityBytes: -1 })], copies: 1 },
    { nodes: [node(1, { weight: Number.NaN })], copies: 1 },
    { nodes: [node(1, { weight: 0.0001 })], copies: 1 },
    { nodes: [node(1, { weight: 1_001 })], copies: 1 },
    { nodes: [{ ...node(1), id: 'short' as LayoutNode['id'] }], copies: 1 },
    { nodes: [node(1, { zone: 'z'.repeat(256) })], copies: 1 },
  ]
  for (const request of refused)
    assert.throws(
      () => computeLayout(request),
      (error) => isShoalError(error, 'INVALID_ARGUMENT'),
    )
})
