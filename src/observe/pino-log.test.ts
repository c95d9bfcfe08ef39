import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { ShoalError } from '#foundation/errors.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { createPinoLog, type PinoLogOptions } from './pino-log.ts'

function logTo(lines: string[], options: Partial<PinoLogOptions> = {}) {
  const clock = new ManualClock(Date.parse('2030-01-02T03:04:05.678Z'))
  return createPinoLog({ level: 'info', format: 'json', clock, write: (line) => lines.push(line), ...options })
}

test('a line is one JSON object with level, time, message and fields', () => {
  const lines: string[] = []
  logTo(lines).child({ requestId: 'r1' }).warn('Disk is nearly full', { freeBytes: 12 })
  assert.equal(lines.length, 1)
  assert.ok(lines[0]?.endsWith('\n'))
  const expected = {
    level: 'warn',
    time: '2030-01-02T03:04:05.678Z',
    requestId: 'r1',
    freeBytes: 12,
    message: 'Disk is nearly full',
  }
  assert.deepEqual(JSON.parse(lines[0] ?? ''), expected)
})

test('lines below the level are dropped', () => {
  const lines: string[] = []
  const log = logTo(lines, { level: 'warn' })
  log.debug('a')
  log.info('b')
  log.warn('c')
  log.error('d')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).message),
    ['c', 'd'],
  )
})

test('an error is written with its code, its stack and its cause', () => {
  const lines: string[] = []
  const error = new ShoalError('STORAGE_FAILED', 'Cannot sync', { cause: new Error('EIO: i/o error') })
  logTo(lines).error('Write failed', { error })
  const written = JSON.parse(lines[0] ?? '').error
  assert.equal(written.code, 'STORAGE_FAILED')
  assert.match(written.stack, /Cannot sync/)
  assert.equal(written.cause.message, 'EIO: i/o error')
})

test('secrets inside logged objects are not written', () => {
  const lines: string[] = []
  const log = logTo(lines)
  log.info('a', { secretKey: 'hunter2', request: { headers: { authorization: 'hunter2' }, token: 'hunter2' } })
  log.child({ password: 'hunter2' }).info('b')
  assert.ok(!lines.join('').includes('hunter2'))
  assert.equal(lines.join('').split('[redacted]').length, 5)
})

test('no field can break out of its line', () => {
  const lines: string[] = []
  logTo(lines).info('a', { path: 'x\n{"level":"error"}' })
  logTo(lines, { format: 'pretty' }).info('a', { path: 'x\n\u001b[31mred' })
  assert.deepEqual(
    lines.map((line) => line.split('\n').length),
    [2, 2],
  )
  assert.ok(!lines[1]?.includes('\u001b[31mred'))
})

test('a person reads time, level, message and fields, and the stack below', () => {
  const lines: string[] = []
  const log = logTo(lines, { format: 'pretty' })
  log.info('Started', { port: 7400, data: '/a b', host: '::1' })
  log.error('Failed', { error: new Error('no luck') })
  const [first, second, frame] = stripVTControlCharacters(lines.join('')).split('\n')
  assert.equal(first, '03:04:05.678 INFO  Started port=7400 data="/a b" host=::1')
  assert.equal(second, '03:04:05.678 ERROR Failed error="no luck"')
  assert.equal(frame, '    Error: no luck')
})
