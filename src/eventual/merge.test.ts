import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { NodeId } from '#foundation/ids.ts'
import { compareVersions, type EntryState, NOTHING, shownVersion, type Version } from './entry.ts'
import { type HybridTime, hybridTimeOf, NO_TIME } from './hybrid-clock.ts'
import { compact, dropVersions, isForgettable, mergeStates, overwrite, overwriteKnown, prune } from './merge.ts'
import { textOf, valueOf } from './simulation-history.suite.ts'

const NODES = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(32) as NodeId)

interface Step {
  readonly kind: 'put' | 'remove' | 'yield' | 'merge' | 'drop'
  readonly at: number
  readonly other: number
  /** How far the node's clock is behind the others': later writes may have earlier times. */
  readonly lag: number
}

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom<Step['kind']>('put', 'remove', 'yield', 'merge', 'merge', 'drop'),
    at: fc.nat(NODES.length - 1),
    other: fc.nat(NODES.length - 1),
    lag: fc.nat(30),
  }),
  { maxLength: 25 },
)

const merge = (a: EntryState, b: EntryState) => mergeStates({ state: a, floor: NO_TIME }, { state: b, floor: NO_TIME })

function latest({ versions, context }: EntryState): number {
  return Math.max(0, ...versions.map(({ time }) => time), ...context.values())
}

/** All states that nodes went through which wrote, removed, dropped and heard of each other. */
function statesOf(history: readonly Step[]): EntryState[] {
  const held: EntryState[] = NODES.map(() => NOTHING)
  const last = NODES.map(() => 0)
  const all: EntryState[] = [NOTHING]
  for (const [count, { kind, at, other, lag }] of history.entries()) {
    const state = held[at]!
    if (kind === 'merge') held[at] = merge(state, held[other]!)
    else if (kind === 'drop') held[at] = dropVersions(state, (version) => version !== state.versions[0])
    else {
      const time = (Math.max(latest(state), last[at]!, count * 2 - lag) + 1) as HybridTime
      last[at] = time
      const value = kind === 'put' ? valueOf(`${count}`) : undefined
      held[at] = overwrite(state, { time, node: NODES[at]!, yields: kind === 'yield', value })
    }
    all.push(held[at]!)
  }
  return all
}

const pick = fc.tuple(fc.nat(), fc.nat(), fc.nat())

test('merging is commutative, associative and idempotent, whatever nodes did before', () => {
  fc.assert(
    fc.property(steps, pick, (history, [i, j, k]) => {
      const states = statesOf(history)
      const [a, b, c] = [states[i % states.length]!, states[j % states.length]!, states[k % states.length]!]
      assert.deepEqual(merge(a, b), merge(b, a))
      assert.deepEqual(merge(merge(a, b), c), merge(a, merge(b, c)))
      assert.deepEqual(merge(a, a), a)
      assert.deepEqual(merge(merge(a, b), b), merge(a, b))
    }),
    { numRuns: 2000 },
  )
})

test('a write over versions that its writer knew only moves a state up, shows, and leaves beside it what other nodes wrote and he did not know', () => {
  fc.assert(
    fc.property(steps, fc.nat(), fc.nat(NODES.length - 1), fc.array(fc.boolean()), (history, i, at, knows) => {
      const states = statesOf(history)
      const state = states[i % states.length]!
      const time = (latest(state) + 1) as HybridTime
      const version: Version = { time, node: NODES[at]!, yields: false, value: valueOf('new') }
      const known = state.versions.filter((_, index) => knows[index] === true)
      const after = overwriteKnown(state, version, (dot) =>
        known.some((each) => each.time === dot.time && each.node === dot.node),
      )
      assert.deepEqual(merge(state, after), after)
      assert.equal(shownVersion(after)?.time, time)
      const isShownKnown = state.versions.length === 0 || known.includes(state.versions[0]!)
      const beside = isShownKnown ? [] : state.versions.filter((each) => !known.includes(each) && each.node !== version.node)
      assert.deepEqual(after.versions.slice(1), beside)
    }),
    { numRuns: 1000 },
  )
})

