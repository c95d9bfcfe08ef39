import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { NodeId } from '#foundation/ids.ts'
import type { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import { silentLog } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { MemoryNetwork } from '#platform/memory-sockets.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { WireMethod } from '#wire/methods.ts'
import { WirePeers } from '#wire/peers.ts'
import { WireServer } from '#wire/server.ts'
import { identityOf, provenAs } from '#wire/wire-fixture.suite.ts'
import type { Door } from './door.ts'
import type { Exchange } from './exchange.ts'
import { ForwardOverWire } from './forward-over-wire.ts'
import type { ForwardTarget } from './forward-target.ts'
import { FORWARD_METHOD, forwardMethods } from './forward-methods.ts'
import { ForwardingDoor } from './forwarding-door.ts'
import { HttpMetrics } from './http-metrics.ts'
import { DEFAULT_HTTP_LIMITS } from './limits.ts'
import type { HttpLimits } from './limits.ts'
import { HttpServer } from './server.ts'
import type { UnderWay } from './under-way.ts'

export type Handler = (exchange: Exchange) => void | Promise<void>
export type NodeName = 'atlantic' | 'pacific'

/** A door that does what a test tells it to, and answers errors with their code. */
export class TestDoor implements Door {
  readonly name = 'test'
  readonly seen: Exchange[] = []
  isRemembered = true
  isTalk = false
  handler: Handler = (exchange) => exchange.send(200, [], 'ok')

  handle(exchange: Exchange): void | Promise<void> {
    this.seen.push(exchange)
    return this.handler(exchange)
  }

  remembers(): boolean {
    return this.isRemembered
  }

  isConversation(): boolean {
    return this.isTalk
  }

  fail(exchange: Exchange, error: ShoalError): void {
    const { ambiguous, leaderless } = error.details
    const headers = [
      ...['X-Code', error.code],
      ...(ambiguous === undefined ? [] : ['X-Ambiguous', String(ambiguous)]),
      ...(leaderless === undefined ? [] : ['X-Leaderless', String(leaderless)]),
    ]
    exchange.send(error.code === 'UNAVAILABLE' ? 503 : 400, headers, error.message)
  }
}

export interface TestNode {
  readonly name: NodeName
  readonly port: number
  readonly door: TestDoor
  readonly http: HttpServer
  readonly wire: WireServer
  /** Who this node takes for the leader. */
  leader: NodeName | undefined
  /** How often it was asked who serves a request. */
  asked: number
  /** Tells its door that `leader` was changed. */
  changed(): void
  readonly finished: Exchange[]
}

/** Two nodes in one process, with wires in memory and doors on loopback. Atlantic leads, and both know it. */
export interface TestCluster extends AsyncDisposable {
  readonly network: MemoryNetwork
  readonly atlantic: TestNode
  readonly pacific: TestNode
}

export interface ClusterOptions {
  readonly limits?: Partial<HttpLimits>
  /** What Atlantic answers forwarded requests with, in place of its own server. */
  readonly server?: HttpServer
  /** In place of the nodes on the wire. */
  readonly targets?: Partial<Record<NodeName, ForwardTarget>>
  /** What Atlantic answers for other nodes. */
  readonly underWay?: UnderWay
  /** Of the forwarding doors alone. */
  readonly clock?: Clock
  /** The nodes do changes once. */
  readonly remembers?: boolean
  /** Atlantic is of a release that doesn't know of that. */
  readonly isOld?: boolean
}

const IDS: Record<NodeName, NodeId> = { atlantic: 'a0'.repeat(16) as NodeId, pacific: 'b0'.repeat(16) as NodeId }
const WIRE_PORT = 7402

export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const network = new MemoryNetwork({ clock: nodeClock, random: new SeededRandom(7) })
  const stops: (() => Promise<unknown>)[] = []
  const atlantic = await startNode('atlantic', network, options, stops)
  const pacific = await startNode('pacific', network, options, stops)
  return {
    network,
    atlantic,
    pacific,
    async [Symbol.asyncDispose]() {
      for (const stop of stops.toReversed()) await stop()
    },
  }
}

