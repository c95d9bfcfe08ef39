// Nodes in the test's own process that agree on their metadata by an etcd. The one that leads has a disk that fails.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { loadConfig } from '#config/load-config.ts'
import { startNode } from '#node/start-node.ts'
import type { RunningNode } from '#node/start-node.ts'
import { silentLog } from '#observe/log.ts'
import { faultyFiles } from '#platform/faulty-files.ts'
import type { Files } from '#platform/files.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { startEtcdProcess } from '../support/etcd-process.ts'
import { ACCESS_KEY, freePort, SECRET_KEY } from '../support/node-process.ts'

const AUTHORIZATION = `Basic ${Buffer.from(`${ACCESS_KEY}:${SECRET_KEY}`).toString('base64')}`
const WITHIN_MS = 20_000
const LARGE = 'x'.repeat(100_000)

async function call(
  node: RunningNode,
  method: string,
  path: string,
  body?: string,
): Promise<{ readonly status: number; readonly content: string }> {
  const response = await fetch(node.url + path, { method, headers: { authorization: AUTHORIZATION }, body: body ?? null })
  return { status: response.status, content: await response.text() }
}

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (const endMs = Date.now() + WITHIN_MS; !(await isSo()); await delay(100))
    assert.ok(Date.now() < endMs, `not within ${WITHIN_MS} ms: ${what}`)
}

/** Two nodes beside one whose flushes of chunks can be made to fail, which leads. */
async function startThree(
  t: TestContext,
): Promise<{ readonly nodes: readonly [RunningNode, RunningNode, RunningNode]; readonly breakDisk: () => void }> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-failing-leader-'))
  const etcd = await startEtcdProcess()
  const running: RunningNode[] = []
  t.after(async () => {
    await Promise.all(running.map((node) => node.stop()))
    await etcd.dispose()
    await rm(folder, { recursive: true, force: true })
  })
  const start = async (name: string, flags: Record<string, string>, files: Files = nodeFiles): Promise<RunningNode> => {
    const { config } = await loadConfig({
      flags: {
        data: join(folder, name),
        port: String(await freePort()),
        etcd: etcd.endpoint,
        'shutdown-grace-ms': '500ms',
        ...flags,
      },
      env: { SHOAL_ROOT_ACCESS_KEY: ACCESS_KEY, SHOAL_ROOT_SECRET_KEY: SECRET_KEY },
      cwd: '/',
      files: nodeFiles,
    })
    const node = await startNode(config, { log: silentLog, version: '1.0.0', files })
    running.push(node)
    return node
  }
  let isBroken = false
  const breaking = faultyFiles(nodeFiles, (operation, path) =>
    isBroken && operation === 'datasync' && path.includes('/chunks/') ? 'io-error' : undefined,
  )
  const leader = await start('one', {}, breaking)
  await until(async () => (await call(leader, 'PUT', '/api/v1/volumes/docs', '{}')).status < 300, 'there is a volume')
  const tokens = await call(leader, 'POST', '/api/v1/cluster/tokens', '{"uses":2}')
  const { token } = JSON.parse(tokens.content) as { token: string }
  const others = [await start('two', { token, zone: 'two' }), await start('three', { token, zone: 'three' })] as const
  for (const node of others)
    await until(async () => (await call(node, 'PUT', file('before'), LARGE)).status < 300, 'each of the nodes serves')
  await until(async () => (await copiesOf(leader, 'before')) === 3, 'each of the nodes has a copy')
  return { nodes: [leader, ...others], breakDisk: () => (isBroken = true) }
}

const file = (name: string): string => `/api/v1/volumes/docs/files/${name}`

test('a leader whose disk fails under a write acknowledges it, since others have it, and lets another node lead; the cluster tells of it', async (t) => {
  const { nodes, breakDisk } = await startThree(t)
  const [leader, other] = nodes
  assert.equal(await homeOf(other), leader.nodeId)

  breakDisk()
  const during = await call(leader, 'PUT', file('during'), `${LARGE}!`)
  assert.equal(during.status, 201, during.content)
  assert.deepEqual(await call(leader, 'GET', '/readyz'), { status: 503, content: '{"state":"storage-failed"}' })
  await until(async () => (await homeOf(other)) !== leader.nodeId, 'another one leads')
  for (const node of nodes) await until(async () => (await stateOf(node, leader)) === 'storage-failed', 'each node says so of it')
  for (const [at, node] of nodes.entries()) {
    await until(async () => (await call(node, 'PUT', file(`after-${at}`), `${LARGE}${at}`)).status < 300, 'changes go on')
    assert.equal((await call(node, 'GET', file('before'))).content, LARGE)
    assert.equal((await call(node, 'GET', file('during'))).content, `${LARGE}!`)
  }
})

/** How many nodes have the chunk of a file. */
async function copiesOf(node: RunningNode, name: string): Promise<number> {
  const { content } = await call(node, 'GET', `${file(name)}?locations`)
  const { extents } = JSON.parse(content) as { extents: { nodes: string[] }[] }
  return extents[0]?.nodes.length ?? 0
}

/** What `node` says of `about`. */
async function stateOf(node: RunningNode, about: RunningNode): Promise<string | undefined> {
  const { content } = await call(node, 'GET', `/api/v1/nodes/${about.nodeId}`)
  return (JSON.parse(content) as { state?: string }).state
}

/** Who leads, by what a node knows. */
async function homeOf(node: RunningNode): Promise<string | undefined> {
  const { status, content } = await call(node, 'GET', '/api/v1/nodes')
  const { nodes = [] } = (status === 200 ? JSON.parse(content) : {}) as { nodes?: { id: string; home: boolean }[] }
  return nodes.find(({ home }) => home)?.id
}
