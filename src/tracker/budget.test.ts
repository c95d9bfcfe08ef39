import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Budget } from './budget.ts'

interface Spent {
  readonly atMs: number
  readonly bytes: number
}

/** Spends as fast as the budget allows, with rests in between. */
function spendAll(budget: Budget, pieces: readonly { bytes: number; restMs: number }[]): Spent[] {
  let nowMs = 0
  return pieces.map(({ bytes, restMs }) => {
    nowMs += restMs
    nowMs += budget.waitMs(nowMs)
    assert.equal(budget.waitMs(nowMs), 0)
    budget.spend({ bytes, ops: 1 }, nowMs)
    return { atMs: nowMs, bytes }
  })
}

test('in any window no more is spent than its time is worth, a second, and one piece', () => {
  const anyPiece = fc.record({ bytes: fc.nat(5_000), restMs: fc.oneof(fc.constant(0), fc.nat(3_000)) })
  fc.assert(
    fc.property(
      fc.array(anyPiece, { maxLength: 60 }),
      fc.integer({ min: 1, max: 4_000 }),
      fc.integer({ min: 1, max: 50 }),
      (pieces, bytesPerSecond, opsPerSecond) => {
        const spent = spendAll(new Budget({ bytesPerSecond, opsPerSecond }, 0), pieces)
        for (const [from, { atMs: beganMs }] of spent.entries()) {
          let bytes = 0
          for (const [index, { atMs, bytes: piece }] of spent.slice(from).entries()) {
            const seconds = (atMs - beganMs) / 1_000 + 1
            assert.ok(bytes <= bytesPerSecond * seconds + 5_000, `${bytes} bytes in ${seconds} s`)
            assert.ok(index <= opsPerSecond * seconds + 1, `${index} operations in ${seconds} s`)
            bytes += piece
          }
        }
      },
    ),
  )
})

test('what is not spent is had: a budget holds nobody up for longer than it must', () => {
  const budget = new Budget({ bytesPerSecond: 1_000 }, 0)
  budget.spend({ bytes: 3_000 }, 0)
  assert.equal(budget.waitMs(0), 2_000)
  assert.equal(budget.waitMs(2_000), 0)
})

test('after the wait that it asks for a budget asks for no more', () => {
  // 52 bytes a second for 36.73 s are 1,909.96 bytes, and something else in binary fractions.
  spendAll(
    new Budget({ bytesPerSecond: 52, opsPerSecond: 1 }, 0),
    [2_770, 1_910, 0].map((bytes) => ({ bytes, restMs: 0 })),
  )
})

test('with a share of a quarter, after a second of work come three of rest', () => {
  const budget = new Budget({ share: 0.25 }, 0)
  budget.spend({ busyMs: 1_250 }, 0)
  assert.equal(budget.waitMs(0), 4_000)
  assert.equal(new Budget({ share: 1 }, 0).waitMs(0), 0)
})

test('another limit holds at once, and debts stay', () => {
  const budget = new Budget({ bytesPerSecond: 1_000 }, 0)
  budget.spend({ bytes: 11_000 }, 0)
  budget.change({ bytesPerSecond: 10_000 }, 0)
  assert.equal(budget.waitMs(0), 1_000)
  budget.change({}, 0)
  assert.equal(budget.waitMs(0), 0)
})
