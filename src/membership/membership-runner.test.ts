import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import type { Address } from '#platform/datagrams.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryDatagrams } from '#platform/memory-datagrams.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDatagrams } from '#platform/node-datagrams.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { REMOVED_MAX } from './exchange.ts'
import type { MemberChange } from './member.ts'
import { MembershipRunner, type MembershipRunnerOptions } from './membership-runner.ts'
import { LONGEST_FACTS } from './update.suite.ts'

const CLUSTER = 'c'.repeat(32)
const random = new SeededRandom(4)
const KEY = random.bytes(32)
const idOf = (index: number) => index.toString(16).padStart(32, '0') as NodeId
const addressOf = (index: number): Address => ({ host: `10.0.0.${index}`, port: 7402 })

/** Runners on one network in memory, and a clock that is moved by hand. */
class Cluster {
  readonly clock = new ManualClock()
  readonly network = new MemoryDatagrams()
  readonly runners = new Map<number, MembershipRunner>()
  readonly metrics = new Map<number, PromMetrics>()

  async start(index: number, options: Partial<MembershipRunnerOptions> = {}): Promise<MembershipRunner> {
    const address = addressOf(index)
    const metrics = new PromMetrics()
    const runner = await MembershipRunner.start({
      ...{ id: idOf(index), clusterId: CLUSTER, keys: { primary: KEY }, listen: address },
      ...{ facts: { ...LONGEST_FACTS, host: address.host, nodePort: address.port, mode: 'active' } },
      ...{ datagrams: this.network, clock: this.clock, random: new SeededRandom(index), log: silentLog, metrics },
      exchange: async (to, bytes) => {
        const peer = [...this.runners].find(([other]) => addressOf(other).host === to.host)?.[1]
        if (peer === undefined) throw new ShoalError('UNAVAILABLE', 'Nobody is there')
        return peer.answerExchange(bytes)
      },
      ...options,
    })
    this.runners.set(index, runner)
    this.metrics.set(index, metrics)
    return runner
  }

