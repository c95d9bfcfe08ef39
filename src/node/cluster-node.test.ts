import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ClusterIdentity } from '#cluster/identity.ts'
import { joinCluster } from '#cluster/join.ts'
import { TokenList } from '#cluster/token-list.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { MemberView } from '#membership/member.ts'
import { silentLog } from '#observe/log.ts'
import type { Log, LogFields } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import type { Clock } from '#platform/clock.ts'
import { openDataFolder } from '#platform/data-folder.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryDatagrams } from '#platform/memory-datagrams.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { MemoryNetwork } from '#platform/memory-sockets.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { SocketKeys } from '#platform/sockets.ts'
import { ClockWatch } from './clock-watch.ts'
import { ClusterNode } from './cluster-node.ts'
import { KnownNodes, publishKnownNodes } from './known-nodes.ts'

/** 80 s of the clock. */
const TURNS_MAX = 20_000
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const USAGE = { chunks: 0, liveBytes: 0, storedBytes: 0, capacityBytes: 1_000_000, freeBytes: 1_000_000 }

interface Started {
  readonly node: ClusterNode
  readonly known: KnownNodes
  readonly replaced: SocketKeys[]
}

/** Nodes without TLS on one network in memory, and a clock that is moved by hand. */
class World implements AsyncDisposable {
  readonly clock = new ManualClock()
  readonly datagrams = new MemoryDatagrams()
  readonly network = new MemoryNetwork({ clock: this.clock, random: new SeededRandom(1) })
  readonly files = new Map<string, MemoryFiles>()
  readonly nodes: ClusterNode[] = []

  /** Makes the node on `host`, which joins with a token if there is one, and doesn't listen yet. */
  async open(host: string, token?: string): Promise<Started> {
    const clock = this.#clockOf(host)
    const files = this.files.get(host) ?? new MemoryFiles()
    this.files.set(host, files)
    const log = { ...silentLog, warn: (message: string, fields?: LogFields) => void this.warnings.push({ message, ...fields }) }
    const ports = { files, clock, random: nodeRandom, log }
    const folder = await openDataFolder('/data', { files, random: nodeRandom, version: '0.1.0' })
    const identity = token === undefined ? await ClusterIdentity.open(folder, ports) : await this.#join(folder, token, ports)
    await folder.close()
    const known = await KnownNodes.open({ ...folder, clusterId: identity.name.clusterId }, files)
    const replaced: SocketKeys[] = []
    const node = new ClusterNode({
      ...ports,
      config: { host, port: 7400, advertise: undefined, zone: 'z', role: ['store'], capacity: undefined },
      identity,
      known,
      tokens: await TokenList.open('/data', ports),
      seeds: [],
      defaultHost: 'nowhere',
      software: '0.1.0',
      bootstrap: async () => Buffer.from(known.home),
      usage: async () => ({ ...USAGE, freeBytes: this.free.get(host) ?? USAGE.freeBytes }),
      links: Object.assign(this.network.host(host), { replaceKeys: (keys: SocketKeys) => void replaced.push(keys) }),
      datagrams: this.datagrams,
      metrics: new PromMetrics(),
    })
    this.nodes.push(node)
    return { node, known, replaced }
  }

  readonly free = new Map<string, number>()
  /** What the clocks of machines show beyond what they should. */
  readonly aheadMs = new Map<string, number>()
  readonly warnings: LogFields[] = []

