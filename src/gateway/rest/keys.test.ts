import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restCalls } from './rest-calls.suite.ts'

const { call } = restCalls()

const as = (key: { accessKey: string; secretKey: string }) => ({
  anonymous: true,
  headers: { authorization: `Basic ${Buffer.from(`${key.accessKey}:${key.secretKey}`).toString('base64')}` },
})

async function makeKey(body: Record<string, unknown> = {}): Promise<{ accessKey: string; secretKey: string }> {
  const made = await call('POST', '/api/v1/keys', { body: JSON.stringify(body) })
  assert.equal(made.status, 201, made.text)
  assert.equal(made.headers['cache-control'], 'no-store')
  return made.json as { accessKey: string; secretKey: string }
}

test('a key works as soon as it is made, is listed without its secret, and ends with its removal', async () => {
  const key = await makeKey({ principal: 'alice', description: 'laptop' })
  assert.equal((await call('GET', '/api/v1/volumes', as(key))).status, 200)
  const listed = await call('GET', '/api/v1/keys')
  const found = listed.json['keys'].find((each: { accessKey: string }) => each.accessKey === key.accessKey)
  assert.deepEqual([found.principal, found.description, found.enabled], ['alice', 'laptop', true])
  assert.ok(!listed.text.includes(key.secretKey))
  assert.equal((await call('DELETE', `/api/v1/keys/${key.accessKey}`)).status, 204)
  assert.equal((await call('GET', '/api/v1/volumes', as(key))).status, 401)
  assert.equal((await call('DELETE', `/api/v1/keys/${key.accessKey}`)).status, 404)
})

test('a disabled key is refused from the next request on, until it is enabled again', async () => {
  const key = await makeKey({ principal: 'alice' })
  assert.equal((await call('GET', '/api/v1/volumes', as(key))).status, 200)
  const change = (body: unknown) => call('PATCH', `/api/v1/keys/${key.accessKey}`, { body: JSON.stringify(body) })
  assert.equal((await change({ enabled: false })).json['enabled'], false)
  assert.equal((await call('GET', '/api/v1/volumes', as(key))).status, 401)
  assert.equal((await change({ enabled: true, description: 'again' })).json['description'], 'again')
  assert.equal((await call('GET', '/api/v1/volumes', as(key))).status, 200)
  assert.equal((await change({ enabled: 'no' })).status, 400)
})

test('a rotated key has another secret', async () => {
  const key = await makeKey({ principal: 'alice', accessKey: 'ALICE', secretKey: 'first-secret' })
  assert.equal((await call('GET', '/api/v1/volumes', as(key))).status, 200)
  const rotated = await call('POST', '/api/v1/keys/ALICE/rotate')
  assert.equal((await call('GET', '/api/v1/volumes', as(key))).status, 401)
  const again = { accessKey: 'ALICE', secretKey: rotated.json['secretKey'] as string }
  assert.equal((await call('GET', '/api/v1/volumes', as(again))).status, 200)
  assert.equal((await call('POST', '/api/v1/keys', { body: '{"accessKey":"ALICE"}' })).json['code'], 'ALREADY_EXISTS')
})

test('keys are for root alone: others neither see nor change them', async () => {
  const key = await makeKey({ principal: 'alice' })
  for (const [method, path] of [
    ['GET', '/api/v1/keys'],
    ['POST', '/api/v1/keys'],
    ['PATCH', `/api/v1/keys/${key.accessKey}`],
    ['POST', `/api/v1/keys/${key.accessKey}/rotate`],
    ['DELETE', `/api/v1/keys/${key.accessKey}`],
  ] as const) {
    const answer = await call(method, path, as(key))
    assert.equal(answer.status, 403, `${method} ${path}`)
    assert.equal(answer.json['code'], 'FORBIDDEN')
  }
  const second = await makeKey({ principal: 'root' })
  assert.equal((await call('GET', '/api/v1/keys', as(second))).status, 200)
})
