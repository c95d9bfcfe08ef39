/** What a node has done and met since it started. */
export interface Counts {
  probes: number
  /** Those that others were asked for. */
  indirectProbes: number
  probesFailed: number
  acks: number
  nacks: number
  /** Suspicions that began here, by an own probe or another's word. */
  suspicions: number
  deaths: number
  /** How often this node contradicted what others said of it. */
  refutations: number
  /** How often this process found that it had stood still. */
  pauses: number
  exchanges: number
  /** Packets and exchanges that could not be read. */
  malformed: number
  /** Words about, and packets from, nodes whose id was taken away. */
  refusedRemoved: number
  /** Nodes and removed ids beyond what is kept. */
  refusedFull: number
  /** Requests to probe for others beyond what is done at a time. */
  refusedRelays: number
}

export function zeroCounts(): Counts {
  return {
    probes: 0,
    indirectProbes: 0,
    probesFailed: 0,
    acks: 0,
    nacks: 0,
    suspicions: 0,
    deaths: 0,
    refutations: 0,
    pauses: 0,
    exchanges: 0,
    malformed: 0,
    refusedRemoved: 0,
    refusedFull: 0,
    refusedRelays: 0,
  }
}
