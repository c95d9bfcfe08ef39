import type { ClusterIdentity } from '#cluster/identity.ts'
import { decodeRing, encodeRing, makeKey } from '#cluster/key-ring.ts'
import type { GossipKey, KeyRing } from '#cluster/key-ring.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { GossipKeys } from '#membership/gossip-seal.ts'
import type { Log } from '#observe/log.ts'
import type { Random } from '#platform/random.ts'
import type { WireHeader } from '#wire/messages.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { WirePeers } from '#wire/peers.ts'
import type { Leadership } from './leadership.ts'

/** A node that is called by its id. */
export interface NodeAt {
  readonly id: NodeId
  readonly host: string
  readonly port: number
}

export interface GossipKeyringOptions {
  readonly identity: ClusterIdentity
  readonly leadership: Leadership
  readonly peers: Pick<WirePeers, 'call'>
  readonly random: Random
  readonly log: Log
  /** Seals and opens gossip with these from now on. */
  useKeys(keys: GossipKeys): void
}

const READ_METHOD = 'cluster.gossipKeys'
const USE_METHOD = 'cluster.useGossipKeys'
const CALL_MS_MAX = 5_000

/** The keys of the gossip on this node. The leader says which count; others take what it sends, and ask it after they were
 *  away: docs/formats/gossip.md. */
export class GossipKeyring {
  readonly #options: GossipKeyringOptions
  #isRotating = false

  constructor(options: GossipKeyringOptions) {
    this.#options = options
  }

  get methods(): WireMethods {
    return {
      [READ_METHOD]: { handle: async () => ({ header: encodeRing(this.#options.identity.gossip) as WireHeader }) },
      [USE_METHOD]: {
        handle: async ({ header, peer }) => {
          if (peer.nodeId !== this.#options.leadership.leader()?.nodeId)
            throw new ShoalError('FORBIDDEN', `Node ${peer.nodeId} does not lead, and so has no gossip keys to give`)
          await this.#take(header)
          return {}
        },
      },
    }
  }

  /** Takes the leader's keys, where another node leads. @throws UNAVAILABLE, … as the call does; NO_SPACE, STORAGE_FAILED */
  async refresh(): Promise<void> {
    const { leadership, peers } = this.#options
    const leader = leadership.leader()
    if (leadership.isLeading || leader === undefined) return
    const address = { host: leader.host, port: leader.nodePort, nodeId: leader.nodeId }
    const { header } = await peers.call(address, READ_METHOD, { deadlineMs: CALL_MS_MAX })
    await this.#take(header)
  }

  /** Replaces the key on all of `nodes`, which are those that run, and on this one: all can open with the new key before the first seals
   *  with it, and all seal with it before the old one is dropped. What a rotation that failed has left is cleared away first.
   *  @throws CONFLICT while another is under way; UNAVAILABLE naming a node that didn't take a step: then all steps can be done again */
  async rotate(nodes: readonly NodeAt[]): Promise<void> {
    if (this.#isRotating) throw new ShoalError('CONFLICT', 'The gossip key is being rotated already')
    this.#isRotating = true
    try {
      const { identity, random, log } = this.#options
      const [old, ...left] = identity.gossip.keys
      if (left.length > 0) await this.#giveAll(nodes, [old, ...left], [old])
      const made = makeKey(random)
      await this.#giveAll(nodes, [old, made], [made, old], [made])
      log.info('rotated the gossip key', { key: made.id, nodes: nodes.length + 1 })
    } finally {
      this.#isRotating = false
    }
  }

  async #giveAll(nodes: readonly NodeAt[], ...steps: readonly (readonly [GossipKey, ...GossipKey[]])[]): Promise<void> {
    for (const keys of steps) {
      await this.#use({ keys })
      await Promise.all(nodes.map((node) => this.#give(node, { keys })))
    }
  }

  async #give({ id, host, port }: NodeAt, ring: KeyRing): Promise<void> {
    try {
      const header = encodeRing(ring) as WireHeader
      await this.#options.peers.call({ host, port, nodeId: id }, USE_METHOD, {
        header,
        deadlineMs: CALL_MS_MAX,
        isIdempotent: true,
      })
    } catch (cause) {
      throw new ShoalError(
        'UNAVAILABLE',
        `Node ${id} at ${host}:${port} did not take the new gossip key (${(cause as Error).message}). Both keys are accepted meanwhile: rotate again once it can be reached`,
        { cause },
      )
    }
  }

  async #take(header: WireHeader): Promise<void> {
    const ring = decodeRing(header)
    if (ring === undefined) throw new ShoalError('INVALID_ARGUMENT', 'The gossip keys of another node make no sense')
    await this.#use(ring)
  }

  async #use(ring: KeyRing): Promise<void> {
    const { identity, useKeys } = this.#options
    useKeys(sealKeysOf(await identity.changeGossip((kept) => (isSameRing(kept, ring) ? kept : ring))))
  }
}

export function sealKeysOf({ keys: [first, ...others] }: KeyRing): GossipKeys {
  return { primary: first.key, others: others.map(({ key }) => key) }
}

function isSameRing(a: KeyRing, b: KeyRing): boolean {
  return a.keys.length === b.keys.length && a.keys.every(({ id, key }, at) => b.keys[at]?.id === id && b.keys[at].key.equals(key))
}