test('canary: an order without the context would bring back what was removed', () => {
  const written = overwrite(NOTHING, versionOf({ time: 9, text: 'kept by a slow clock' }))
  const removed = { versions: [{ ...versionOf({ time: 3 }), node: NODES[1]! }], context: new Map([[NODES[0]!, 9 as HybridTime]]) }
  assert.equal(shownVersion(merge(written, removed)), undefined)
  const forgetful = { ...removed, context: new Map<NodeId, HybridTime>() }
  assert.notEqual(shownVersion(merge(written, forgetful)), undefined)
})

test('what a write knew of is gone after it, and what it did not know of stays beside it', () => {
  fc.assert(
    fc.property(steps, pick, (history, [i, j]) => {
      const states = statesOf(history)
      const [known, other] = [states[i % states.length]!, states[j % states.length]!]
      const time = (Math.max(latest(known), latest(other)) + 1) as HybridTime
      const written = { time, node: 'e'.repeat(32) as NodeId, yields: false, value: valueOf('new') }
      const merged = merge(overwrite(known, written), other)
      assert.equal(merged.versions[0], written)
      for (const version of merged.versions.slice(1))
        assert.ok(!known.versions.includes(version) && other.versions.includes(version))
    }),
  )
})

test('the later write wins, and a yielding removal wins over nothing that it did not know of', () => {
  const early = versionOf({ time: 5, text: 'early' })
  const late = { ...versionOf({ time: 7, text: 'late' }), node: NODES[1]! }
  const removal = { ...versionOf({ time: 9 }), node: NODES[2]! }
  const states = (removed: Version) => [early, late, removed].map((version) => overwrite(NOTHING, version)).reduce(merge)
  assert.equal(states(removal).versions[0], removal)
  assert.equal(textOf(states({ ...removal, yields: true }).versions[0]), 'late')
  assert.ok(compareVersions(late, early) < 0)
})

test('of versions that lost, the latest are kept as long and as many as allowed, and none that equals the winner', () => {
  const nowMs = 1_000_000
  const at = (ms: number, node: number, text: string | undefined) => ({
    ...versionOf({ time: hybridTimeOf(ms), ...(text === undefined ? {} : { text }) }),
    node: NODES[node]!,
  })
  const versions = [at(nowMs, 0, 'winner'), at(nowMs - 1, 1, 'winner'), at(nowMs - 2, 2, 'lost'), at(nowMs - 5000, 3, 'old')]
  const state = { versions, context: new Map<NodeId, HybridTime>() }
  const texts = (pruned: EntryState) => pruned.versions.map(textOf)
  assert.deepEqual(texts(prune(state, { keptMs: 10_000, keptMax: 8 }, nowMs)), ['winner', 'lost', 'old'])
  assert.deepEqual(texts(prune(state, { keptMs: 1000, keptMax: 8 }, nowMs)), ['winner', 'lost'])
  assert.deepEqual(texts(prune(state, { keptMs: 10_000, keptMax: 1 }, nowMs)), ['winner', 'lost'])
  // What was pruned here is gone everywhere.
  assert.deepEqual(texts(merge(state, prune(state, { keptMs: 10_000, keptMax: 0 }, nowMs))), ['winner'])
})

test('below the floor a gap says as much as a context, so contexts and removals need not be kept', () => {
  const floor = 10 as HybridTime
  const old = overwrite(NOTHING, versionOf({ time: 8, text: 'old' }))
  const fresh = overwrite(NOTHING, versionOf({ time: 11, text: 'fresh' }))
  const removed = overwrite(old, versionOf({ time: 9 }))
  assert.ok(isForgettable(removed, floor) && !isForgettable(removed, 8 as HybridTime) && !isForgettable(old, floor))
  assert.deepEqual(mergeStates({ state: old, floor: NO_TIME }, { state: NOTHING, floor }).versions, [])
  assert.deepEqual(mergeStates({ state: fresh, floor: NO_TIME }, { state: NOTHING, floor }).versions, fresh.versions)
  const context = new Map([[NODES[1]!, 10 as HybridTime]])
  assert.equal(compact({ ...fresh, context }, floor).context.size, 0)
})

function versionOf({ time, text }: { readonly time: number; readonly text?: string }): Version {
  return { time: time as HybridTime, node: NODES[0]!, yields: false, value: text === undefined ? undefined : valueOf(text) }
}
