import type { NodeId } from '#foundation/ids.ts'
import type { Address } from '#platform/datagrams.ts'
import type { Random } from '#platform/random.ts'
import type { Counts } from './counts.ts'
import type { LocalHealth } from './local-health.ts'
import { isRunning, isShown, type Member } from './member.ts'
import { type Message, SEQUENCE_LIMIT } from './message.ts'
import type { Roster } from './roster.ts'
import type { Timing } from './timing.ts'

/** A helper says nack after this share of the probe timeout, so that it arrives before the period ends (Lifeguard). */
const NACK_SHARE = 0.8
/** Probes for others at a time. In a cluster of 1,000 nodes a node is asked for three a second. */
const RELAYS_MAX = 256

interface Probe {
  readonly member: Member
  readonly sequence: number
  readonly indirectAtMs: number
  readonly endsAtMs: number
  /** How many were asked for help; `undefined` until it is time to. */
  helpers: number | undefined
  nacks: number
}

interface Relay {
  readonly sequence: number
  readonly asker: Address
  readonly nackAtMs: number
  readonly endsAtMs: number
  hasNacked: boolean
}

export interface ProberOptions {
  readonly roster: Roster
  readonly health: LocalHealth
  readonly timing: Timing
  readonly random: Random
  readonly counts: Counts
  /** `about` is told what others think of it. */
  readonly send: (to: Address, message: Message, about?: Member) => void
  readonly onUnreachable: (member: Member) => void
}

/** SWIM's failure detector: one direct probe a period, then probes through others, then a suspicion; and the same for
 *  others, on request. */
export class Prober {
  readonly #options: ProberOptions
  readonly #relays = new Map<number, Relay>()
  #probe: Probe | undefined
  #nextProbeAtMs: number
  #sequence: number

  /** The first probe comes at a random moment of a period, so that nodes that start together don't probe together. */
  constructor(options: ProberOptions, nowMs: number) {
    this.#options = options
    this.#nextProbeAtMs = nowMs + options.timing.periodMs * options.random.fraction()
    this.#sequence = Math.floor(options.random.fraction() * SEQUENCE_LIMIT)
  }

  get nextStepMs(): number {
    let nextMs = this.#nextProbeAtMs
    if (this.#probe !== undefined)
      nextMs = Math.min(nextMs, this.#probe.helpers === undefined ? this.#probe.indirectAtMs : this.#probe.endsAtMs)
    for (const relay of this.#relays.values()) nextMs = Math.min(nextMs, relay.hasNacked ? relay.endsAtMs : relay.nackAtMs)
    return nextMs
  }

  step(nowMs: number): void {
    this.#stepRelays(nowMs)
    const probe = this.#probe
    if (probe !== undefined && probe.helpers === undefined && probe.indirectAtMs <= nowMs) this.#askOthers(probe)
    if (probe !== undefined && probe.endsAtMs <= nowMs) this.#fail(probe)
    if (this.#nextProbeAtMs <= nowMs) this.#begin(nowMs)
  }

  /** Judges nobody, and goes on helping others. */
  rest(nowMs: number): void {
    this.#stepRelays(nowMs)
    this.#probe = undefined
    this.#nextProbeAtMs = nowMs + this.#options.timing.periodMs
  }

  /** Asks a node that counts as dead whether it is back. Nobody waits for its answer: it contradicts, or doesn't. */
  knock(member: Member & { facts: { host: string; nodePort: number } }): void {
    this.#options.send(addressOf(member), { kind: 'ping', sequence: this.#nextSequence(), target: member.id }, member)
  }

  onAck(sequence: number): void {
    const { send, health, counts } = this.#options
    if (this.#probe?.sequence === sequence) {
      this.#probe = undefined
      counts.acks += 1
      health.improve()
      return
    }
    const relay = this.#relays.get(sequence)
    if (relay === undefined) return
    this.#relays.delete(sequence)
    send(relay.asker, { kind: 'ack', sequence: relay.sequence })
  }

  onNack(sequence: number): void {
    if (this.#probe?.sequence !== sequence) return
    this.#probe.nacks += 1
    this.#options.counts.nacks += 1
  }

  relay(request: { sequence: number; target: NodeId; address: Address }, asker: Address, nowMs: number): void {
    const { send, roster, timing, counts } = this.#options
    if (this.#relays.size >= RELAYS_MAX) {
      counts.refusedRelays += 1
      return
    }
    const sequence = this.#nextSequence()
    this.#relays.set(sequence, {
      sequence: request.sequence,
      asker,
      nackAtMs: nowMs + timing.probeTimeoutMs * NACK_SHARE,
      endsAtMs: nowMs + timing.periodMs,
      hasNacked: false,
    })
    send(request.address, { kind: 'ping', sequence, target: request.target }, roster.get(request.target))
  }

  #begin(nowMs: number): void {
    const { roster, timing, health, counts, send } = this.#options
    this.#nextProbeAtMs = nowMs + health.scale(timing.periodMs)
    const member = roster.ring.next()
    if (member === undefined || !isShown(member)) return
    this.#probe = {
      member,
      sequence: this.#nextSequence(),
      indirectAtMs: nowMs + health.scale(timing.probeTimeoutMs),
      endsAtMs: this.#nextProbeAtMs,
      helpers: undefined,
      nacks: 0,
    }
    counts.probes += 1
    send(addressOf(member), { kind: 'ping', sequence: this.#probe.sequence, target: member.id }, member)
  }

  #askOthers(probe: Probe): void {
    const { roster, timing, counts, send } = this.#options
    const { member, sequence } = probe
    const helpers = roster.ring.pick(timing.indirectProbes, (other) => other !== member && other.liveness === 'alive')
    probe.helpers = helpers.length
    if (!isShown(member)) return
    for (const helper of helpers) {
      if (!isShown(helper)) continue
      counts.indirectProbes += 1
      send(addressOf(helper), { kind: 'ping-request', sequence, target: member.id, address: addressOf(member) })
    }
  }

  #fail({ member, helpers = 0, nacks }: Probe): void {
    const { health, counts, onUnreachable } = this.#options
    this.#probe = undefined
    if (!isRunning(member)) return
    counts.probesFailed += 1
    // Helpers that say that they got no answer show that this node hears well; those that say nothing, that it doesn't.
    health.worsen(helpers === 0 ? 1 : Math.max(0, helpers - nacks))
    onUnreachable(member)
  }

  #stepRelays(nowMs: number): void {
    for (const [sequence, relay] of this.#relays) {
      if (relay.endsAtMs <= nowMs) this.#relays.delete(sequence)
      else if (!relay.hasNacked && relay.nackAtMs <= nowMs) {
        relay.hasNacked = true
        this.#options.send(relay.asker, { kind: 'nack', sequence: relay.sequence })
      }
    }
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) % SEQUENCE_LIMIT
    return this.#sequence
  }
}

export function addressOf({ facts }: { readonly facts: { readonly host: string; readonly nodePort: number } }): Address {
  return { host: facts.host, port: facts.nodePort }
}
