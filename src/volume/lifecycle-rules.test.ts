import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { LifecycleRule } from '#metadata/bucket-settings.ts'
import { type AgingVersion, DAY_MS, dueActions, expirationOf, isAbandoned } from './lifecycle-rules.ts'

const MIDNIGHT = Date.UTC(2024, 0, 10)
const rule = (changes: Partial<LifecycleRule>): LifecycleRule => ({
  id: 'r',
  isEnabled: true,
  form: 'filter',
  filter: {},
  ...changes,
})
const object = (name: string, createdMs: number, tags: [string, string][] = [], sizeBytes = 10): AgingVersion<string> => ({
  name,
  createdMs,
  object: { sizeBytes, tags },
})
const marker = (name: string, createdMs: number): AgingVersion<string> => ({ name, createdMs, object: undefined })

function due(
  versions: readonly AgingVersion<string>[],
  rules: readonly LifecycleRule[],
  nowMs: number,
  key = 'logs/a',
): string[] {
  return dueActions(key, versions, rules, { nowMs, dayMs: DAY_MS }).map((action) =>
    action.kind === 'expire' ? 'expire' : action.name,
  )
}

test('days are counted to the next midnight, and a date is a date', () => {
  const days = [rule({ expiration: { days: 1 } })]
  const noon = [object('v', MIDNIGHT + DAY_MS / 2)]
  assert.deepEqual(due(noon, days, MIDNIGHT + 2 * DAY_MS - 1), [])
  assert.deepEqual(due(noon, days, MIDNIGHT + 2 * DAY_MS), ['expire'])
  assert.deepEqual(due([object('v', MIDNIGHT)], days, MIDNIGHT + DAY_MS), ['expire'], 'made at midnight itself')
  const date = [rule({ expiration: { dateMs: MIDNIGHT } })]
  assert.deepEqual(due(noon, date, MIDNIGHT - 1), [])
  assert.deepEqual(due(noon, date, MIDNIGHT), ['expire'])
})

test('a shorter day is not rounded', () => {
  const time = { nowMs: MIDNIGHT + 10_000, dayMs: 5_000 }
  const rules = [rule({ expiration: { days: 2 } })]
  assert.equal(dueActions('a', [object('v', MIDNIGHT)], rules, time).length, 1)
  assert.equal(dueActions('a', [object('v', MIDNIGHT + 1)], rules, time).length, 0)
})

test('a rule touches what passes its filter, and nothing while it is disabled', () => {
  const late = MIDNIGHT + 99 * DAY_MS
  const expiration = { days: 1 }
  const tagged = [
    object(
      'v',
      MIDNIGHT,
      [
        ['a', '1'],
        ['b', '2'],
      ],
      100,
    ),
  ]
  const cases: readonly [Partial<LifecycleRule>, boolean][] = [
    [{}, true],
    [{ isEnabled: false }, false],
    [{ filter: { prefix: 'logs/' } }, true],
    [{ filter: { prefix: 'log' } }, true],
    [{ filter: { prefix: 'data/' } }, false],
    [{ filter: { tags: [['a', '1']] } }, true],
    [{ filter: { tags: [['a', '2']] } }, false],
    [
      {
        filter: {
          tags: [
            ['a', '1'],
            ['b', '2'],
          ],
        },
      },
      true,
    ],
    [
      {
        filter: {
          tags: [
            ['a', '1'],
            ['c', '3'],
          ],
        },
      },
      false,
    ],
    [{ filter: { largerThanBytes: 99 } }, true],
    [{ filter: { largerThanBytes: 100 } }, false],
    [{ filter: { smallerThanBytes: 101 } }, true],
    [{ filter: { smallerThanBytes: 100 } }, false],
    [{ filter: { prefix: 'logs/', tags: [['a', '1']], largerThanBytes: 200 } }, false],
  ]
  for (const [changes, expected] of cases)
    assert.deepEqual(due(tagged, [rule({ expiration, ...changes })], late), expected ? ['expire'] : [], JSON.stringify(changes))
})

