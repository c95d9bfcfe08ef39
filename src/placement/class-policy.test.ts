import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { DEFAULT_CLASS, copiesToAcknowledge, parseClassPolicy } from './class-policy.ts'

test('a class says its copies, acknowledgement, zones and durability, and what isn’t said has a default', () => {
  assert.deepEqual(parseClassPolicy({ name: 'archive-2', copies: 3 }), {
    name: 'archive-2',
    copies: 3,
    ack: 'quorum',
    zones: 1,
    durability: 'durable',
  })
  const all = { name: 'x', copies: 16, ack: 'all', zones: 16, durability: 'relaxed' } as const
  assert.deepEqual(parseClassPolicy(all), all)
  assert.deepEqual(parseClassPolicy(DEFAULT_CLASS), DEFAULT_CLASS)
})

test('everything that is wrong with a class is said at once', () => {
  assert.throws(
    () => parseClassPolicy({ name: '-A', copies: 0, ack: 'most', zones: 1.5, durability: 'forever' }),
    (error) => {
      assert.ok(isShoalError(error, 'INVALID_ARGUMENT'))
      for (const part of ['"-A"', '0 copies', '"most"', '1.5 zones', '"forever"']) assert.ok(error.message.includes(part), part)
      return true
    },
  )
  const refused = [
    { name: 'a', copies: 17 },
    { name: 'a', copies: 2, zones: 3 },
    { name: 'a', copies: Number.NaN },
    { name: 'a'.repeat(64), copies: 1 },
    { name: '', copies: 1 },
    { name: 'a', copies: 1, zones: 0 },
    { name: 'a', copies: 1, ack: '' },
  ]
  for (const given of refused)
    assert.throws(
      () => parseClassPolicy(given),
      (error) => isShoalError(error, 'INVALID_ARGUMENT'),
    )
})

test('one, more than half, or all copies acknowledge a write', () => {
  const table = [1, 2, 3, 4, 5].map((copies) =>
    (['one', 'quorum', 'all'] as const).map((ack) => copiesToAcknowledge({ copies, ack })),
  )
  assert.deepEqual(table, [
    [1, 1, 1],
    [1, 2, 2],
    [1, 2, 3],
    [1, 3, 4],
    [1, 3, 5],
  ])
})