  #clockOf(host: string): Clock {
    const { clock } = this
    const nowMs = () => clock.nowMs() + (this.aheadMs.get(host) ?? 0)
    return {
      nowMs,
      nowNs: () => BigInt(nowMs()) * 1_000_000n,
      monotonicMs: () => clock.monotonicMs(),
      sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
    }
  }

  async #join(
    folder: Awaited<ReturnType<typeof openDataFolder>>,
    token: string,
    ports: { files: MemoryFiles; clock: Clock; random: typeof nodeRandom; log: Log },
  ): Promise<ClusterIdentity> {
    const keepBootstrap = (bytes: Buffer) =>
      publishKnownNodes(
        '/data',
        { clusterId: founderCluster(token), home: String(bytes) as ClusterNode['id'], nodes: [], removed: [] },
        ports.files,
      )
    const joined = joinCluster(
      { folder, token, software: '0.1.0', isPlain: true, hasData: () => false, keepBootstrap },
      { ...ports, presentedCertificates: async () => [], makeConnector: () => this.network.host('joining') },
    )
    return (await this.pass(joined)).identity
  }

  /** Lets time pass until `promise` has settled. */
  async pass<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = promise.finally(() => (isSettled = true))
    settled.catch(() => undefined)
    for (let turn = 0; !isSettled; turn += 1) {
      assert.ok(turn < TURNS_MAX, 'it never ends')
      await setImmediate()
      if (turn % 5 === 4) this.clock.advance(20)
    }
    return settled
  }

  async until(holds: () => boolean): Promise<void> {
    for (let turn = 0; !holds(); turn += 1) {
      assert.ok(turn < TURNS_MAX, 'it never happens')
      await setImmediate()
      if (turn % 5 === 4) this.clock.advance(20)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await this.pass(node.stop())
  }
}

function founderCluster(token: string): string {
  return Buffer.from(token.slice('shoal1.'.length), 'base64url').toString('hex', 0, 16)
}

async function pair(world: World): Promise<{ home: Started; other: Started }> {
  const home = await world.open('a')
  await home.node.listen()
  const token = await home.node.desk.issue({ addresses: [home.node.address] })
  const other = await world.open('b', token)
  await world.pass(other.known.put({ id: home.node.id, host: 'a', port: 7402 }))
  await world.pass(other.node.listen())
  await world.until(() => home.node.members().length === 2)
  return { home, other }
}

test('two nodes know each other, who leads, and where they were after a restart', async () => {
  await using world = new World()
  const { home, other } = await pair(world)
  assert.ok(home.node.leadership.isLeading && !other.node.leadership.isLeading)
  assert.deepEqual(other.node.leadership.leader(), { nodeId: home.node.id, host: 'a', nodePort: 7402 })
  await world.until(() => home.known.nodes.length === 1)
  assert.deepEqual(home.known.nodes, [{ id: other.node.id, host: 'b', port: 7402 }])
  assert.deepEqual(
    other.node.members().map(({ facts }) => [facts.zone, facts.roles, facts.restPort, facts.s3Port]),
    [
      ['z', ['store'], 7400, 7401],
      ['z', ['store'], 7400, 7401],
    ],
  )
  await world.pass(other.node.stop())
  await world.until(() => home.node.members().some(({ state }) => state === 'left'))
  const again = await world.open('b')
  assert.equal(again.node.id, other.node.id)
  await world.pass(again.node.listen())
  await world.until(() => home.node.members().every(({ state }) => state === 'alive'))
})

test('a node starts although nobody of its cluster answers, and finds the others when they do', async () => {
  await using world = new World()
  const { home, other } = await pair(world)
  await world.pass(other.node.stop())
  await world.pass(home.node.stop())
  const alone = await world.open('b')
  await world.pass(alone.node.listen())
  assert.equal(alone.node.members().length, 1)
  assert.equal(alone.node.leadership.leader()?.host, 'a', 'as it was')
  await (await world.open('a')).node.listen()
  await world.until(() => alone.node.members().filter(({ state }) => state === 'alive').length === 2)
})

test('a removed node hears of it, and does not get in again, also where nobody has heard of it', async () => {
  await using world = new World()
  const { home, other } = await pair(world)
  await home.node.remove(other.node.id)
  await world.until(() => other.node.expelled.aborted)
  assert.ok(isShoalError(other.node.expelled.reason, 'FORBIDDEN'))
  assert.equal(home.node.members().length, 1)
  await world.until(() => other.known.removed.has(other.node.id))
  await world.pass(other.node.stop())
  await assert.rejects(async () => (await world.open('b')).node.listen(), { code: 'FORBIDDEN' })
})

