import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { RelayedLog } from './relayed-log.ts'
import type { LogLine } from './relayed-log.ts'

test('lines come through a copy to another thread with their fields, and errors with code, stack and causes', () => {
  const lines: LogLine[] = []
  const log = new RelayedLog((line) => lines.push(structuredClone(line)), { thread: 1 }).child({ part: 'http' })
  log.info('request', { status: 200, done: () => {} })
  log.error('failed', { error: new ShoalError('CORRUPT', 'A chunk is damaged', { cause: new TypeError('inner') }) })
  const [info, error] = lines
  assert.equal(info?.level, 'info')
  assert.equal(info?.message, 'request')
  assert.equal(info?.fields['thread'], 1)
  assert.equal(info?.fields['part'], 'http')
  assert.equal(info?.fields['status'], 200)
  const told = error?.fields['error'] as { code: string; message: string; stack: string; cause: { name: string } }
  assert.equal(told.code, 'CORRUPT')
  assert.equal(told.message, 'A chunk is damaged')
  assert.match(told.stack, /relayed-log\.test/)
  assert.equal(told.cause.name, 'TypeError')
})