async function startNode(
  name: NodeName,
  network: MemoryNetwork,
  options: ClusterOptions,
  stops: (() => Promise<unknown>)[],
): Promise<TestNode> {
  const host = network.host(name, provenAs(IDS[name]))
  const identity = identityOf(IDS[name])
  const peers = new WirePeers({ connector: host, clock: nodeClock, random: new SeededRandom(1), identity })
  const listeners: (() => void)[] = []
  const door = new TestDoor()
  const { remembers = false } = options
  const targets: Record<NodeName, ForwardTarget> = {
    atlantic: new ForwardOverWire(peers, { host: 'atlantic', port: WIRE_PORT, nodeId: IDS.atlantic }, { remembers }),
    pacific: new ForwardOverWire(peers, { host: 'pacific', port: WIRE_PORT, nodeId: IDS.pacific }, { remembers }),
    ...options.targets,
  }
  const forwarding = new ForwardingDoor({
    door,
    forwarding: {
      decide: () => {
        node.asked += 1
        return node.leader === undefined ? undefined : node.leader === name ? 'here' : targets[node.leader]
      },
      onChange: (listener) => void listeners.push(listener),
    },
    server: 's3',
    clock: options.clock ?? nodeClock,
    log: silentLog,
  })
  const finished: Exchange[] = []
  const http = new HttpServer({
    doors: [{ prefix: '/', door: forwarding }],
    limits: { ...DEFAULT_HTTP_LIMITS, ...options.limits },
    clock: nodeClock,
    random: nodeRandom,
    log: silentLog,
    metrics: new HttpMetrics(new PromMetrics()),
    requestLog: 'errors',
    observer: (exchange) => finished.push(exchange),
  })
  const { port } = await http.listen({ host: '127.0.0.1', port: 0 })
  const counted = name === 'atlantic' && options.underWay !== undefined ? { underWay: options.underWay } : {}
  const all = forwardMethods({ s3: options.server ?? http }, counted)
  const isOld = name === 'atlantic' && options.isOld === true
  const methods = isOld ? { [FORWARD_METHOD]: all[FORWARD_METHOD] as WireMethod } : all
  const wire = await WireServer.listen(
    { host: name, port: WIRE_PORT },
    { listeners: host, clock: nodeClock, log: silentLog, identity, methods },
  )
  stops.push(
    () => http.stop(0),
    () => wire.close(),
    () => peers.close(),
  )
  const changed = (): void => listeners.forEach((listener) => listener())
  const node: TestNode = { name, port, door, http, wire, leader: 'atlantic', asked: 0, changed, finished }
  return node
}

export interface RawClient {
  readonly socket: Socket
  /** All that has come, a character for each byte. */
  readonly received: string
  /** Until `pattern` is in what has come; fails after 5 s. */
  until(pattern: RegExp): Promise<RegExpExecArray>
  /** Until the server has closed the connection; all that came. */
  closed(): Promise<string>
}

/** A connection that bytes are written to as they are. */
export async function dial(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1' })
  let received = ''
  const listeners = new Set<() => void>()
  const tell = (): void => listeners.forEach((listener) => listener())
  socket.on('error', () => {})
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1')
    tell()
  })
  socket.on('close', tell)
  await new Promise((resolve) => socket.once('connect', resolve))
  const wait = <T>(what: string, look: () => T | undefined): Promise<T> => {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const late = setTimeout(() => reject(new Error(`No ${what} in ${JSON.stringify(received.slice(0, 2_000))}`)), 5_000)
    const check = (): void => {
      const found = look()
      if (found === undefined) return
      clearTimeout(late)
      listeners.delete(check)
      resolve(found)
    }
    listeners.add(check)
    check()
    return promise
  }
  return {
    socket,
    get received() {
      return received
    },
    until: (pattern) => wait(String(pattern), () => pattern.exec(received) ?? undefined),
    closed: () => wait('end', () => (socket.closed ? received : undefined)),
  }
}

/** Sends one request and answers all that came until the connection's end: the request should ask for that. */
export async function ask(port: number, bytes: string | Buffer): Promise<string> {
  const client = await dial(port)
  client.socket.write(bytes)
  const received = await client.closed()
  client.socket.destroy()
  return received
}
