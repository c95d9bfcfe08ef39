import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ERROR_CODES, ShoalError, isErrorCode, isShoalError } from './errors.ts'

test('docs/errors.md explains each code, with its retry class and in the order of the catalogue', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| \d{3} \| ([a-z-]+) \| \S.*? \| \S.*? \|$/gm)].map(([, code, retry]) => [
    code,
    retry,
  ])
  assert.deepEqual(rows, Object.entries(ERROR_CODES))
})

test('an error knows its code, its details, its cause and whether to try again', () => {
  const cause = new Error('ENOSPC')
  const error = new ShoalError('NO_SPACE', 'The disk is full', { details: { freeBytes: 0 }, cause })
  assert.equal(error.retry, 'after-delay')
  assert.deepEqual([error.code, error.details, error.cause], ['NO_SPACE', { freeBytes: 0 }, cause])
  assert.ok(isShoalError(error) && isShoalError(error, 'NO_SPACE') && !isShoalError(error, 'BUSY') && !isShoalError(cause))
})

test('only codes of the catalogue are codes', () => {
  assert.ok(isErrorCode('CORRUPT'))
  assert.ok(!isErrorCode('corrupt') && !isErrorCode('toString'))
})