test('versions are counted from when they ceased to be current, and the newest of them can be kept', () => {
  const day = (count: number) => MIDNIGHT + count * DAY_MS
  const versions = [object('v4', day(9)), object('v3', day(5)), marker('m', day(4)), object('v1', day(0))]
  const rules = (newerToKeep?: number) => [
    rule({ noncurrent: { days: 2, ...(newerToKeep === undefined ? {} : { newerToKeep }) } }),
  ]
  assert.deepEqual(due(versions, rules(), day(10)), ['m', 'v1'], 'v3 has been replaced yesterday')
  assert.deepEqual(due(versions, rules(), day(11)), ['v3', 'm', 'v1'])
  assert.deepEqual(due(versions, rules(1), day(11)), ['m', 'v1'])
  assert.deepEqual(due(versions, rules(3), day(11)), [])
  const bySize = [rule({ noncurrent: { days: 2 }, filter: { largerThanBytes: 1 } })]
  assert.deepEqual(due(versions, bySize, day(11)), ['v3', 'v1'], 'a marker has no size')
})

test('a delete marker goes when nothing is behind it', () => {
  const late = MIDNIGHT + 9 * DAY_MS
  const alone = [marker('m', MIDNIGHT)]
  const done = [rule({ expiration: { expiredDeleteMarker: true } })]
  assert.deepEqual(due(alone, done, MIDNIGHT), ['m'])
  assert.deepEqual(due([...alone, object('v', MIDNIGHT)], done, late), [])
  assert.deepEqual(due(alone, [rule({ expiration: { days: 9 } })], late - 1), [])
  assert.deepEqual(due(alone, [rule({ expiration: { days: 9 } })], late), ['m'])
  assert.deepEqual(due(alone, [rule({ expiration: { days: 1 }, filter: { tags: [['a', '1']] } })], late), [])
})

test('uploads are abandoned by their prefix and age', () => {
  const rules = [rule({ abortUploadsDays: 2, filter: { prefix: 'logs/' } })]
  const at = (days: number) => ({ nowMs: MIDNIGHT + days * DAY_MS, dayMs: DAY_MS })
  assert.equal(isAbandoned('logs/a', MIDNIGHT, rules, at(2)), true)
  assert.equal(isAbandoned('logs/a', MIDNIGHT, rules, at(1)), false)
  assert.equal(isAbandoned('data/a', MIDNIGHT, rules, at(9)), false)
})

test('the earliest expiration is told, with its rule', () => {
  const rules = [
    rule({ id: 'late', expiration: { days: 9 } }),
    rule({ id: 'soon', expiration: { days: 1 } }),
    rule({ id: 'off', isEnabled: false, expiration: { dateMs: 0 } }),
    rule({ id: 'other', expiration: { days: 0 }, filter: { prefix: 'data/' } }),
  ]
  const found = expirationOf('logs/a', { createdMs: MIDNIGHT + 1, sizeBytes: 1, tags: [] }, rules)
  assert.deepEqual(found, { timeMs: MIDNIGHT + 2 * DAY_MS, rule: 'soon' })
  assert.equal(expirationOf('logs/a', { createdMs: 0, sizeBytes: 1, tags: [] }, []), undefined)
})

test('nothing that is removed is younger than every rule says, and the current version is only ever expired', () => {
  const versions = fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.boolean()), { minLength: 1, maxLength: 8 })
  const days = fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined })
  fc.assert(
    fc.property(versions, days, days, fc.nat({ max: 60 }), (given, expire, noncurrent, now) => {
      const sorted = given.toSorted(([a], [b]) => b - a)
      const list = sorted.map(([day, isMarker], at) => (isMarker ? marker : object)(`v${at}`, MIDNIGHT + day * DAY_MS))
      const rules = [
        rule({
          ...(expire === undefined ? {} : { expiration: { days: expire } }),
          ...(noncurrent === undefined ? {} : { noncurrent: { days: noncurrent } }),
        }),
      ]
      const nowMs = MIDNIGHT + now * DAY_MS
      for (const action of due(list, rules, nowMs)) {
        const at = action === 'expire' ? 0 : list.findIndex(({ name }) => name === action)
        if (at === 0) assert.ok((list[0] as AgingVersion<string>).createdMs + (expire ?? Infinity) * DAY_MS <= nowMs)
        else assert.ok((list[at - 1] as AgingVersion<string>).createdMs + (noncurrent ?? Infinity) * DAY_MS <= nowMs)
        assert.ok(action !== 'v0' || (list.length === 1 && list[0]?.object === undefined))
      }
    }),
  )
})
