import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isLinearizable } from './linearizability.ts'
import type { Model, Operation } from './linearizability.ts'

type Call = { readonly write: number } | { readonly read: number }

const register: Model<number, Call> = {
  initial: 0,
  step: (state, call) => ('write' in call ? call.write : call.read === state ? state : undefined),
  keyOf: String,
}
const op = (call: Call, begin: number, end = Number.POSITIVE_INFINITY): Operation<Call> => ({ call, begin, end })

test('operations one after the other are judged by what each saw', () => {
  assert.ok(isLinearizable([op({ write: 1 }, 0, 1), op({ read: 1 }, 2, 3)], register))
  assert.ok(!isLinearizable([op({ write: 1 }, 0, 1), op({ read: 0 }, 2, 3)], register))
})

test('operations at the same time may take effect in either order, and each of them once', () => {
  const write = op({ write: 1 }, 0, 10)
  assert.ok(isLinearizable([write, op({ read: 0 }, 1, 2), op({ read: 1 }, 3, 4)], register))
  assert.ok(!isLinearizable([write, op({ read: 1 }, 1, 2), op({ read: 0 }, 3, 4)], register))
})

test('what nobody knows the end of may have taken effect late, or never', () => {
  const lost = op({ write: 7 }, 0)
  assert.ok(isLinearizable([lost, op({ read: 0 }, 1, 2), op({ read: 7 }, 50, 51)], register))
  assert.ok(isLinearizable([lost, op({ read: 0 }, 1, 2), op({ read: 0 }, 50, 51)], register))
  assert.ok(!isLinearizable([lost, op({ read: 7 }, 1, 2), op({ read: 0 }, 50, 51)], register))
  assert.ok(!isLinearizable([op({ read: 7 }, 1, 2), op({ write: 7 }, 3)], register))
})

/** Every order of few operations, tried. */
function isLinearizableByTrying(history: readonly Operation<Call>[]): boolean {
  const place = (state: number, left: readonly Operation<Call>[]): boolean => {
    if (left.every(({ end }) => end === Number.POSITIVE_INFINITY)) return true
    const firstEnd = Math.min(...left.map(({ end }) => end))
    return left.some((next) => {
      const after = next.begin <= firstEnd ? register.step(state, next.call) : undefined
      return (
        after !== undefined &&
        place(
          after,
          left.filter((other) => other !== next),
        )
      )
    })
  }
  return place(register.initial, history)
}

test('any short history is judged as by trying every order', () => {
  const anyCall = fc.oneof(
    fc.nat(2).map((write): Call => ({ write })),
    fc.nat(2).map((read): Call => ({ read })),
  )
  const anyOperation = fc
    .tuple(anyCall, fc.nat(20), fc.option(fc.integer({ min: 1, max: 8 })))
    .map(([call, begin, length]) => op(call, begin, length === null ? undefined : begin + length))
  const verdicts = new Set<boolean>()
  fc.assert(
    fc.property(fc.array(anyOperation, { maxLength: 7 }), (history) => {
      const expected = isLinearizableByTrying(history)
      verdicts.add(expected)
      assert.equal(isLinearizable(history, register), expected)
    }),
    { numRuns: 500 },
  )
  assert.equal(verdicts.size, 2)
})
