import type { Counter, Metrics } from '#observe/metrics.ts'
import { type Counts, zeroCounts } from './counts.ts'
import type { SealRefusal } from './gossip-seal.ts'
import type { Membership } from './membership.ts'

type Direction = 'in' | 'out'

/** Why packets, exchanges or words in them were refused. */
export type GossipRefusal = SealRefusal | 'too-long' | 'malformed' | 'removed-node' | 'too-many' | 'busy'

/** The figures of a node's gossip, as `/metrics` shows them. */
export class MembershipMetrics {
  readonly #packets: Counter
  readonly #bytes: Counter
  readonly #refused: Counter
  readonly #events: Readonly<Record<keyof Counts, (amount: number) => void>>
  readonly #core: Membership
  #seen: Counts = zeroCounts()

  constructor(metrics: Metrics, core: Membership) {
    this.#core = core
    const counter = (name: string, help: string, ...labels: string[]) => metrics.counter({ name, help, labels })
    this.#packets = counter('shoal_gossip_packets_total', 'Datagrams between nodes', 'direction')
    this.#bytes = counter('shoal_gossip_bytes_total', 'Bytes of those datagrams', 'direction')
    this.#refused = counter('shoal_gossip_refused_total', 'Packets, exchanges and words in them that were refused', 'reason')
    const probes = counter('shoal_gossip_probes_total', 'Probes of other nodes, by this one or by those it asked', 'way')
    const results = counter('shoal_gossip_probe_results_total', 'How they ended', 'result')
    const verdicts = counter('shoal_gossip_verdicts_total', 'What became known of other nodes', 'verdict')
    const own = counter('shoal_gossip_local_events_total', 'What showed that this node itself is slow or was doubted', 'event')
    const exchanges = counter('shoal_gossip_exchanges_total', 'Exchanges of whole states that this node began')
    this.#events = {
      probes: (amount) => probes.add(amount, { way: 'direct' }),
      indirectProbes: (amount) => probes.add(amount, { way: 'indirect' }),
      acks: (amount) => results.add(amount, { result: 'ack' }),
      nacks: (amount) => results.add(amount, { result: 'nack' }),
      probesFailed: (amount) => results.add(amount, { result: 'failed' }),
      suspicions: (amount) => verdicts.add(amount, { verdict: 'suspect' }),
      deaths: (amount) => verdicts.add(amount, { verdict: 'dead' }),
      refutations: (amount) => own.add(amount, { event: 'refutation' }),
      pauses: (amount) => own.add(amount, { event: 'pause' }),
      exchanges: (amount) => exchanges.add(amount),
      malformed: (amount) => this.refuse('malformed', amount),
      refusedRemoved: (amount) => this.refuse('removed-node', amount),
      refusedFull: (amount) => this.refuse('too-many', amount),
      refusedRelays: (amount) => this.refuse('busy', amount),
    }
    metrics.gauge({ name: 'shoal_gossip_nodes', help: 'Nodes that run, as far as this one knows' }, () => core.running)
    metrics.gauge({ name: 'shoal_gossip_suspects', help: 'Nodes that this one suspects' }, () => core.suspected)
    metrics.gauge({ name: 'shoal_gossip_slowness', help: 'How slow this node finds itself; 0 is well' }, () => core.slowness)
  }

  packet(direction: Direction, lengthBytes: number): void {
    this.#packets.add(1, { direction })
    this.#bytes.add(lengthBytes, { direction })
  }

  refuse(reason: GossipRefusal, amount = 1): void {
    this.#refused.add(amount, { reason })
  }

  /** Takes over what the core has counted since. */
  collect(): void {
    const counts = this.#core.counts
    for (const name of Object.keys(counts) as (keyof Counts)[])
      if (counts[name] !== this.#seen[name]) this.#events[name](counts[name] - this.#seen[name])
    this.#seen = { ...counts }
  }
}
