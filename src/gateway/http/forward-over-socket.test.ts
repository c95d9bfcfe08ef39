import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { NodeUnixSockets } from '#platform/node-unix-sockets.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { WirePeers } from '#wire/peers.ts'
import { WireServer } from '#wire/server.ts'
import { SERVER_ID, identityOf } from '#wire/wire-fixture.suite.ts'
import { ask, startCluster } from './forward-fixture.suite.ts'
import { ForwardOverWire } from './forward-over-wire.ts'
import { forwardMethods } from './forward-methods.ts'

test('threads of one node forward over a socket in a folder of their own, and its path is free again afterwards', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-'))
  const host = join(folder, 'forward.sock')
  const sockets = new NodeUnixSockets()
  const parts = { clock: nodeClock, identity: identityOf(SERVER_ID) }
  const toMain = new ForwardOverWire(new WirePeers({ ...parts, connector: sockets, random: new SeededRandom(1) }), {
    host,
    port: 0,
  })
  for (let round = 0; round < 2; round += 1) {
    await using cluster = await startCluster({ targets: { atlantic: toMain } })
    const methods = forwardMethods({ s3: cluster.atlantic.http })
    const server = await WireServer.listen({ host, port: 0 }, { ...parts, listeners: sockets, log: silentLog, methods })
    cluster.atlantic.door.handler = async (exchange) => exchange.send(200, [], await exchange.body().collect())
    const body = 'x'.repeat(200_000)
    const answer = await ask(
      cluster.pacific.port,
      `PUT /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    assert.ok(answer.startsWith('HTTP/1.1 200 ') && answer.endsWith(`\r\n\r\n${body}`))
    await server.close()
  }
  await assert.rejects(sockets.connect({ host, port: 0 }), { code: 'ENOENT' })
  await rm(folder, { recursive: true })
})

test('what a thread sends to its node, which does not serve it either, goes on to the node that does', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-'))
  const host = join(folder, 'forward.sock')
  const sockets = new NodeUnixSockets()
  const parts = { clock: nodeClock, identity: identityOf(SERVER_ID) }
  const peers = new WirePeers({ ...parts, connector: sockets, random: new SeededRandom(1) })
  const toMain = new ForwardOverWire(peers, { host, port: 0 })
  await using nodes = await startCluster()
  await using thread = await startCluster({ targets: { atlantic: toMain } })
  const methods = forwardMethods({ s3: nodes.pacific.http }, { fromThreads: true })
  const server = await WireServer.listen({ host, port: 0 }, { ...parts, listeners: sockets, log: silentLog, methods })
  nodes.atlantic.door.handler = async (exchange) => {
    const body = await exchange.body().collect()
    exchange.startStream(200, ['X-Id', exchange.id])
    exchange.end(body)
  }
  after(() => server.close())
  for (const body of ['short', 'x'.repeat(200_000)]) {
    const headers = `Host: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n`
    const answer = await ask(thread.pacific.port, `PUT /a HTTP/1.1\r\n${headers}\r\n${body}`)
    assert.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    const chunks = answer.slice(answer.indexOf('X-Request-Id'))
    assert.ok(chunks.replaceAll(/\r\n[0-9a-f]+\r\n/g, '').includes(body))
    assert.equal(/X-Id: (\S+)/.exec(answer)?.[1], /X-Request-Id: (\S+)/.exec(answer)?.[1])
  }
  assert.deepEqual([nodes.atlantic.finished.length, nodes.pacific.finished.length, thread.pacific.finished.length], [2, 2, 2])
  await rm(folder, { recursive: true })
})
