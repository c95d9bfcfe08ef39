import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '#platform/seeded-random.ts'
import { addKey, decodeRing, dropKey, encodeRing, makeKey, makeRing, promoteKey } from './key-ring.ts'

const random = new SeededRandom(1)

test('through a rotation the key that any node seals with is one that every other can open, whatever step each is at', () => {
  const before = makeRing(random)
  const key = makeKey(random)
  const added = addKey(before, key)
  const promoted = promoteKey(added, key.id)
  const dropped = dropKey(promoted, before.keys[0].id)
  const opens = (ring: typeof before, id: string): boolean => ring.keys.some((each) => each.id === id)
  for (const [one, next] of [
    [before, added],
    [added, promoted],
    [promoted, dropped],
  ] as const) {
    assert.ok(opens(one, next.keys[0].id) && opens(next, one.keys[0].id))
  }
  assert.deepEqual(dropped.keys, [key])
  assert.ok(!opens(before, promoted.keys[0].id), 'canary: a step that was left out')
})

test('each step may be repeated', () => {
  const ring = makeRing(random)
  const key = makeKey(random)
  const added = addKey(ring, key)
  assert.equal(addKey(added, key), added)
  const promoted = promoteKey(added, key.id)
  assert.deepEqual(promoteKey(promoted, key.id), promoted)
  const dropped = dropKey(promoted, ring.keys[0].id)
  assert.deepEqual(dropKey(dropped, ring.keys[0].id), dropped)
})

test('steps out of order are refused', () => {
  const ring = makeRing(random)
  const [first] = ring.keys
  assert.throws(() => dropKey(ring, first.id), { code: 'PRECONDITION_FAILED' })
  assert.throws(() => promoteKey(ring, makeKey(random).id), { code: 'NOT_FOUND' })
  assert.throws(() => addKey(ring, { ...makeKey(random), id: first.id }), { code: 'CONFLICT' })
  const full = addKey(addKey(ring, makeKey(random)), makeKey(random))
  assert.throws(() => addKey(full, makeKey(random)), { code: 'CONFLICT' })
})

test('a ring comes back from JSON as it was, and what is none does not', () => {
  const ring = addKey(makeRing(random), makeKey(random))
  const written = JSON.parse(JSON.stringify(encodeRing(ring))) as { id: string; key: string }[]
  assert.deepEqual(decodeRing(written), ring)
  const [first] = written
  for (const bad of [undefined, {}, [], [null], [{ ...first, id: 'x' }], [{ ...first, key: 'AAAA' }], [first, first]])
    assert.equal(decodeRing(bad), undefined)
})
