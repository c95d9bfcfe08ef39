import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkRetentionChange, lockOf } from './object-lock.ts'
import type { Retention } from './object-lock.ts'

const NOW = Date.UTC(2024, 1, 29)
const DAY = 86_400_000
const lock = (headers: Record<string, string>, settings: Parameters<typeof lockOf>[1]) =>
  lockOf((name) => headers[name], settings, NOW)

test('what is written gets the lock that it asks for, else the default of its bucket', () => {
  const asked = { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': '2030-01-01T00:00:00Z' }
  const byDays = { objectLock: { retention: { mode: 'COMPLIANCE', unit: 'days', count: 2 } } } as const
  const byYears = { objectLock: { retention: { mode: 'GOVERNANCE', unit: 'years', count: 1 } } } as const
  assert.deepEqual(lock({}, {}), {})
  assert.deepEqual(lock({}, { objectLock: {} }), {})
  assert.deepEqual(lock({}, byDays), { retention: { mode: 'COMPLIANCE', untilMs: NOW + 2 * DAY } })
  assert.deepEqual(lock({}, byYears), { retention: { mode: 'GOVERNANCE', untilMs: Date.UTC(2025, 2, 1) } })
  assert.deepEqual(lock(asked, byDays), { retention: { mode: 'GOVERNANCE', untilMs: Date.UTC(2030, 0, 1) } })
  assert.deepEqual(lock({ 'x-amz-object-lock-legal-hold': 'ON' }, { objectLock: {} }), { legalHold: true })
})

test('a lock that can not be is refused', () => {
  const bucket = { objectLock: {} }
  const until = 'x-amz-object-lock-retain-until-date'
  const mode = 'x-amz-object-lock-mode'
  const hold = 'x-amz-object-lock-legal-hold'
  assert.throws(() => lock({ [hold]: 'ON' }, {}), /missing Object Lock/)
  assert.throws(() => lock({ [mode]: 'GOVERNANCE' }, bucket), /both be supplied/)
  assert.throws(() => lock({ [until]: '2030-01-01T00:00:00Z' }, bucket), /both be supplied/)
  assert.throws(() => lock({ [mode]: 'governance', [until]: '2030-01-01T00:00:00Z' }, bucket), /mode is "governance"/)
  assert.throws(() => lock({ [mode]: 'GOVERNANCE', [until]: '2024-02-29T00:00:00Z' }, bucket), /in the future/)
  assert.throws(() => lock({ [mode]: 'GOVERNANCE', [until]: 'tomorrow' }, bucket), /not in ISO 8601/)
  assert.throws(() => lock({ [hold]: 'on' }, bucket), /legal hold is "on"/)
})

test('retention grows, and only governance can be passed by', () => {
  const retention = (mode: Retention['mode'], days: number): Retention => ({ mode, untilMs: NOW + days * DAY })
  const [G, C] = ['GOVERNANCE', 'COMPLIANCE'] as const
  const rows: readonly [Retention | undefined, Retention | undefined, bypass: boolean, allowed: boolean][] = [
    [undefined, retention(C, 1), false, true],
    [retention(G, -1), undefined, false, true],
    [retention(C, 0), undefined, false, true],
    [retention(G, 2), retention(G, 3), false, true],
    [retention(G, 2), retention(G, 2), false, true],
    [retention(G, 2), retention(G, 1), false, false],
    [retention(G, 2), retention(G, 1), true, true],
    [retention(G, 2), undefined, false, false],
    [retention(G, 2), undefined, true, true],
    [retention(G, 2), retention(C, 2), false, false],
    [retention(G, 2), retention(C, 2), true, true],
    [retention(C, 2), retention(C, 3), false, true],
    [retention(C, 2), retention(C, 1), true, false],
    [retention(C, 2), undefined, true, false],
    [retention(C, 2), retention(G, 9), true, false],
  ]
  for (const [before, after, bypass, allowed] of rows) {
    const change = () => checkRetentionChange(before, after, { nowMs: NOW, bypass })
    const name = JSON.stringify([before, after, bypass])
    if (allowed) assert.doesNotThrow(change, name)
    else assert.throws(change, /protected by object lock/, name)
  }
})
