import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { DirtyRanges } from './dirty-ranges.ts'

const writes = fc.array(
  fc.record({ offset: fc.nat(200), bytes: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) }),
  { maxLength: 30 },
)

test('pieces are what was written last, in order, without overlap, and counted', () => {
  fc.assert(
    fc.property(writes, fc.nat(250), fc.nat(80), (list, offset, length) => {
      const ranges = new DirtyRanges()
      const model = new Map<number, number>()
      for (const write of list) {
        ranges.write(write.offset, Buffer.from(write.bytes))
        write.bytes.forEach((byte, at) => model.set(write.offset + at, byte))
      }
      assert.equal(ranges.lengthBytes, model.size)
      assert.equal(ranges.end, model.size === 0 ? 0 : Math.max(...model.keys()) + 1)
      const stored = new Map<number, number>()
      let before = -1
      for (const run of ranges.runs()) {
        assert.ok(run.offset > before, 'runs touch each other or are out of order')
        before = run.offset + run.bytes.length
        run.bytes.forEach((byte, at) => stored.set(run.offset + at, byte))
      }
      assert.deepEqual(stored, new Map([...model].toSorted(([a], [b]) => a - b)))
      const found = ranges.within(offset, length).flatMap((piece) => [...piece.bytes.keys()].map((at) => piece.offset + at))
      const expected = [...model.keys()].filter((at) => at >= offset && at < offset + length)
      assert.deepEqual(
        found.filter((at) => at >= offset && at < offset + length).toSorted((a, b) => a - b),
        expected.toSorted((a, b) => a - b),
      )
    }),
  )
})
