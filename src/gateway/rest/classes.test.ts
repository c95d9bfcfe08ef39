import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restCalls } from './rest-calls.suite.ts'

const { call } = restCalls()

const make = (body: unknown) => call('POST', '/api/v1/classes', { body: JSON.stringify(body) })

test('a class is made, shown, listed, changed and removed', async () => {
  const made = await make({ name: 'archive', copies: 3, zones: 2 })
  assert.equal(made.status, 201, made.text)
  assert.deepEqual(
    [made.json['copies'], made.json['ack'], made.json['zones'], made.json['growsTo'], made.json['short']],
    [3, 'quorum', 2, null, true],
  )
  assert.equal((await make({ name: 'archive', copies: 3 })).status, 409)
  const changed = await call('PATCH', '/api/v1/classes/archive', { body: '{"ack":"all"}' })
  assert.equal(changed.json['ack'], 'all')
  assert.deepEqual((await call('GET', '/api/v1/classes/archive')).json, changed.json)
  const { classes } = (await call('GET', '/api/v1/classes')).json as { classes: { name: string }[] }
  assert.deepEqual(
    classes.map(({ name }) => name),
    ['archive', 'default'],
  )
  assert.equal((await call('DELETE', '/api/v1/classes/archive')).status, 204)
  assert.equal((await call('GET', '/api/v1/classes/archive')).status, 404)
})

test('what makes no sense is refused, and so is removing what is needed', async () => {
  for (const body of [
    { name: 'x' },
    { copies: 2 },
    { name: 'x', copies: 17 },
    { name: 'X', copies: 1 },
    { name: 'x', copies: 1, no: 1 },
  ])
    assert.equal((await make(body)).status, 400, JSON.stringify(body))
  assert.equal((await make({ name: 'x', copies: 2, zones: 3 })).json['code'], 'INVALID_ARGUMENT')
  assert.equal((await make({ name: 'x', copies: 2, durability: 'relaxed' })).json['code'], 'UNSUPPORTED')
  assert.equal((await call('DELETE', '/api/v1/classes/default')).json['code'], 'FORBIDDEN')
  assert.equal((await make({ name: 'used', copies: 1 })).status, 201)
  const kept = await call('DELETE', '/api/v1/classes/used')
  assert.equal(kept.json['code'], 'CONFLICT')
  assert.match(kept.text, /docs/)
})

test('classes are read by everybody and changed by root alone', async () => {
  const key = (await call('POST', '/api/v1/keys', { body: '{"principal":"alice"}' })).json
  const authorization = `Basic ${Buffer.from(`${key['accessKey']}:${key['secretKey']}`).toString('base64')}`
  const as = { anonymous: true, headers: { authorization } }
  assert.equal((await call('GET', '/api/v1/classes', as)).status, 200)
  assert.equal((await call('GET', '/api/v1/classes/default', as)).status, 200)
  for (const [method, path] of [
    ['POST', '/api/v1/classes'],
    ['PATCH', '/api/v1/classes/default'],
    ['DELETE', '/api/v1/classes/default'],
  ] as const) {
    assert.equal((await call(method, path, { ...as, body: '{"name":"a","copies":1}' })).status, 403)
  }
})
