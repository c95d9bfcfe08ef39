import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { createServer as createSecureServer } from 'node:tls'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { NodeSockets } from '#platform/node-sockets.ts'
import { WirePeers } from '#wire/peers.ts'
import { WireServer } from '#wire/server.ts'
import { ClusterIdentity } from './identity.ts'
import { JoinDesk } from './join-desk.ts'
import { decodeJoinToken, encodeJoinToken } from './join-token.ts'
import { TokenList } from './token-list.ts'
import { found, join, memoryWorld, openFolder, realWorld } from './join-fixture.suite.ts'

describe('with TLS', () => {
  test('a node with a token joins, gets what the cluster has, and may call', async (context) => {
    const world = realWorld()
    const founder = await found(context, world)
    const token = await founder.issue()
    const { identity, folder, seeds, bootstrap } = await join(world, token)
    assert.equal(identity.name.clusterId, founder.identity.name.clusterId)
    assert.equal(folder.clusterId, founder.identity.name.clusterId)
    assert.deepEqual([identity.authority, identity.gossip], [founder.identity.authority, founder.identity.gossip])
    assert.deepEqual(seeds, [{ host: 'seed', port: 7402 }])
    assert.equal(String(bootstrap), `keys for ${identity.name.nodeId}`)
    const peers = new WirePeers({
      connector: new NodeSockets(identity.keys),
      clock: nodeClock,
      random: nodeRandom,
      identity: { ...identity.name, software: '0.1.0' },
    })
    context.after(() => peers.close())
    const reply = await peers.call({ ...founder.address, nodeId: founder.identity.name.nodeId }, 'hello')
    assert.equal(reply.header, identity.name.nodeId)
  })

  test('a node without one can join and do nothing else', async (context) => {
    const world = realWorld()
    const founder = await found(context, world)
    const peers = new WirePeers({
      connector: new NodeSockets({ authority: founder.identity.authority.certificate }),
      clock: nodeClock,
      random: nodeRandom,
      identity: { ...founder.identity.name, nodeId: 'ee'.repeat(16) as NodeId, software: '0.1.0' },
    })
    context.after(() => peers.close())
    await assert.rejects(peers.call(founder.address, 'hello'), { code: 'UNAUTHENTICATED' })
    await assert.rejects(peers.call(founder.address, 'cluster.join', { header: 'let me in' }), { code: 'INVALID_ARGUMENT' })
  })

  test('an impostor at the address learns nothing but that somebody wants to join', async (context) => {
    const world = realWorld()
    const [founder, impostor] = [await found(context, world), await found(context, world)]
    const token = decodeJoinToken(await founder.issue())
    const misled = encodeJoinToken({ ...token, addresses: [impostor.address] })
    await assert.rejects(join(world, misled), { code: 'UNAUTHENTICATED', message: /its authority has another fingerprint/ })
    const joined = await join(world, encodeJoinToken({ ...token, addresses: [impostor.address, founder.address] }))
    assert.equal(joined.identity.name.clusterId, founder.identity.name.clusterId)
  })

  test('who takes another port for that of nodes is told so, and where the token was made', async (context) => {
    const world = realWorld()
    const founder = await found(context, world)
    const { certificate: cert, key } = founder.identity.keys.pair!
    // As doors for clients without encryption, and as an etcd of the same cluster.
    for (const server of [createServer(), createSecureServer({ cert, key })]) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      context.after(() => server.close())
      const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
      await assert.rejects(join(world, await founder.issue(), undefined, { addresses: [address] }), {
        code: 'UNAVAILABLE',
        message: new RegExp(
          `^127\\.0\\.0\\.1:${address.port} is not the port for nodes .* made at 127\\.0\\.0\\.1:${founder.address.port}$`,
        ),
      })
    }
  })
})

