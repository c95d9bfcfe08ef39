import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadConfig } from '#config/load-config.ts'
import { silentLog } from '#observe/log.ts'
import { faultyFiles } from '#platform/faulty-files.ts'
import type { Fault, FaultyOperation } from '#platform/faulty-files.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { startNode } from './start-node.ts'
import type { RunningNode } from './start-node.ts'

let data: string

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'shoal-failure-'))
})
after(() => rm(data, { recursive: true, force: true }))

interface Plan {
  fault: { readonly operation: FaultyOperation; readonly fault: Fault } | undefined
}

async function start(name: string, plan: Plan): Promise<RunningNode> {
  const flags = { data: join(data, name), port: '0', 'shutdown-grace-ms': '500ms' }
  const { config } = await loadConfig({ flags, env: {}, cwd: '/', files: nodeFiles })
  // The journal's room was taken when it was made.
  const isSpared = (path: string): boolean => path.includes('/journal.') && plan.fault?.fault === 'no-space'
  const files = faultyFiles(nodeFiles, (operation, path) =>
    operation === plan.fault?.operation && !isSpared(path) ? plan.fault.fault : undefined,
  )
  return startNode(config, { log: silentLog, version: '1', files })
}

async function call(
  node: RunningNode,
  method: string,
  path: string,
  body?: string,
): Promise<{ status: number; code: unknown; text: string }> {
  const { accessKey, secretKey } = node.credentials
  const authorization = `Basic ${Buffer.from(`${accessKey}:${secretKey}`).toString('base64')}`
  const response = await fetch(node.url + path, { method, body: body ?? null, headers: { authorization } })
  const text = await response.text()
  const isProblem = response.headers.get('content-type') === 'application/problem+json'
  return { status: response.status, code: isProblem ? (JSON.parse(text) as { code: string }).code : undefined, text }
}

const FILE = '/api/v1/volumes/docs/files'
const LARGE = 'x'.repeat(100_000)

test('after a failed flush the node acknowledges nothing any more, says so, and goes on reading', async () => {
  const plan: Plan = { fault: undefined }
  const node = await start('eio', plan)
  await call(node, 'PUT', '/api/v1/volumes/docs', '{}')
  assert.equal((await call(node, 'PUT', `${FILE}/before`, LARGE)).status, 201)
  assert.equal((await call(node, 'GET', '/readyz')).status, 200)
  plan.fault = { operation: 'datasync', fault: 'io-error' }
  const failed = await call(node, 'PUT', `${FILE}/during`, `${LARGE}!`)
  assert.deepEqual([failed.status, failed.code], [503, 'STORAGE_FAILED'])
  plan.fault = undefined
  for (const body of ['small enough to be inline', `${LARGE}?`]) {
    const later = await call(node, 'PUT', `${FILE}/later`, body)
    assert.deepEqual([later.status, later.code], [503, 'STORAGE_FAILED'])
  }
  const ready = await call(node, 'GET', '/readyz')
  assert.deepEqual([ready.status, JSON.parse(ready.text)], [503, { state: 'storage-failed' }])
  assert.equal((await call(node, 'GET', `${FILE}/before`)).text, LARGE)
  assert.equal((await call(node, 'GET', `${FILE}/during`)).status, 404)
  await node.stop()

  const restarted = await start('eio', plan)
  assert.equal((await call(restarted, 'GET', `${FILE}/before`)).text, LARGE)
  assert.equal((await call(restarted, 'GET', `${FILE}/later`)).status, 404)
  assert.equal((await call(restarted, 'PUT', `${FILE}/later`, LARGE)).status, 201)
  await restarted.stop()
})

test('a full medium refuses what does not fit, and nothing else', async () => {
  const plan: Plan = { fault: undefined }
  const node = await start('full', plan)
  await call(node, 'PUT', '/api/v1/volumes/docs', '{}')
  plan.fault = { operation: 'write', fault: 'no-space' }
  const failed = await call(node, 'PUT', `${FILE}/x`, LARGE)
  assert.deepEqual([failed.status, failed.code], [507, 'NO_SPACE'])
  assert.equal((await call(node, 'GET', '/readyz')).status, 200)
  plan.fault = undefined
  assert.equal((await call(node, 'PUT', `${FILE}/x`, LARGE)).status, 201)
  assert.equal((await call(node, 'GET', `${FILE}/x`)).text, LARGE)
  await node.stop()
})
