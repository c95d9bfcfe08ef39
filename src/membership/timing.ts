import { ShoalError } from '#foundation/errors.ts'

/** How fast and how careful a node is. All nodes of a cluster should have the same. */
export interface Timing {
  /** A node probes one other in each period (SWIM's T'). */
  readonly periodMs: number
  /** How long a direct probe may take before others are asked to probe; the rest of the period is theirs. */
  readonly probeTimeoutMs: number
  /** How many are asked (SWIM's k). */
  readonly indirectProbes: number
  /** A suspicion that others share lasts this many periods, times the decimal logarithm of the nodes if that is more
   *  than one: it takes that long to reach the suspect and come back. */
  readonly suspicionPeriods: number
  /** One that nobody shares lasts so many times longer (Lifeguard's beta); 1 turns that off. */
  readonly suspicionMaxFactor: number
  /** By how many others it has to be shared to last as short as it may (Lifeguard's K). */
  readonly suspicionConfirmations: number
  /** How many times its usual time a node that finds itself slow gives to the others, less one (Lifeguard's S); 0 turns
   *  that off. */
  readonly slownessMax: number
  /** A step that comes later than asked for by so much shows that this process stood still, and nothing about others. */
  readonly pauseMs: number
  /** News is told to so many others so often, besides what probes carry. */
  readonly gossipIntervalMs: number
  readonly gossipFanOut: number
  /** Each node tells a piece of news this many times the natural logarithm of the nodes (SWIM's lambda). */
  readonly retransmitFactor: number
  /** How often whole states are exchanged with one other; in clusters of more than 32 nodes less often. */
  readonly exchangeIntervalMs: number
  /** How often one of the dead is asked whether it is back. */
  readonly reconnectIntervalMs: number
  /** How long the dead and those that left are remembered. */
  readonly goneRetentionMs: number
}

/** For one machine room; docs/formats/gossip.md derives them. */
export const DEFAULT_TIMING: Timing = {
  periodMs: 1000,
  probeTimeoutMs: 500,
  indirectProbes: 3,
  suspicionPeriods: 3,
  suspicionMaxFactor: 6,
  suspicionConfirmations: 2,
  slownessMax: 8,
  pauseMs: 500,
  gossipIntervalMs: 200,
  gossipFanOut: 3,
  retransmitFactor: 4,
  exchangeIntervalMs: 30_000,
  reconnectIntervalMs: 5000,
  goneRetentionMs: 24 * 60 * 60 * 1000,
}

/** @throws INVALID_ARGUMENT */
export function checkTiming(timing: Timing): void {
  for (const [name, value] of Object.entries(timing)) {
    const min = MAY_BE_ZERO.has(name) ? 0 : 1
    if (!(value >= min))
      throw new ShoalError('INVALID_ARGUMENT', `${name} of the gossip is ${value}, and at least ${min} is expected`)
  }
  if (timing.probeTimeoutMs >= timing.periodMs)
    throw new ShoalError(
      'INVALID_ARGUMENT',
      'probeTimeoutMs of the gossip must be less than periodMs: the rest is for indirect probes',
    )
}

const MAY_BE_ZERO: ReadonlySet<string> = new Set(['indirectProbes', 'suspicionConfirmations', 'slownessMax', 'gossipFanOut'])

/** How often each node tells one piece of news in a cluster of `nodes`. */
export function retransmitLimit({ retransmitFactor }: Timing, nodes: number): number {
  return Math.ceil(retransmitFactor * Math.log(nodes + 1))
}

/** Whole states grow with the nodes, and so does the number of exchanges: beyond 32 nodes each doubling adds as much again
 *  to the time between a node's exchanges. */
export function exchangeInterval({ exchangeIntervalMs }: Timing, nodes: number): number {
  return exchangeIntervalMs * Math.max(1, Math.ceil(Math.log2(nodes / 32)) + 1)
}