test('an impostor that shows the certificate of the authority, which is no secret, is found out', async (context) => {
  const world = realWorld()
  const [founder, impostor] = [await found(context, world), await found(context, world)]
  const pair = impostor.identity.keys.pair!
  const server = await WireServer.listen(
    { host: '127.0.0.1', port: 0 },
    {
      listeners: new NodeSockets({ authority: founder.identity.authority.certificate, pair }),
      clock: nodeClock,
      log: silentLog,
      identity: { ...founder.identity.name, software: '0.1.0' },
      methods: impostor.desk.methods,
    },
  )
  context.after(() => server.close())
  const token = encodeJoinToken({ ...decodeJoinToken(await founder.issue()), addresses: [server.address] })
  await assert.rejects(join(world, token), { code: 'UNAUTHENTICATED', message: /does not vouch for its certificate/ })
})

describe('a node that has joined', () => {
  test('is of the cluster after every restart, and may be started with the token again', async (context) => {
    const world = memoryWorld()
    const founder = await found(context, world)
    const files = new MemoryFiles()
    const token = await founder.issue()
    const first = await join(world, token, files)
    const again = await join(world, token, files, { hasData: () => true })
    assert.deepEqual([again.identity.name, again.identity.keys], [first.identity.name, first.identity.keys])
    assert.equal(again.bootstrap, undefined)
    const folder = await openFolder(files)
    assert.equal(folder.clusterId, founder.identity.name.clusterId)
    assert.equal(folder.nodeId, first.identity.name.nodeId)
  })

  test('lets others in with tokens of its own', async (context) => {
    const world = memoryWorld()
    const { identity } = await join(world, await (await found(context, world)).issue())
    const files = new MemoryFiles()
    const ports = { files, clock: world.clock, random: nodeRandom, log: silentLog }
    const desk = new JoinDesk({
      ...ports,
      identity,
      tokens: await TokenList.open('/data', ports),
      seeds: () => [],
      isRemoved: () => false,
      bootstrap: async () => Buffer.alloc(0),
    })
    const server = await WireServer.listen(
      { host: 'second', port: 7 },
      {
        listeners: world.listenersOf('second', 'plain'),
        clock: world.clock,
        log: silentLog,
        identity: { ...identity.name, software: '0.1.0' },
        methods: desk.methods,
      },
    )
    const third = await join(world, await desk.issue({ addresses: [server.address] }))
    assert.equal(third.identity.fingerprint, identity.fingerprint)
  })
})

test('a join that is cut off at any step leaves the node as it was or joined, and can be done again', async (context) => {
  const world = memoryWorld()
  const founder = await found(context, world)
  const token = await founder.issue({ uses: 1_000 })
  let steps = 0
  let ends = { asItWas: 0, joined: 0 }
  for (let isDone = false; !isDone; steps += 1) {
    const files = new MemoryFiles({ seed: steps })
    const own = await openFolder(files)
    await ClusterIdentity.open(own, { files, clock: world.clock, random: nodeRandom, log: silentLog })
    await own.close()
    files.cutPowerAfter(steps)
    isDone = await join(world, token, files).then(
      () => !files.powerIsCut,
      () => false,
    )
    files.crash()
    const folder = await openFolder(files)
    const { name } = await ClusterIdentity.open(folder, { files, clock: world.clock, random: nodeRandom, log: silentLog })
    await folder.close()
    assert.equal(name.nodeId, own.nodeId)
    const hasJoined = name.clusterId === founder.identity.name.clusterId
    if (!hasJoined) assert.equal(name.clusterId, own.clusterId)
    ends = { asItWas: ends.asItWas + Number(!hasJoined), joined: ends.joined + Number(hasJoined) }
    const joined = await join(world, token, files)
    assert.equal(joined.identity.name.clusterId, founder.identity.name.clusterId)
    assert.equal((await openFolder(files)).clusterId, founder.identity.name.clusterId)
  }
  assert.ok(ends.asItWas > 3 && ends.joined > 3, JSON.stringify(ends))
})
