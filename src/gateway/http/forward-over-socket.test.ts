import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
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
