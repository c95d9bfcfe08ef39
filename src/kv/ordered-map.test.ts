import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OrderedMap } from './ordered-map.ts'

function walk(map: OrderedMap<number>, start: string, end: string | undefined, reverse: boolean): [string, number][] {
  const seen: [string, number][] = []
  for (const at = map.walk({ start, end, reverse }); at.name !== undefined; at.advance()) seen.push([at.name, at.value])
  return seen
}

test('a walk goes through the names in order, however they came and went', () => {
  const anyName = fc.nat(3_000).map((number) => number.toString(36))
  const anyBatch = fc.array(fc.tuple(anyName, fc.boolean()), { maxLength: 1_500, size: 'max' })
  fc.assert(
    fc.property(
      fc.array(anyBatch, { maxLength: 5, size: 'max' }),
      anyName,
      fc.option(anyName, { nil: undefined }),
      (batches, start, end) => {
        const map = new OrderedMap<number>()
        const model = new Map<string, number>()
        for (const [number, batch] of batches.entries()) {
          for (const [name, isRemoval] of batch) {
            for (const each of [map, model]) {
              if (isRemoval) each.delete(name)
              else each.set(name, number)
            }
          }
          const sorted = [...model].toSorted(([a], [b]) => (a < b ? -1 : 1))
          const inside = sorted.filter(([name]) => name >= start && (end === undefined || name < end))
          assert.deepEqual(walk(map, start, end, false), inside)
          assert.deepEqual(walk(map, start, end, true), inside.toReversed())
          assert.deepEqual(walk(map, '', undefined, false), sorted)
          assert.equal(map.size, model.size)
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('a large map that grows by one name between walks stays fast', () => {
  const map = new OrderedMap<number>()
  const begin = performance.now()
  for (let at = 0; at < 50_000; at += 1) {
    const name = String((at * 7_919) % 50_000).padStart(6, '0')
    map.set(name, at)
    assert.equal(map.walk({ start: name, end: undefined, reverse: false }).name, name)
  }
  const tookMs = performance.now() - begin
  assert.ok(tookMs < 2_000, `50,000 insertions took ${tookMs} ms`)
})
