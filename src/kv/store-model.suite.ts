import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bytes, collect, show } from './store-fixture.suite.ts'
import type { FreshStore } from './store-fixture.suite.ts'
import type { KeyValueStore, RangeOptions, Transaction } from './store.ts'

type Step =
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'getDecoded'; readonly key: string }
  | {
      readonly kind: 'range'
      readonly start: string | undefined
      readonly end: string | undefined
      readonly reverse: boolean
      readonly limit: number | undefined
    }

interface Plan {
  readonly steps: readonly Step[]
  /** A part in the middle of the steps, which is undone. */
  readonly undone: readonly Step[]
  readonly throws: boolean
  /** Whether to wait for the acknowledgement before the next transaction. */
  readonly waits: boolean
}

const anyKey = fc.string({ unit: fc.constantFrom('\x00', 'a', 'b', '\xff'), minLength: 1, maxLength: 3 })
const anyBound = fc.option(fc.string({ unit: fc.constantFrom('\x00', 'a', 'b', '\xff'), maxLength: 3 }), { nil: undefined })
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put'), key: anyKey, value: fc.string({ maxLength: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete'), key: anyKey }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('get'), key: anyKey }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('getDecoded'), key: anyKey }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('range'),
      start: anyBound,
      end: anyBound,
      reverse: fc.boolean(),
      limit: fc.option(fc.nat(6), { nil: undefined }),
    }),
  },
)
const anyPlan: fc.Arbitrary<Plan> = fc.record({
  steps: fc.array(anyStep, { maxLength: 12 }),
  undone: fc.array(anyStep, { maxLength: 4 }),
  throws: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
  waits: fc.integer({ min: 0, max: 3 }).map((dice) => dice === 0),
})

export function modelTests(fresh: FreshStore): void {
  test('random transactions do what they do to a sorted array', async () => {
    const { store } = await fresh()
    await fc.assert(
      fc.asyncProperty(fc.array(anyPlan, { minLength: 1, maxLength: 12 }), async (plans) => {
        await store.transact((transaction) => {
          for (const { key } of transaction.range({})) transaction.delete(key)
        })
        let model = new Map<string, string>()
        const pending: Promise<void>[] = []
        for (const plan of plans) {
          const after = new Map(model)
          const expected = plan.steps.map((step) => stepModel(after, step))
          if (!plan.throws) model = after
          const running = runPlan(store, plan).then((results) => assert.deepEqual(results, expected))
          pending.push(running)
          if (plan.waits) await running
        }
        await Promise.all(pending)
        const everything = { kind: 'range', start: undefined, end: undefined, reverse: false, limit: undefined } as const
        assert.deepEqual(show(await collect(store.range({}))), stepModel(model, everything))
        assert.deepEqual(
          await store.read((snapshot) => show(snapshot.range({ reverse: true }))),
          stepModel(model, { ...everything, reverse: true }),
        )
      }),
      { numRuns: 200 },
    )
  })
}

async function runPlan(store: KeyValueStore, { steps, undone, throws }: Plan): Promise<unknown[]> {
  const results: unknown[] = []
  const stop = new Error('planned')
  const running = store.transact((transaction) => {
    const half = steps.length >> 1
    for (const step of steps.slice(0, half)) results.push(runStep(transaction, step))
    const part = (): void => {
      for (const step of undone) runStep(transaction, step)
      throw stop
    }
    assert.throws(
      () => transaction.attempt(part),
      (error) => error === stop,
    )
    for (const step of steps.slice(half)) results.push(runStep(transaction, step))
    if (throws) throw stop
  })
  await (throws ? assert.rejects(running, (error) => error === stop) : running)
  return results
}

function runStep(transaction: Transaction, step: Step): unknown {
  if (step.kind === 'put') return transaction.put(bytes(step.key), bytes(step.value))
  if (step.kind === 'delete') return transaction.delete(bytes(step.key))
  if (step.kind === 'get') return transaction.get(bytes(step.key))?.toString('latin1')
  if (step.kind === 'getDecoded') return transaction.getDecoded(bytes(step.key), decodeText)
  return show(transaction.range(rangeOf(step)))
}

const decodeText = (value: Buffer): string => value.toString('latin1')

function rangeOf({ start, end, reverse, limit }: Extract<Step, { kind: 'range' }>): RangeOptions {
  return {
    ...(start === undefined ? {} : { start: bytes(start) }),
    ...(end === undefined ? {} : { end: bytes(end) }),
    ...(limit === undefined ? {} : { limit }),
    reverse,
  }
}

function stepModel(model: Map<string, string>, step: Step): unknown {
  if (step.kind === 'put') model.set(step.key, step.value)
  else if (step.kind === 'delete') model.delete(step.key)
  else if (step.kind === 'get' || step.kind === 'getDecoded') return model.get(step.key)
  else {
    const { start = '', end, reverse, limit } = step
    const inside = [...model].filter(([key]) => key >= start && (end === undefined || key < end))
    inside.sort(([a], [b]) => (a < b ? -1 : 1))
    return (reverse ? inside.toReversed() : inside).slice(0, limit).map(([key, value]) => `${key}=${value}`)
  }
  return undefined
}
