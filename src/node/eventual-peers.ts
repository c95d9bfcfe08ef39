import type { EventualNode } from '#eventual/eventual-node.ts'
import { MESSAGE_BYTES_MAX, type Message, type Peers } from '#eventual/message.ts'
import { decodeMessage, encodeMessage } from '#eventual/message-codec.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { MemberView } from '#membership/member.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { WirePeers } from '#wire/peers.ts'
import { readBounded } from '#wire/read-bounded.ts'

const METHOD = 'eventual.message'
/** The other side's disk may be busy; a rumour is told again, an exchange begun again. Nothing else is told meanwhile: who was cut off in the middle
 *  of a call must not be waited for much longer than the cut lasts. */
const CALL_MS = 6_000
const RUNNING_MAX = 1_000
const BOUND = { maxBytes: MESSAGE_BYTES_MAX, what: 'A message about eventual volumes' }

export interface WireEventualPeersOptions {
  readonly self: NodeId
  readonly wire: Pick<WirePeers, 'call'>
  readonly members: () => readonly MemberView[]
  readonly removed: ReadonlySet<NodeId>
}

/** The other nodes over the wire: docs/formats/eventual-messages.md. */
export class WireEventualPeers implements Peers {
  readonly #options: WireEventualPeersOptions

  constructor(options: WireEventualPeersOptions) {
    this.#options = options
  }

  running(): NodeId[] {
    return this.#others()
      .filter(({ liveness }) => liveness === 'alive')
      .map(({ id }) => id)
      .slice(0, RUNNING_MAX)
  }

  async call(node: NodeId, message: Message, signal?: AbortSignal): Promise<Message> {
    const member = this.#others().find(({ id }) => id === node)
    if (member === undefined) throw new ShoalError('UNAVAILABLE', `Node ${node} is not known here`)
    const { host, nodePort } = member.facts
    const address = { host, port: nodePort, nodeId: node }
    const { body } = await this.#options.wire.call(address, METHOD, {
      body: [encodeMessage(message)],
      deadlineMs: CALL_MS,
      ...(signal === undefined ? {} : { signal }),
    })
    return decodeMessage(await readBounded(body, BOUND))
  }

  #others(): MemberView[] {
    const { self, members, removed } = this.#options
    return members().filter(({ id }) => id !== self && !removed.has(id))
  }
}

/** `eventual.message` takes a message and answers one. A node speaks for itself only. */
export function eventualMethods(node: Pick<EventualNode, 'answer'>): WireMethods {
  return {
    [METHOD]: {
      handle: async ({ body, peer }) => {
        const message = decodeMessage(await readBounded(body, BOUND))
        if (message.from !== peer.nodeId)
          throw new ShoalError('FORBIDDEN', `Node ${peer.nodeId} has sent a message of node ${message.from}`)
        return { body: [encodeMessage(await node.answer(message))] }
      },
    },
  }
}
