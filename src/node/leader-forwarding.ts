import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { ForwardOverWire } from '#gateway/http/forward-over-wire.ts'
import type { ForwardTarget } from '#gateway/http/forward-target.ts'
import type { Forwarding } from '#gateway/http/forwarding-door.ts'
import type { WirePeers } from '#wire/peers.ts'
import type { Leader, Leadership } from './leadership.ts'

export interface LeaderForwardingOptions {
  readonly leadership: Leadership
  readonly peers: Pick<WirePeers, 'call'>
  /** Whether a node that doesn't lead answers it too. Asked for each request that comes to one. */
  isServedHere(exchange: Exchange): boolean
}

/** Requests go to the node that leads, but for those that each node answers itself. */
export class LeaderForwarding implements Forwarding {
  readonly #options: LeaderForwardingOptions
  #target: { readonly leader: Leader; readonly to: ForwardTarget } | undefined

  constructor(options: LeaderForwardingOptions) {
    this.#options = options
  }

  /** @throws UNSUPPORTED where there is nobody to send it to, for good */
  decide(exchange: Exchange): 'here' | ForwardTarget | undefined {
    const { leadership, isServedHere } = this.#options
    if (leadership.isLeading || isServedHere(exchange)) return 'here'
    if (leadership.isGone === true)
      throw new ShoalError(
        'UNSUPPORTED',
        'The strong volumes of this cluster, with its keys and classes, were lost with the node that had them, which was removed: eventual volumes are left',
      )
    const leader = leadership.leader()
    return leader === undefined ? undefined : this.#targetAt(leader)
  }

  onChange(listener: () => void): void {
    this.#options.leadership.onChange(listener)
  }

  #targetAt(leader: Leader): ForwardTarget {
    const { nodeId, host, nodePort } = leader
    const known = this.#target
    if (known?.leader.nodeId === nodeId && known.leader.host === host && known.leader.nodePort === nodePort) return known.to
    const to = new ForwardOverWire(this.#options.peers, { nodeId, host, port: nodePort }, { remembers: true })
    this.#target = { leader, to }
    return to
  }
}
