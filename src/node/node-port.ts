import type { ClusterIdentity } from '#cluster/identity.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { EXCHANGE_BYTES_MAX } from '#membership/exchange.ts'
import type { NodeFacts } from '#membership/facts.ts'
import { MembershipRunner } from '#membership/membership-runner.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Datagrams } from '#platform/datagrams.ts'
import { systemErrorCode } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'
import type { Listeners, SocketAddress } from '#platform/sockets.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { WirePeers } from '#wire/peers.ts'
import { readBounded } from '#wire/read-bounded.ts'
import { WireServer } from '#wire/server.ts'
import type { WireMetrics } from '#wire/wire-metrics.ts'
import { sealKeysOf } from './gossip-keys.ts'

export interface NodePortOptions {
  readonly identity: ClusterIdentity
  /** The version of Shoal. */
  readonly software: string
  /** Where to listen; port 0 takes a free one, the same for TCP and UDP. */
  readonly listen: SocketAddress
  /** What this node says of itself, once it is known where it listens. */
  factsAt(address: SocketAddress): NodeFacts
  readonly methods: WireMethods
  readonly removed: ReadonlySet<NodeId>
  readonly peers: Pick<WirePeers, 'call'>
  /** The other side didn't know our gossip key. */
  keyRefused(): Promise<void>
  readonly listeners: Listeners
  readonly datagrams: Datagrams
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  readonly wireMetrics: WireMetrics
}

const EXCHANGE_METHOD = 'membership.exchange'
/** How often a free port that TCP has found is in use for UDP, and another one is tried. */
const TRIES_MAX = 20

/** The door of a node for other nodes: calls over TCP, gossip over UDP, on one number. */
export interface NodePort {
  readonly server: WireServer
  readonly membership: MembershipRunner
}

/** @throws UNAVAILABLE if the port can't be had */
export async function openNodePort(options: NodePortOptions): Promise<NodePort> {
  for (let tries = 1; ; tries += 1) {
    const server = await listen(options, () => membership)
    let membership: MembershipRunner | undefined
    try {
      membership = await startMembership(options, server.address)
      return { server, membership }
    } catch (error) {
      await server.close()
      const mayTryAnother = options.listen.port === 0 && isShoalError(error, 'UNAVAILABLE') && tries < TRIES_MAX
      if (!mayTryAnother) throw error
    }
  }
}

async function listen(options: NodePortOptions, membership: () => MembershipRunner | undefined): Promise<WireServer> {
  const { identity, software, clock, log, listeners, methods, removed } = options
  try {
    return await WireServer.listen(options.listen, {
      listeners,
      clock,
      log,
      metrics: options.wireMetrics,
      identity: { ...identity.name, software },
      isRemoved: (node) => removed.has(node) || membership()?.removed.has(node) === true,
      methods: {
        ...methods,
        [EXCHANGE_METHOD]: {
          handle: async ({ body }) => {
            const sealed = await readBounded(body, { maxBytes: EXCHANGE_BYTES_MAX, what: 'The state of a node' })
            const runner = membership()
            if (runner === undefined) throw new ShoalError('UNAVAILABLE', 'This node is starting')
            return { body: [runner.answerExchange(sealed)] }
          },
        },
      },
    })
  } catch (cause) {
    const { host, port } = options.listen
    const isTaken = systemErrorCode(cause) === 'EADDRINUSE'
    const why = isTaken ? 'the port is taken: stop what has it, or choose another with --port' : (cause as Error).message
    throw new ShoalError('UNAVAILABLE', `Cannot listen for other nodes on ${host}:${port}: ${why}`, { cause })
  }
}

function startMembership(options: NodePortOptions, address: SocketAddress): Promise<MembershipRunner> {
  const { identity, removed, datagrams, clock, random, log, metrics, peers } = options
  return MembershipRunner.start({
    id: identity.name.nodeId,
    clusterId: identity.name.clusterId,
    keys: sealKeysOf(identity.gossip),
    facts: options.factsAt(address),
    removed,
    listen: { host: options.listen.host, port: address.port },
    exchange: async (to, bytes, signal) => {
      try {
        const { body } = await peers.call(to, EXCHANGE_METHOD, { body: [bytes], signal })
        return await readBounded(body, { maxBytes: EXCHANGE_BYTES_MAX, what: 'The state of a node' })
      } catch (error) {
        if (isShoalError(error, 'UNAUTHENTICATED')) await options.keyRefused()
        throw error
      }
    },
    datagrams,
    clock,
    random,
    log,
    metrics,
  })
}