test('a node that was removed while it was away is told at its start', async () => {
  await using world = new World()
  const { home, other } = await pair(world)
  await world.pass(other.node.stop())
  await home.node.remove(other.node.id)
  const again = await world.open('b')
  await assert.rejects(world.pass(again.node.listen()), { code: 'FORBIDDEN', message: /its id does not come back/ })
})

test('all seal with another key after a rotation, and a node that was away asks for it', async () => {
  await using world = new World()
  const { home, other } = await pair(world)
  await world.pass(other.node.stop())
  await home.node.gossipKeys.rotate([])
  const again = await world.open('b')
  await world.pass(again.node.listen())
  await world.until(() => home.node.members().every(({ state }) => state === 'alive'))
})

test('the room on the disk is told when it has changed by more than a thousandth', async () => {
  await using world = new World()
  const { home, other } = await pair(world)
  const seen = () => home.node.members().find(({ id }) => id === other.node.id)?.facts.usedBytes
  assert.equal(seen(), 0)
  world.free.set('b', USAGE.freeBytes - 900)
  await world.pass(world.clock.sleep(MINUTE_MS))
  assert.equal(seen(), 0)
  world.free.set('b', USAGE.freeBytes - 2_000)
  await world.until(() => seen() === 2_000)
})

test('clocks that differ are told of, at both nodes, once in an hour', async () => {
  await using world = new World()
  world.aheadMs.set('b', 400)
  const { home, other } = await pair(world)
  const warned = () => world.warnings.filter(({ aheadMs }) => aheadMs !== undefined)
  await world.until(() => home.node.clocks.aheadMs(other.node.id) !== undefined)
  assert.deepEqual([home.node.clocks.differences(), warned()], [[], []], 'as far as clocks do')
  world.aheadMs.set('b', 3_000)
  await world.until(() => warned().length === 2)
  const [seen] = home.node.clocks.differences()
  assert.ok(seen?.nodeId === other.node.id && seen.aheadMs > 2_500 && seen.aheadMs <= 3_000, String(seen?.aheadMs))
  const [back] = other.node.clocks.differences()
  assert.ok(back?.nodeId === home.node.id && back.aheadMs < -2_500 && back.aheadMs >= -3_000, String(back?.aheadMs))
  await home.node.clocks.compare()
  assert.equal(warned().length, 2)
  world.aheadMs.set('b', 0)
  await world.until(() => home.node.clocks.differences().length === 0)
})

test('of a node that is days off, whose certificates are not valid by its clock, is told without its time', async () => {
  const told: LogFields[] = []
  const refusal = new ShoalError(
    'UNAUTHENTICATED',
    'Refused: the certificate of the first is not valid yet by the clock of the second',
  )
  const member = { id: 'ee'.repeat(16) as NodeId, liveness: 'alive', facts: { host: 'e', nodePort: 1 } } as MemberView
  const watch = new ClockWatch({
    self: 'aa'.repeat(16) as NodeId,
    members: () => [member],
    peers: { call: async () => Promise.reject(refusal) },
    clock: new ManualClock(),
    random: nodeRandom,
    log: { ...silentLog, warn: (message: string, fields?: LogFields) => void told.push({ message, ...fields }) },
  })
  await watch.compare()
  await watch.compare()
  assert.deepEqual([told.length, told[0]?.['reason'], watch.differences()], [1, refusal.message, []])
})

test('a certificate is replaced in time, and used from then on', async () => {
  await using world = new World()
  const { node, replaced } = await world.open('a')
  await node.listen()
  world.clock.advance(DAY_MS)
  for (let turn = 0; turn < 200; turn += 1) await setImmediate()
  assert.deepEqual(replaced, [])
  world.clock.advance(340 * DAY_MS)
  await world.until(() => replaced.length > 0)
})
