import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  changeRanges,
  covers,
  encodeRanges,
  excludes,
  type FileLockKind,
  type HeldRange,
  LOCK_END,
  type RangeChange,
  tryDecodeRanges,
} from './lock-ranges.ts'

const BYTES = 16

const anyChange = fc
  .record({
    from: fc.integer({ min: 0, max: BYTES - 1 }),
    to: fc.integer({ min: 0, max: BYTES - 1 }),
    kind: fc.constantFrom('read', 'write', 'unlock'),
    toEnd: fc.boolean(),
  })
  .map(({ from, to, kind, toEnd }): RangeChange => {
    const [start, end] = from <= to ? [from, to] : [to, from]
    return { start: BigInt(start), end: toEnd ? LOCK_END : BigInt(end), kind: kind as RangeChange['kind'], pid: 7 }
  })

/** The same, byte by byte; the last one stands for all that follow. */
function modelOf(changes: readonly RangeChange[]): (FileLockKind | undefined)[] {
  const bytes: (FileLockKind | undefined)[] = Array.from({ length: BYTES + 1 })
  for (const { start, end, kind } of changes) {
    const last = end === LOCK_END ? BYTES : Number(end)
    for (let at = Number(start); at <= last; at += 1) bytes[at] = kind === 'unlock' ? undefined : kind
  }
  return bytes
}

const kindAt = (held: readonly HeldRange[], at: bigint): FileLockKind | undefined =>
  held.find(({ start, end }) => start <= at && at <= end)?.kind

test('after any locks and unlocks each byte is locked as the last one that touched it says, and ranges are merged', () => {
  fc.assert(
    fc.property(fc.array(anyChange, { maxLength: 30 }), (changes) => {
      const held = changes.reduce<HeldRange[]>(changeRanges, [])
      const expected = modelOf(changes)
      for (let at = 0; at < BYTES; at += 1) assert.equal(kindAt(held, BigInt(at)), expected[at], `byte ${at}`)
      assert.equal(kindAt(held, LOCK_END), expected[BYTES])
      for (const [index, range] of held.entries()) {
        const next = held[index + 1]
        assert.ok(range.start <= range.end)
        if (next === undefined) continue
        assert.ok(range.end < next.start)
        assert.ok(range.end + 1n < next.start || range.kind !== next.kind, 'two ranges of one kind touch')
      }
      assert.deepEqual(held.length === 0 ? [] : tryDecodeRanges(encodeRanges(held)), held)
    }),
  )
})

test('what is covered is what the bytes say', () => {
  fc.assert(
    fc.property(fc.array(anyChange, { maxLength: 10 }), anyChange, (changes, asked) => {
      if (asked.kind === 'unlock') return
      const held = changes.reduce<HeldRange[]>(changeRanges, [])
      const bytes = modelOf(changes)
      const last = asked.end === LOCK_END ? BYTES : Number(asked.end)
      const part = bytes.slice(Number(asked.start), last + 1)
      const isCovered = part.every((kind) => kind === 'write' || (kind === 'read' && asked.kind === 'read'))
      assert.equal(covers(held, { ...asked, kind: asked.kind }), isCovered)
    }),
  )
})

test('readers share, and a writer shares with nobody', () => {
  const range = { start: 0n, end: 9n }
  assert.equal(excludes({ ...range, kind: 'read' }, { ...range, kind: 'read' }), false)
  assert.equal(excludes({ ...range, kind: 'read' }, { start: 9n, end: 9n, kind: 'write' }), true)
  assert.equal(excludes({ ...range, kind: 'write' }, { start: 10n, end: LOCK_END, kind: 'write' }), false)
})

test('bytes that are no ranges are told apart', () => {
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(20), Buffer.alloc(42), Buffer.alloc(21, 0xff)])
    assert.equal(tryDecodeRanges(bytes), undefined)
})
