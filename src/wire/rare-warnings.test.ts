import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogFields } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { RareWarnings } from './rare-warnings.ts'

test('a warning that comes each second is told at once, then every five minutes with how often; another one is told at once', () => {
  const clock = new ManualClock()
  const said: [string, LogFields | undefined][] = []
  const warnings = new RareWarnings({ clock, log: { warn: (message, fields) => void said.push([message, fields]) } })
  const refuse = (address: string): void => warnings.warn('refused', { why: 'its certificate', address })
  for (let second = 0; second < 650; second += 1) {
    refuse('10.0.0.1')
    if (second === 10) refuse('10.0.0.2')
    clock.advance(1_000)
  }
  assert.deepEqual(said, [
    ['refused', { why: 'its certificate', address: '10.0.0.1' }],
    ['refused', { why: 'its certificate', address: '10.0.0.2' }],
    ['refused', { why: 'its certificate', address: '10.0.0.1', times: 300 }],
    ['refused', { why: 'its certificate', address: '10.0.0.1', times: 300 }],
  ])
})

test('no more warnings are remembered than there is room for', () => {
  const clock = new ManualClock()
  let said = 0
  const warnings = new RareWarnings({ clock, log: { warn: () => void (said += 1) } })
  const all = (): void => {
    for (let at = 0; at < 256; at += 1) warnings.warn('refused', { at })
  }
  all()
  all()
  assert.equal(said, 256)
  warnings.warn('refused', { at: 'one more' })
  warnings.warn('refused', { at: 255 })
  assert.equal(said, 257)
  warnings.warn('refused', { at: 0 })
  assert.equal(said, 258)
})
