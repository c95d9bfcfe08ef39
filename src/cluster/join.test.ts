import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { openDataFolder } from '#platform/data-folder.ts'
import type { DataFolder } from '#platform/data-folder.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { MemoryNetwork } from '#platform/memory-sockets.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { NodeSockets, presentedCertificates } from '#platform/node-sockets.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { Connector, Listeners, SocketAddress, SocketSecurity } from '#platform/sockets.ts'
import { WirePeers } from '#wire/peers.ts'
import { WireServer } from '#wire/server.ts'
import { ClusterIdentity } from './identity.ts'
import { joinCluster } from './join.ts'
import type { JoinOptions, Joined } from './join.ts'
import { JoinDesk } from './join-desk.ts'
import type { IssueOptions } from './join-desk.ts'
import { decodeJoinToken, encodeJoinToken } from './join-token.ts'
import { TokenList } from './token-list.ts'

const HOUR_MS = 3_600_000

/** How nodes reach each other: really, or in memory and without TLS. */
interface World {
  readonly clock: Clock
  listenersOf(name: string, security: SocketSecurity): Listeners
  connectorOf(name: string, security: SocketSecurity): Connector
  readonly isPlain: boolean
}

function realWorld(): World {
  const make = (_: string, security: SocketSecurity): NodeSockets => new NodeSockets(security)
  return { clock: nodeClock, listenersOf: make, connectorOf: make, isPlain: false }
}

function memoryWorld(clock = new ManualClock()): World {
  const network = new MemoryNetwork({ clock, random: new SeededRandom(1) })
  return { clock, listenersOf: (name) => network.host(name), connectorOf: (name) => network.host(name), isPlain: true }
}

interface Founder {
  readonly identity: ClusterIdentity
  readonly desk: JoinDesk
  readonly address: SocketAddress
  readonly files: MemoryFiles
  readonly removed: Set<NodeId>
  issue(options?: Partial<IssueOptions>): Promise<string>
}

async function openFolder(files: MemoryFiles): Promise<DataFolder> {
  return openDataFolder('/data', { files, random: nodeRandom, version: '0.1.0' })
}

async function found(context: TestContext, world: World, host = '127.0.0.1'): Promise<Founder> {
  const files = new MemoryFiles()
  const { clock } = world
  const ports = { files, clock, random: nodeRandom, log: silentLog }
  const identity = await ClusterIdentity.open(await openFolder(files), ports)
  const removed = new Set<NodeId>()
  const desk = new JoinDesk({
    ...ports,
    identity,
    tokens: await TokenList.open('/data', ports),
    seeds: () => [{ host: 'seed', port: 7402 }],
    isRemoved: (node) => removed.has(node),
    bootstrap: async (node) => Buffer.from(`keys for ${node}`),
  })
  const server = await WireServer.listen(
    { host, port: 0 },
    {
      listeners: world.listenersOf(host, world.isPlain ? 'plain' : identity.keys),
      clock,
      log: silentLog,
      identity: { ...identity.name, software: '0.1.0' },
      methods: { ...desk.methods, hello: { handle: async ({ peer }) => ({ header: peer.nodeId }) } },
    },
  )
  context.after(() => server.close())
  const issue = (options: Partial<IssueOptions> = {}): Promise<string> => desk.issue({ addresses: [server.address], ...options })
  return { identity, desk, address: server.address, files, removed, issue }
}

function join(world: World, token: string, files = new MemoryFiles(), more: Partial<JoinOptions> = {}): Promise<Joined> {
  const ports = {
    files,
    clock: world.clock,
    random: nodeRandom,
    log: silentLog,
    presentedCertificates,
    makeConnector: (security: SocketSecurity) => world.connectorOf('joiner', security),
  }
  const run = async (): Promise<Joined> => {
    const folder = await openFolder(files)
    try {
      return await joinCluster({ folder, token, software: '0.1.0', hasData: () => false, isPlain: world.isPlain, ...more }, ports)
    } finally {
      await folder.close()
    }
  }
  return run()
}

async function passUntil<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settled = promise.finally(() => (isSettled = true))
  settled.catch(() => undefined)
  for (let turn = 0; !isSettled && turn < 5_000; turn += 1) {
    await setImmediate()
    if (turn % 20 === 19) clock.advance(10)
  }
  return settled
}

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

