import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { roomFor } from './room.ts'

test('room for contents is what fits with their copies on different nodes', () => {
  assert.equal(roomFor([100], 1), 100)
  assert.equal(roomFor([100, 50, 30], 1), 180)
  assert.equal(roomFor([100, 50, 30], 2), 80, 'the first one has no others for its last twenty')
  assert.equal(roomFor([100, 50, 30], 3), 30)
  assert.equal(roomFor([100, 50], 3), 50, 'as many copies as there are nodes')
  assert.equal(roomFor([], 3), 0)
  assert.equal(roomFor([-5, 10], 1), 10)
})

test('as many chunks fit as are said to, placed one by one on the emptiest nodes, and not one more', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(12), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 4 }), (free, copies) => {
      const left = [...free]
      let placed = 0
      const wanted = Math.min(copies, free.length)
      for (;;) {
        const emptiest = left
          .map((_, at) => at)
          .toSorted((a, b) => (left[b] as number) - (left[a] as number))
          .slice(0, wanted)
        if (emptiest.some((at) => left[at] === 0)) break
        for (const at of emptiest) left[at] = (left[at] as number) - 1
        placed += 1
      }
      assert.equal(roomFor(free, copies), placed)
    }),
  )
})
