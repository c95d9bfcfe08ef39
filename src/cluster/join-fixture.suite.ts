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
import { WireServer } from '#wire/server.ts'
import { ClusterIdentity } from './identity.ts'
import { joinCluster } from './join.ts'
import type { JoinOptions, Joined } from './join.ts'
import { JoinDesk } from './join-desk.ts'
import type { IssueOptions } from './join-desk.ts'
import { TokenList } from './token-list.ts'

export const HOUR_MS = 3_600_000

/** How nodes reach each other: really, or in memory and without TLS. */
export interface World {
  readonly clock: Clock
  listenersOf(name: string, security: SocketSecurity): Listeners
  connectorOf(name: string, security: SocketSecurity): Connector
  readonly isPlain: boolean
}

export function realWorld(): World {
  const make = (_: string, security: SocketSecurity): NodeSockets => new NodeSockets(security)
  return { clock: nodeClock, listenersOf: make, connectorOf: make, isPlain: false }
}

export function memoryWorld(clock = new ManualClock()): World {
  const network = new MemoryNetwork({ clock, random: new SeededRandom(1) })
  return { clock, listenersOf: (name) => network.host(name), connectorOf: (name) => network.host(name), isPlain: true }
}

export interface Founder {
  readonly identity: ClusterIdentity
  readonly desk: JoinDesk
  readonly address: SocketAddress
  readonly files: MemoryFiles
  readonly removed: Set<NodeId>
  issue(options?: Partial<IssueOptions>): Promise<string>
}

export async function openFolder(files: MemoryFiles): Promise<DataFolder> {
  return openDataFolder('/data', { files, random: nodeRandom, version: '0.1.0' })
}

export async function found(context: TestContext, world: World, host = '127.0.0.1'): Promise<Founder> {
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

export function join(world: World, token: string, files = new MemoryFiles(), more: Partial<JoinOptions> = {}): Promise<Joined> {
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

export async function passUntil<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settled = promise.finally(() => (isSettled = true))
  settled.catch(() => undefined)
  for (let turn = 0; !isSettled && turn < 5_000; turn += 1) {
    await setImmediate()
    if (turn % 20 === 19) clock.advance(10)
  }
  return settled
}
