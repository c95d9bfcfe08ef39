import { setImmediate } from 'node:timers/promises'
import type { NodeId } from '#foundation/ids.ts'
import { nodeUri } from '#foundation/node-uri.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryNetwork } from '#platform/memory-sockets.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { PeerProof } from '#platform/sockets.ts'
import type { IncomingBody } from './incoming-body.ts'
import type { WireLimits } from './limits.ts'
import type { Hello } from './messages.ts'
import type { WireMethods } from './methods.ts'
import type { PeerAddress } from './peer-connections.ts'
import { WirePeers } from './peers.ts'
import { WireServer } from './server.ts'
import type { WireIdentity } from './server.ts'
import type { WireMetrics } from './wire-metrics.ts'

export const CLUSTER_ID = 'c1'.repeat(16)
export const SERVER_ID = 'a0'.repeat(16) as NodeId
export const CALLER_ID = 'b0'.repeat(16) as NodeId

export const HELLO: Hello = { versions: { min: 1, max: 1 }, clusterId: CLUSTER_ID, nodeId: CALLER_ID, software: '0.1.0' }

export function identityOf(nodeId: NodeId, more: Partial<WireIdentity> = {}): WireIdentity {
  return { clusterId: CLUSTER_ID, nodeId, software: '0.1.0', ...more }
}

export function provenAs(nodeId: NodeId, clusterId = CLUSTER_ID): PeerProof {
  return { kind: 'proven', uris: [nodeUri({ clusterId, nodeId })] }
}

export interface SimulatedPair {
  readonly clock: ManualClock
  readonly network: MemoryNetwork
  readonly server: WireServer
  readonly peers: WirePeers
  readonly address: PeerAddress
  /** Lets everything happen that can happen without time. */
  settle(): Promise<void>
  /** Moves time on in steps, each time as `settle`. */
  pass(ms: number): Promise<void>
}

export interface SimulatedOptions {
  readonly seed?: number
  readonly delayMs?: readonly [min: number, max: number]
  readonly limits?: Partial<WireLimits>
  readonly serverIdentity?: Partial<WireIdentity>
  readonly callerIdentity?: Partial<WireIdentity>
  readonly serverProof?: PeerProof
  readonly callerProof?: PeerProof
  readonly isRemoved?: (node: NodeId) => boolean
  readonly serverMetrics?: WireMetrics
  readonly callerMetrics?: WireMetrics
}

/** A node that answers and a node that calls, in one process and on a clock that stands still. */
export async function simulatePair(methods: WireMethods, options: SimulatedOptions = {}): Promise<SimulatedPair> {
  const clock = new ManualClock()
  const random = new SeededRandom(options.seed ?? 1)
  const { delayMs, limits = {} } = options
  const network = new MemoryNetwork({ clock, random, ...(delayMs === undefined ? {} : { delayMs: () => delayMs }) })
  const server = await WireServer.listen(
    { host: 'atlantic', port: 7402 },
    {
      listeners: network.host('atlantic', options.serverProof ?? provenAs(SERVER_ID)),
      clock,
      log: silentLog,
      identity: identityOf(SERVER_ID, options.serverIdentity),
      methods,
      limits,
      metrics: options.serverMetrics,
      ...(options.isRemoved === undefined ? {} : { isRemoved: options.isRemoved }),
    },
  )
  const connector = network.host('pacific', options.callerProof ?? provenAs(CALLER_ID))
  const identity = identityOf(CALLER_ID, options.callerIdentity)
  const peers = new WirePeers({ connector, clock, random, identity, limits, metrics: options.callerMetrics })
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 60; turn += 1) await setImmediate()
  }
  const pass = async (ms: number): Promise<void> => {
    const stepMs = Math.max(1, Math.ceil(ms / 40))
    for (let left = ms; left > 0; left -= stepMs) {
      await settle()
      clock.advance(Math.min(left, stepMs))
    }
    await settle()
  }
  return { clock, network, server, peers, address: { host: 'atlantic', port: 7402, nodeId: SERVER_ID }, settle, pass }
}

export async function readWhole(body: IncomingBody): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(body))
}
