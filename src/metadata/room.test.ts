import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_RESERVED, occupiedBytes, releasing, reserving, type Span, within } from './room.ts'

const END = 400
const span = fc.tuple(fc.nat(END), fc.nat(60)).map(([start, length]) => ({ start, end: start + length }))

function bytesOf(ranges: Iterable<Span>): Set<number> {
  const all = new Set<number>()
  for (const { start, end } of ranges) for (let at = start; at < end; at += 1) all.add(at)
  return all
}

function assertApart(ranges: readonly Span[]): void {
  for (const [index, { start, end }] of ranges.entries()) {
    assert.ok(start < end)
    assert.ok(index === 0 || (ranges[index - 1] as Span).end < start)
  }
}

test('ranges that are set aside and let go cover what they would byte by byte, and stay apart', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ span, adds: fc.boolean() }), { maxLength: 40 }), span, (steps, window) => {
      let ranges: readonly Span[] = []
      let model = new Set<number>()
      for (const { span: changed, adds } of steps) {
        const touched = bytesOf([changed])
        ranges = adds ? (reserving(ranges, changed) ?? ranges) : releasing(ranges, changed)
        model = adds ? model.union(touched) : model.difference(touched)
        assertApart(ranges)
        assert.deepEqual(bytesOf(ranges), model)
      }
      assert.deepEqual(bytesOf(within(ranges, window)), model.intersection(bytesOf([window])))
    }),
  )
})

test('what is stored and set aside counts once', () => {
  const stored = fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 30 })), { maxLength: 20 }).map((gaps) => {
    let at = 0
    return gaps.map(([gap, length]) => {
      const offset = at + gap
      at = offset + length
      return { offset, length }
    })
  })
  fc.assert(
    fc.property(stored, fc.array(span, { maxLength: 10 }), (extents, spans) => {
      const reserved = spans.reduce<readonly Span[]>((ranges, added) => reserving(ranges, added) ?? ranges, [])
      const both = bytesOf([...extents.map(({ offset, length }) => ({ start: offset, end: offset + length })), ...reserved])
      assert.equal(occupiedBytes(extents, reserved), both.size)
    }),
  )
})

test('ranges have a bound: what would be one too many is not set aside, and not let go', () => {
  const full = Array.from({ length: MAX_RESERVED }, (_, index) => ({ start: index * 10, end: index * 10 + 5 }))
  assert.equal(reserving(full, { start: 5_000, end: 5_001 }), undefined)
  assert.equal(releasing(full, { start: 1, end: 2 }), full)
  assert.equal(reserving(full, { start: 0, end: 20 })?.length, MAX_RESERVED - 2)
})