  async pass(forMs: number): Promise<void> {
    for (let passedMs = 0; passedMs < forMs; passedMs += 20) {
      this.clock.advance(20)
      for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async stop(index: number): Promise<void> {
    await this.runners.get(index)?.stop()
    this.runners.delete(index)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const index of [...this.runners.keys()]) await this.stop(index)
  }
}

const statesOf = (runner: MembershipRunner) =>
  Object.fromEntries(runner.members().map(({ id, state }) => [Number.parseInt(id, 16), state]))

const isRefused =
  (code: ShoalError['code'], ...parts: string[]) =>
  (error: unknown) =>
    isShoalError(error, code) && parts.every((part) => error.message.includes(part))

test('nodes join, hear of each other, and of the end of one that stops or leaves', async () => {
  await using cluster = new Cluster()
  const [first, second, third] = [await cluster.start(1), await cluster.start(2), await cluster.start(3)]
  const changes: MemberChange[] = []
  const end = first.onChange((change) => changes.push(change))
  assert.equal(await second.join([addressOf(1)]), 1)
  assert.equal(await third.join([addressOf(1), addressOf(9)]), 1)
  await cluster.pass(1000)
  for (const runner of [first, second, third]) assert.deepEqual(statesOf(runner), { 1: 'alive', 2: 'alive', 3: 'alive' })
  third.updateFacts({ mode: 'storage-failed', usedBytes: 7 })
  await cluster.pass(1000)
  assert.deepEqual([first.member(idOf(3))?.state, first.member(idOf(3))?.facts.usedBytes], ['storage-failed', 7])
  await cluster.stop(3)
  await cluster.pass(9000)
  assert.deepEqual(statesOf(first), { 1: 'alive', 2: 'alive', 3: 'dead' })
  const left = second.leave()
  await cluster.pass(2500)
  await left
  assert.equal(first.member(idOf(2))?.state, 'left')
  assert.deepEqual(
    changes.map(({ kind, member }) => `${Number.parseInt(member.id, 16)} ${kind}`),
    ['2 joined', '3 joined', '3 updated', '3 suspected', '3 died', '2 left'],
  )
  end()
  second.updateFacts({ usedBytes: 1 })
  assert.equal(changes.length, 6)
})

test('a node of another cluster is refused with both names, and one with another key is told so', async () => {
  await using cluster = new Cluster()
  await cluster.start(1)
  const stranger = await cluster.start(2, { clusterId: 'd'.repeat(32) })
  await assert.rejects(stranger.join([addressOf(1)]), isRefused('FORBIDDEN', CLUSTER, 'd'.repeat(32)))
  const keyless = await cluster.start(3, { keys: { primary: Buffer.alloc(32) } })
  await assert.rejects(keyless.join([addressOf(1)]), isRefused('UNAUTHENTICATED', 'key'))
  await assert.rejects(keyless.join([addressOf(9)]), isRefused('UNAVAILABLE', addressOf(9).host))
  await assert.rejects(keyless.join([]), isRefused('INVALID_ARGUMENT'))
  assert.deepEqual(statesOf(keyless), { 3: 'alive' })
})

test('packets from outside, with another key or of another cluster change nothing and are counted by reason', async () => {
  await using cluster = new Cluster()
  const first = await cluster.start(1)
  const socket = await cluster.network.bind(
    { host: '10.0.0.99', port: 1 },
    { onDatagram: () => assert.fail('answered'), onError() {} },
  )
  socket.send(Buffer.from('hello'), addressOf(1))
  socket.send(Buffer.alloc(1401), addressOf(1))
  const replies = async (options: Partial<MembershipRunnerOptions>) => {
    const sent: Buffer[] = []
    const peer = await cluster.network.bind(addressOf(50), { onDatagram: (bytes) => sent.push(bytes), onError() {} })
    const stranger = await cluster.start(51, { ...options, exchange: async () => Buffer.alloc(0) })
    stranger.updateFacts({ usedBytes: 1 })
    await assert.rejects(stranger.join([addressOf(50)]))
    await peer.close()
    return stranger
  }
  const other = await replies({ clusterId: 'd'.repeat(32) })
  assert.throws(() => other.answerExchange(Buffer.alloc(600_000)), isRefused('INVALID_ARGUMENT', '600000'))
  await cluster.pass(100)
  assert.deepEqual(statesOf(first), { 1: 'alive' })
  const { body } = await (cluster.metrics.get(1) as PromMetrics).expose()
  assert.match(body, /shoal_gossip_refused_total\{reason="not-gossip"\} 1/)
  assert.match(body, /shoal_gossip_refused_total\{reason="too-long"\} 1/)
  assert.match(body, /shoal_gossip_packets_total\{direction="in"\} 2/)
  assert.match(body, /shoal_gossip_nodes 1/)
})

test('a node whose id was taken away is refused when it joins, and is told when it runs', async () => {
  await using cluster = new Cluster()
  const [first, second] = [await cluster.start(1), await cluster.start(2)]
  await second.join([addressOf(1)])
  await cluster.pass(500)
  const kinds: string[] = []
  second.onChange(({ kind, member }) => kinds.push(`${kind} ${member.id}`))
  first.remove(idOf(2))
  await cluster.pass(3000)
  assert.deepEqual(kinds.at(-1), `removed ${idOf(2)}`)
  await cluster.stop(2)
  const again = await cluster.start(2)
  await assert.rejects(again.join([addressOf(1)]), isRefused('FORBIDDEN', idOf(2), 'new data folder'))
  assert.deepEqual(statesOf(first), { 1: 'alive' })
})

test('past the limit of removed ids one more is refused', async () => {
  await using cluster = new Cluster()
  const ids = Array.from({ length: REMOVED_MAX + 1 }, (_, index) => idOf(index + 100))
  await assert.rejects(cluster.start(1, { removed: ids }), isRefused('INVALID_ARGUMENT', String(REMOVED_MAX)))
  const runner = await cluster.start(2, { removed: ids.slice(1) })
  assert.throws(() => runner.remove(idOf(100)), isRefused('TOO_LARGE', idOf(100)))
  runner.remove(idOf(101))
})

test('the gossip key is exchanged without anybody being missed', async () => {
  await using cluster = new Cluster()
  const [first, second] = [await cluster.start(1), await cluster.start(2)]
  await second.join([addressOf(1)])
  const fresh = random.bytes(32)
  for (const keys of [{ primary: KEY, others: [fresh] }, { primary: fresh, others: [KEY] }, { primary: fresh }])
    for (const runner of [first, second]) {
      runner.useKeys(keys)
      await cluster.pass(2500)
    }
  for (const runner of [first, second]) assert.deepEqual(statesOf(runner), { 1: 'alive', 2: 'alive' })
  assert.match((await (cluster.metrics.get(1) as PromMetrics).expose()).body, /probe_results_total\{result="ack"\} 1\d/)
  first.useKeys({ primary: random.bytes(32) })
  await cluster.pass(6000)
  assert.equal(second.member(idOf(1))?.state, 'dead')
  assert.match((await (cluster.metrics.get(1) as PromMetrics).expose()).body, /refused_total\{reason="wrong-key"\}/)
})

test('a node that starts before its seeds finds them when they come', async () => {
  await using cluster = new Cluster()
  const early = await cluster.start(1)
  await assert.rejects(early.join([addressOf(2)]), isRefused('UNAVAILABLE'))
  await cluster.start(2)
  await cluster.pass(11_000)
  assert.deepEqual(statesOf(early), { 1: 'alive', 2: 'alive' })
})

test('a node that is its own seed joins nobody, and still the others among its seeds', async () => {
  await using cluster = new Cluster()
  const first = await cluster.start(1)
  await assert.rejects(first.join([addressOf(1)]), isRefused('UNAVAILABLE'))
  await cluster.start(2)
  assert.equal(await first.join([addressOf(1), addressOf(2)]), 1)
})

test('an exchange that hangs is given up after ten seconds, and a node that is stopped waits for none', async () => {
  await using cluster = new Cluster()
  const hang = (_to: Address, _bytes: Buffer, signal: AbortSignal) =>
    new Promise<Buffer>((_, reject) => signal.addEventListener('abort', () => reject(new ShoalError('CANCELLED', 'Given up'))))
  const runner = await cluster.start(1, { exchange: hang })
  const refused = assert.rejects(runner.join([addressOf(2)]), isRefused('UNAVAILABLE'))
  await cluster.pass(10_100)
  await refused
  const stopped = assert.rejects(runner.join([addressOf(2)]))
  await runner.stop()
  await stopped
})

test('over real sockets three nodes find each other, and miss the one that stops', async () => {
  const runners: MembershipRunner[] = []
  const timing = { periodMs: 100, probeTimeoutMs: 50, gossipIntervalMs: 20, pauseMs: 1000 }
  const ports = new Map<number, MembershipRunner>()
  for (const index of [1, 2, 3]) {
    const probe = await nodeDatagrams.bind({ host: '127.0.0.1', port: 0 }, { onDatagram() {}, onError() {} })
    const listen = probe.local
    await probe.close()
    const runner = await MembershipRunner.start({
      ...{ id: idOf(index), clusterId: CLUSTER, keys: { primary: KEY }, listen, timing, log: silentLog },
      ...{ facts: { ...LONGEST_FACTS, host: listen.host, nodePort: listen.port, mode: 'active' } },
      ...{ datagrams: nodeDatagrams, clock: nodeClock, random, metrics: new PromMetrics() },
      exchange: async (to, bytes) => (ports.get(to.port) as MembershipRunner).answerExchange(bytes),
    })
    ports.set(listen.port, runner)
    runners.push(runner)
  }
  const [first, second, third] = runners as [MembershipRunner, MembershipRunner, MembershipRunner]
  const address = { host: '127.0.0.1', port: first.self.facts.nodePort }
  await second.join([address])
  await third.join([address])
  const until = async (isSo: () => boolean) => {
    for (let tries = 0; tries < 500 && !isSo(); tries += 1) await nodeClock.sleep(20)
    assert.ok(isSo())
  }
  await until(() => runners.every((runner) => runner.members().filter(({ state }) => state === 'alive').length === 3))
  await third.stop()
  await until(() => [first, second].every((runner) => runner.member(idOf(3))?.state === 'dead'))
  await Promise.all([first.stop(), second.stop()])
})
