import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOME_ID, OTHER_ID } from './memory-cluster.suite.ts'
import { restCalls } from './rest-calls.suite.ts'

const { call } = restCalls()

test('nodes are listed, shown, and removed for good; the home of the volumes stays', async () => {
  const listed = (await call('GET', '/api/v1/nodes')).json['nodes'] as { id: string; home: boolean }[]
  assert.deepEqual(
    listed.map(({ id, home }) => [id, home]),
    [
      [HOME_ID, true],
      [OTHER_ID, false],
    ],
  )
  assert.equal((await call('GET', `/api/v1/nodes/${OTHER_ID}`)).json['restPort'], 8400)
  assert.equal((await call('GET', '/api/v1/nodes/none')).status, 404)
  assert.equal((await call('POST', `/api/v1/nodes/${HOME_ID}/remove`)).json['code'], 'NOT_PERMITTED')
  assert.equal((await call('POST', `/api/v1/nodes/${OTHER_ID}/drain`)).status, 200)
  assert.equal((await call('POST', `/api/v1/nodes/${OTHER_ID}/remove`)).json['code'], 'CONFLICT')
  assert.equal((await call('POST', `/api/v1/nodes/${OTHER_ID}/remove?force`)).status, 204)
  assert.equal((await call('POST', `/api/v1/nodes/${OTHER_ID}/remove`)).status, 404)
})

test('a node is drained, made readonly, taken back, and weighed', async () => {
  const decide = async (word: string) => (await call('POST', `/api/v1/nodes/${HOME_ID}/${word}`)).json['state']
  assert.deepEqual([await decide('drain'), await decide('readonly'), await decide('activate')], ['draining', 'readonly', 'alive'])
  const weigh = (body: string) => call('PUT', `/api/v1/nodes/${HOME_ID}/weight`, { body })
  assert.equal((await weigh('{"weight":2.5}')).json['weight'], 2.5)
  assert.equal((await weigh('{"weight":0}')).json['weight'], 0)
  for (const body of ['{"weight":-1}', '{"weight":1001}', '{}', '']) assert.equal((await weigh(body)).status, 400, body)
  assert.equal((await call('POST', '/api/v1/nodes/none/drain')).status, 404)
})

test('how far a drain is, and what holds it up, is shown of a node that is to be drained', async () => {
  const { status, json } = await call('GET', `/api/v1/nodes/${OTHER_ID}/drain`)
  assert.deepEqual([status, json['left'], json['hindrances']], [200, { chunks: 4, bytes: 400 }, ['There are too few nodes']])
  assert.equal((await call('GET', `/api/v1/nodes/${HOME_ID}/drain`)).json['code'], 'CONFLICT')
  assert.equal((await call('GET', '/api/v1/nodes/none/drain')).status, 404)
})

test('a join token is for one node and a day unless it is told otherwise, and is kept by nobody on the way', async () => {
  const usual = await call('POST', '/api/v1/cluster/tokens')
  assert.equal(usual.headers['cache-control'], 'no-store')
  assert.deepEqual(usual.json, { token: 'shoal1.1', expires: '1970-01-02T00:00:00.000000000Z', uses: 1 })
  const other = await call('POST', '/api/v1/cluster/tokens', { body: '{"uses":3,"lifeSeconds":3600}' })
  assert.deepEqual(other.json, { token: 'shoal1.3', expires: '1970-01-01T01:00:00.000000000Z', uses: 3 })
  for (const body of ['{"uses":0}', '{"lifeSeconds":1}', '{"life":60}'])
    assert.equal((await call('POST', '/api/v1/cluster/tokens', { body })).status, 400, body)
})

test('the gossip key is rotated once at a time', async () => {
  assert.equal((await call('POST', '/api/v1/cluster/rotate-key')).status, 204)
  assert.equal((await call('POST', '/api/v1/cluster/rotate-key')).json['code'], 'CONFLICT')
})

test('nodes are for root alone', async () => {
  const key = (await call('POST', '/api/v1/keys', { body: '{"principal":"alice"}' })).json
  const authorization = `Basic ${Buffer.from(`${key['accessKey']}:${key['secretKey']}`).toString('base64')}`
  for (const [method, path] of [
    ['GET', '/api/v1/nodes'],
    ['GET', `/api/v1/nodes/${HOME_ID}`],
    ['POST', `/api/v1/nodes/${HOME_ID}/remove`],
    ['POST', `/api/v1/nodes/${HOME_ID}/drain`],
    ['GET', `/api/v1/nodes/${OTHER_ID}/drain`],
    ['PUT', `/api/v1/nodes/${HOME_ID}/weight`],
    ['POST', '/api/v1/cluster/tokens'],
    ['POST', '/api/v1/cluster/rotate-key'],
  ] as const)
    assert.equal((await call(method, path, { anonymous: true, headers: { authorization } })).json['code'], 'FORBIDDEN', path)
})