describe('refused is', () => {
  test('a token that has run out, by the node that has it and by the one that made it', async (context) => {
    const clock = new ManualClock()
    const world = memoryWorld(clock)
    const founder = await found(context, world)
    const token = await founder.issue({ lifeMs: HOUR_MS })
    clock.advance(2 * HOUR_MS)
    await assert.rejects(join(world, token), {
      code: 'UNAUTHENTICATED',
      message: /has run out at .*Z: make another one with "shoal cluster token"/,
    })
    const late = encodeJoinToken({ ...decodeJoinToken(token), expiresMs: clock.nowMs() + HOUR_MS })
    await assert.rejects(join(world, late), { code: 'UNAUTHENTICATED', message: /has run out/ })
  })

  test('a token that was used as often as it may be; who used it may ask again', async (context) => {
    const world = memoryWorld()
    const founder = await found(context, world)
    const token = await founder.issue({ uses: 2 })
    const files = new MemoryFiles()
    await join(world, token, files)
    await join(world, token)
    await assert.rejects(join(world, token), { code: 'UNAUTHENTICATED', message: /has been used already/ })
    const lostAnswer = new MemoryFiles()
    const [format, lock] = [await files.read('/data/format.json'), await openFolder(lostAnswer)]
    await lock.close()
    await lostAnswer.publish('/data/format.json', [format!])
    await join(world, token, lostAnswer)
  })

  test('a token of another cluster, of another node, and one whose secret was changed, more slowly each time', async (context) => {
    const clock = new ManualClock()
    const world = memoryWorld(clock)
    const founder = await found(context, world)
    const other = await found(context, world, 'other')
    const token = decodeJoinToken(await founder.issue())
    const foreign = encodeJoinToken({ ...token, addresses: [other.address] })
    await assert.rejects(join(world, foreign), { code: 'UNAUTHENTICATED', message: /belongs to cluster/ })
    const guessed = encodeJoinToken({ ...token, secret: Buffer.alloc(16) })
    const waits: number[] = []
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const startMs = clock.nowMs()
      await assert.rejects(passUntil(clock, join(world, guessed)), {
        code: 'UNAUTHENTICATED',
        message: /does not know the join token/,
      })
      waits.push(clock.nowMs() - startMs)
    }
    assert.ok(Math.min(...waits.slice(0, 5)) < 50 && waits[6]! >= 200 && waits[7]! >= 400, waits.join(', '))
    assert.equal((await join(world, encodeJoinToken(token))).identity.name.clusterId, founder.identity.name.clusterId)
  })

  test('a node that was removed from the cluster, and a copy of the founding node', async (context) => {
    const world = memoryWorld()
    const founder = await found(context, world)
    const files = new MemoryFiles()
    const { nodeId, close } = await openFolder(files)
    await close()
    founder.removed.add(nodeId)
    await assert.rejects(join(world, await founder.issue(), files), {
      code: 'FORBIDDEN',
      message: /was removed from the cluster/,
    })
    const copy = founder.files.copy()
    await (await openFolder(copy)).close()
    const text = String(await copy.read('/data/format.json'))
    await copy.publish('/data/format.json', [Buffer.from(text.replace(founder.identity.name.clusterId, '0'.repeat(32)))])
    await copy.remove('/data/cluster/identity.json')
    await assert.rejects(join(world, await founder.issue(), copy), { code: 'FORBIDDEN', message: /is this node itself/ })
  })

  test('a data folder of another cluster that holds data, and it stays as it was', async (context) => {
    const world = memoryWorld()
    const founder = await found(context, world)
    const files = new MemoryFiles()
    const token = await founder.issue()
    await assert.rejects(join(world, token, files, { hasData: () => true }), {
      code: 'CONFLICT',
      message: /holds data, so it can't join cluster/,
    })
    assert.notEqual((await openFolder(files)).clusterId, founder.identity.name.clusterId)
  })

  test('a join where nobody answers, with the address', async () => {
    const world = realWorld()
    const token = {
      clusterId: '00'.repeat(16),
      fingerprint: '00'.repeat(32),
      expiresMs: Date.now() + HOUR_MS,
      secret: Buffer.alloc(16),
    }
    const line = encodeJoinToken({
      ...token,
      expiresMs: Math.floor(token.expiresMs / 1000) * 1000,
      addresses: [{ host: '127.0.0.1', port: 1 }],
    })
    await assert.rejects(join(world, line), { code: 'UNAVAILABLE', message: /127\.0\.0\.1:1/ })
  })
})

describe('the list of tokens', () => {
  test('survives a restart, holds no secret, and only its owner can read it', async (context) => {
    const world = memoryWorld()
    const founder = await found(context, world)
    const token = decodeJoinToken(await founder.issue())
    const text = String(await founder.files.read('/data/cluster/tokens.json'))
    assert.ok(!text.includes(token.secret.toString('base64')) && !text.includes(token.secret.toString('hex')))
    assert.equal((await founder.files.facts('/data/cluster/tokens.json'))?.mode, 0o600)
    const reopened = await TokenList.open('/data', { files: founder.files, clock: world.clock })
    const { id, usesMax } = (JSON.parse(text) as { tokens: [{ id: string; usesMax: number }] }).tokens[0]
    assert.equal(reopened.find(id)?.usesMax, usesMax)
    assert.equal(reopened.find('0'.repeat(16)), undefined)
    await founder.files.publish('/data/cluster/tokens.json', [Buffer.from('{"format":1,"tokens":[{}]}')])
    await assert.rejects(TokenList.open('/data', { files: founder.files, clock: world.clock }), { code: 'DATA_FORMAT' })
  })

  test('has an end, and room again when tokens have run out', async (context) => {
    const clock = new ManualClock()
    const founder = await found(context, memoryWorld(clock))
    for (let made = 0; made < 100; made += 1) await founder.issue({ lifeMs: HOUR_MS })
    await assert.rejects(founder.issue(), { code: 'BUSY' })
    clock.advance(2 * HOUR_MS)
    await founder.issue()
  })

  test('lets exactly as many nodes in at once as a token allows', async (context) => {
    const world = memoryWorld()
    const token = await (await found(context, world)).issue({ uses: 3 })
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => join(world, token)))
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 3)
  })
})
