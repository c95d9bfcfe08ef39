import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadConfig } from '#config/load-config.ts'
import type { Config } from '#config/settings.ts'
import { isShoalError } from '#foundation/errors.ts'
import { silentLog } from '#observe/log.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { openOffline } from './offline.ts'
import { startNode } from './start-node.ts'
import type { RunningNode } from './start-node.ts'

let data: string

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'shoal-node-'))
})
after(() => rm(data, { recursive: true, force: true }))

async function config(folder: string, env: Record<string, string> = {}): Promise<Config> {
  const loaded = await loadConfig({
    flags: { data: folder, port: '0', 'shutdown-grace-ms': '500ms' },
    env,
    cwd: '/',
    files: nodeFiles,
  })
  return loaded.config
}

function start(folder: string, settings: Config): Promise<RunningNode> {
  return startNode({ ...settings, data: folder }, { log: silentLog, version: '1.2.3' })
}

function call(node: RunningNode, method: string, path: string, body?: string | Buffer): Promise<Response> {
  const { accessKey, secretKey } = node.credentials
  return fetch(node.url + path, {
    method,
    body: body === undefined ? null : new Uint8Array(Buffer.from(body)),
    headers: { authorization: `Basic ${Buffer.from(`${accessKey}:${secretKey}`).toString('base64')}` },
  })
}

test('a node keeps files and keys over a restart, and holds its folder alone', async () => {
  const folder = join(data, 'one')
  const settings = await config(folder)
  const first = await start(folder, settings)
  assert.equal(first.credentials.origin, 'made')
  assert.equal(first.credentials.accessKey.length, 20)
  assert.equal(first.credentials.secretKey.length, 40)
  assert.equal((await stat(join(folder, 'root-credentials.json'))).mode & 0o777, 0o600)
  assert.deepEqual(Object.keys(JSON.parse(await readFile(join(folder, 'root-credentials.json'), 'utf8'))), [
    'accessKey',
    'secretKey',
  ])
  assert.equal((await call(first, 'PUT', '/api/v1/volumes/docs', '{}')).status, 201)
  const small = 'small'
  const large = Buffer.alloc(20_000_000, 'large')
  assert.equal((await call(first, 'PUT', '/api/v1/volumes/docs/files/a/small', small)).status, 201)
  assert.equal((await call(first, 'PUT', '/api/v1/volumes/docs/files/a/large', large)).status, 201)
  await assert.rejects(start(folder, settings), (error) => isShoalError(error, 'DATA_IN_USE'))
  await assert.rejects(openOffline(folder), (error) => isShoalError(error, 'DATA_IN_USE'))
  const status = (await (await call(first, 'GET', '/api/v1/status')).json()) as Record<string, unknown>
  assert.deepEqual([status['version'], status['state'], status['volumes']], ['1.2.3', 'serving', 1])
  await first.stop()

  const second = await start(folder, settings)
  assert.equal(second.credentials.origin, 'kept')
  assert.equal(second.credentials.secretKey, first.credentials.secretKey)
  assert.equal(second.nodeId, first.nodeId)
  assert.equal(await (await call(second, 'GET', '/api/v1/volumes/docs/files/a/small')).text(), small)
  assert.ok(Buffer.from(await (await call(second, 'GET', '/api/v1/volumes/docs/files/a/large')).arrayBuffer()).equals(large))
  await second.stop()
})

test('configured keys are used, and none are kept', async () => {
  const folder = join(data, 'two')
  const settings = await config(folder, { SHOAL_ROOT_ACCESS_KEY: 'root', SHOAL_ROOT_SECRET_KEY: 'configured-secret' })
  const node = await start(folder, settings)
  assert.deepEqual({ ...node.credentials }, { accessKey: 'root', secretKey: 'configured-secret', origin: 'configured' })
  assert.equal((await call(node, 'GET', '/api/v1/volumes')).status, 200)
  await assert.rejects(stat(join(folder, 'root-credentials.json')))
  await node.stop()
})

test('a taken port is a clear error, and leaves the folder free', async () => {
  const node = await start(join(data, 'three'), await config(join(data, 'three')))
  const folder = join(data, 'four')
  const settings = { ...(await config(folder)), port: node.port }
  await assert.rejects(
    start(folder, settings),
    (error) => isShoalError(error, 'UNAVAILABLE') && /port is taken/.test(error.message),
  )
  await node.stop()
  const other = await start(folder, await config(folder))
  await other.stop()
})

test('a stopped node can be opened without doors', async () => {
  const offline = await openOffline(join(data, 'one'))
  assert.deepEqual(
    (await offline.volumes.list()).map((info) => info.name),
    ['docs'],
  )
  await offline.close()
  await assert.rejects(openOffline(join(data, 'nothing')), (error) => isShoalError(error, 'NOT_FOUND'))
})

test('a change feed that is being followed does not hold up the end', async () => {
  const node = await start(join(data, 'five'), await config(join(data, 'five')))
  const response = await call(node, 'GET', '/api/v1/changes')
  assert.equal(response.status, 200)
  const text = response.text()
  const startedMs = performance.now()
  await node.stop()
  assert.ok(performance.now() - startedMs < 400)
  assert.match(await text, /"code":"UNAVAILABLE"/)
})

test('a cluster is not founded by a node that may not lead it: nobody would', async () => {
  const folder = join(data, 'leaderless')
  const settings = await config(folder, { SHOAL_ROLE: 'store,gateway' })
  await assert.rejects(
    start(folder, { ...settings, cluster: true, port: 7400 }),
    (error) => isShoalError(error, 'INVALID_ARGUMENT') && /role meta/.test(error.message),
  )
})
