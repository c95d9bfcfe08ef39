import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { Metrics } from '#observe/metrics.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { BasicAuthenticator } from './basic-authenticator.ts'

const PRINCIPAL = { name: 'someone', kind: 'user' } as const
const KEY = { accessKey: 'KEY', secretKey: 'secret:with:colons', principal: PRINCIPAL }
const header = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const GOOD = header('KEY:secret:with:colons')
const BAD = header('KEY:wrong')

const turn = () => new Promise((resolve) => setImmediate(resolve))

function setUp() {
  const clock = new ManualClock()
  const failures: string[] = []
  const metrics: Metrics = {
    counter: () => ({ add: (_amount, labels) => void failures.push(labels?.['reason'] ?? '') }),
    histogram: () => ({ observe() {} }),
    gauge() {},
    expose: () => Promise.resolve({ contentType: '', body: '' }),
  }
  let lookups = 0
  const find = (accessKey: string) => {
    lookups += 1
    return accessKey === KEY.accessKey ? KEY : undefined
  }
  return { clock, failures, authenticator: new BasicAuthenticator({ find, clock, metrics }), lookups: () => lookups }
}

test('the right pair is a principal, found once and remembered', () => {
  const { authenticator, lookups } = setUp()
  assert.deepEqual(authenticator.verify(GOOD), PRINCIPAL)
  assert.deepEqual(authenticator.verify(GOOD), PRINCIPAL)
  assert.equal(lookups(), 1)
  assert.deepEqual(authenticator.verify(GOOD.replace('Basic', 'bASIC')), PRINCIPAL)
  authenticator.forget()
  authenticator.verify(GOOD)
  assert.equal(lookups(), 3)
})

test('anything else is nobody', () => {
  const { authenticator } = setUp()
  for (const value of [
    undefined,
    '',
    'Basic',
    'Basic ',
    'Bearer x',
    'Basic !',
    header('KEY'),
    header('KEY:'),
    header(':secret'),
    BAD,
    header('OTHER:secret:with:colons'),
    `${GOOD}, ${GOOD}`,
  ]) {
    assert.equal(authenticator.verify(value), undefined, String(value))
  }
})

test('who keeps sending wrong keys waits longer and longer, and right ones never wait', async () => {
  const { authenticator, clock, failures } = setUp()
  const refused = (error: unknown) => isShoalError(error, 'UNAUTHENTICATED')
  for (let free = 0; free < 5; free += 1) await assert.rejects(authenticator.refuse(BAD, '10.0.0.1'), refused)
  let answered = 0
  const waits = [100, 200, 400]
  for (const waitMs of waits) {
    const sixth = authenticator.refuse(BAD, '10.0.0.1').catch(() => (answered += 1))
    await Promise.resolve()
    clock.advance(waitMs - 1)
    await turn()
    assert.equal(answered, waits.indexOf(waitMs))
    clock.advance(1)
    await sixth
  }
  assert.deepEqual(authenticator.verify(GOOD), PRINCIPAL)
  await assert.rejects(authenticator.refuse(BAD, '10.0.0.2'), refused)
  await assert.rejects(authenticator.refuse(undefined, '10.0.0.1'), refused)
  assert.deepEqual(failures.slice(-2), ['wrong', 'missing'])
  clock.advance(60_001)
  await assert.rejects(authenticator.refuse(BAD, '10.0.0.1'), refused)
})

test('no more than a few failures of one address wait at a time', async () => {
  const { authenticator, clock } = setUp()
  const all = Array.from({ length: 40 }, () =>
    authenticator.refuse(BAD, '10.0.0.1').catch((error: unknown) => (isShoalError(error) ? error.code : 'other')),
  )
  await turn()
  clock.advance(100_000)
  const codes = await Promise.all(all)
  // Five are free, sixteen may wait.
  assert.equal(codes.filter((code) => code === 'UNAUTHENTICATED').length, 21)
  assert.equal(codes.filter((code) => code === 'BUSY').length, 19)
})
