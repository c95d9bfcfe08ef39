import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '#config/load-config.ts'
import type { NodeId } from '#foundation/ids.ts'
import { isShoalError } from '#foundation/errors.ts'
import { startNode } from '#node/start-node.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { NodeSockets } from '#platform/node-sockets.ts'
import { WirePeers } from '#wire/peers.ts'
import { freePort } from '../support/node-process.ts'

test('a node that is told to be insecure answers at its doors without TLS, and other nodes with TLS alone', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'shoal-insecure-'))
  const port = await freePort()
  const flags = { data, port: String(port), insecure: true, 'shutdown-grace-ms': '500ms' }
  const { config } = await loadConfig({ flags, env: {}, cwd: '/', files: nodeFiles })
  const node = await startNode(config, { log: silentLog, version: '1.0.0' })
  const identity = { clusterId: 'c1'.repeat(16), nodeId: 'b0'.repeat(16) as NodeId, software: 'test' }
  const peers = new WirePeers({ connector: new NodeSockets('plain'), clock: nodeClock, random: nodeRandom, identity })
  t.after(async () => {
    await peers.close()
    await node.stop()
    await rm(data, { recursive: true, force: true })
  })
  assert.equal((await fetch(`${node.url}/healthz`)).status, 200)
  const call = peers.call({ host: '127.0.0.1', port: port + 2 }, 'http.alive', { deadlineMs: 5_000 })
  // With a plain door it would be told that its cluster is another one.
  await assert.rejects(call, (error) => isShoalError(error) && !/cluster/.test(error.message))
})
