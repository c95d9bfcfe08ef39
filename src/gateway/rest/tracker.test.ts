import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restCalls } from './rest-calls.suite.ts'

const { call } = restCalls()

const post = (path: string, body: unknown) => call('POST', `/api/v1/tracker/${path}`, { body: JSON.stringify(body) })
const activities = (json: Record<string, unknown>) =>
  (json['tasks'] as { task: string; activity: string }[]).map(({ task, activity }) => `${task} ${activity}`)

test('the tracker shows its tasks, pauses and resumes one or all, and begins what it is told', async () => {
  const shown = await call('GET', '/api/v1/tracker')
  assert.equal(shown.status, 200)
  assert.deepEqual(activities(shown.json), ['repair idle', 'scrub idle'])
  assert.equal(shown.json['decisions'][0].kind, 'copy')
  assert.deepEqual(activities((await post('pause', { task: 'scrub' })).json), ['repair idle', 'scrub paused'])
  assert.deepEqual(activities((await post('pause', {})).json), ['repair paused', 'scrub paused'])
  assert.deepEqual(activities((await post('resume', {})).json), ['repair idle', 'scrub idle'])
  assert.deepEqual(activities((await post('run', { task: 'repair' })).json), ['repair running', 'scrub idle'])
  const dry = await post('run', { task: 'scrub', dryRun: true, budget: { opsPerSecond: 5 } })
  assert.deepEqual(dry.json['tasks'][2].budget, { opsPerSecond: 5 })
  assert.equal(dry.json['tasks'][2].dryRun, true)
})

test('what is no task, and no budget, is refused', async () => {
  for (const body of [
    {},
    { task: 'tidy' },
    { task: 'repair', budget: { share: 2 } },
    { task: 'repair', budget: { opsPerSecond: 0 } },
  ]) {
    const { status, json } = await post('run', body)
    assert.deepEqual([status, json['code']], [400, 'INVALID_ARGUMENT'])
  }
})

test('the tracker is for root alone', async () => {
  const { json: key } = await call('POST', '/api/v1/keys', { body: '{"principal":"alice"}' })
  const authorization = `Basic ${Buffer.from(`${key['accessKey']}:${key['secretKey']}`).toString('base64')}`
  for (const [method, path] of [
    ['GET', '/api/v1/tracker'],
    ['POST', '/api/v1/tracker/pause'],
    ['POST', '/api/v1/tracker/resume'],
    ['POST', '/api/v1/tracker/run'],
  ] as const) {
    const { status, json } = await call(method, path, { anonymous: true, headers: { authorization } })
    assert.deepEqual([status, json['code']], [403, 'FORBIDDEN'])
  }
})
