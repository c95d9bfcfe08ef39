import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Address } from '#platform/datagrams.ts'
import type { Random } from '#platform/random.ts'
import { type Counts, zeroCounts } from './counts.ts'
import { decodeExchange, encodeExchange, type ExchangedState, type MemberState } from './exchange.ts'
import type { NodeFacts } from './facts.ts'
import { SEAL_BYTES } from './gossip-seal.ts'
import { LocalHealth } from './local-health.ts'
import type { MembershipAction, MembershipEvent } from './membership-event.ts'
import { isRunning, isShown, type Member, type MemberChange, type MemberView, viewOf } from './member.ts'
import { decodePacket, encodePacket, type Message, type Packet, PACKET_BYTES_MAX } from './message.ts'
import { addressOf, Prober } from './prober.ts'
import { Roster } from './roster.ts'
import { checkTiming, DEFAULT_TIMING, exchangeInterval, retransmitLimit, type Timing } from './timing.ts'
import { encodeUpdate } from './update.ts'

export interface MembershipOptions {
  readonly id: NodeId
  /** Above that of any earlier life of the node: the time of the start in milliseconds since 1970 is, since an
   *  incarnation is raised less often than once a millisecond. If the clock was set back meanwhile, the first who
   *  remembers the earlier life says so, and the node goes above it. */
  readonly incarnation: number
  readonly facts: NodeFacts
  /** Ids that were taken away for good, as the cluster's state has them. */
  readonly removed?: Iterable<NodeId>
  readonly timing?: Partial<Timing>
  readonly random: Random
  /** Monotonic, as in every later step. */
  readonly nowMs: number
}

/** Of the exchanges at intervals, with a seed that isn't known to run, if there is one. */
const SEED_SHARE = 0.25

/** What one node knows of its cluster, and how it finds out: SWIM (Das, Gupta, Motivala 2002) with suspicions and
 *  Lifeguard (Dadgar, Phillips, Currey 2018). It touches nothing: time comes with each step, and what is to be done goes
 *  out as actions. Nothing that another node sends makes it throw. Memory is bounded by the limits in `exchange.ts`. */
export class Membership {
  readonly counts: Counts = zeroCounts()
  readonly #timing: Timing
  readonly #roster: Roster
  readonly #prober: Prober
  readonly #health: LocalHealth
  readonly #random: Random
  #actions: MembershipAction[] = []
  /** Time in which this process stood still is no time at all for what follows: deadlines move along with it. */
  #stoodStillMs = 0
  #nowMs: number
  #nextGossipMs: number
  #nextExchangeMs: number
  #nextReconnectMs: number
  #nextReunionMs: number
  #seeds: readonly Address[] = []

  /** @throws INVALID_ARGUMENT */
  constructor({ id, incarnation, facts, removed = [], timing, random, nowMs }: MembershipOptions) {
    if (!/^[0-9a-f]{32}$/.test(id)) throw new ShoalError('INVALID_ARGUMENT', `"${id}" is not the id of a node`)
    this.#nowMs = Math.floor(nowMs)
    this.#random = random
    this.#timing = { ...DEFAULT_TIMING, ...timing }
    checkTiming(this.#timing)
    this.#health = new LocalHealth(this.#timing.slownessMax)
    this.#roster = new Roster({
      self: { id, incarnation, facts },
      removed,
      timing: this.#timing,
      random,
      nowMs: this.#nowMs,
      onChange: (kind, member) => this.#onChange({ kind, member: viewOf(member, this.#stoodStillMs) }),
      onRefuted: (suspected) => {
        this.counts.refutations += 1
        if (suspected) this.#health.worsen()
      },
      onTwin: (twin) => this.#actions.push({ kind: 'twin', facts: twin }),
      onRefused: (why) => (this.counts[why === 'full' ? 'refusedFull' : 'refusedRemoved'] += 1),
    })
    const { counts } = this
    this.#prober = new Prober(
      {
        roster: this.#roster,
        health: this.#health,
        timing: this.#timing,
        random,
        counts,
        send: (to, message, about) => this.#send(to, message, about),
        onUnreachable: (member) => this.#suspect(member),
      },
      nowMs,
    )
    this.#nextGossipMs = nowMs + this.#timing.gossipIntervalMs * random.fraction()
    this.#nextExchangeMs = nowMs + this.#timing.exchangeIntervalMs * random.fraction()
    this.#nextReconnectMs = nowMs + this.#timing.reconnectIntervalMs * random.fraction()
    this.#nextReunionMs = nowMs
  }

  /** When the next step is due, by the clock that steps are given. */
  get nextStepMs(): number {
    const own = Math.min(this.#nextGossipMs, this.#nextExchangeMs, this.#nextReconnectMs)
    return this.#stoodStillMs + Math.ceil(Math.min(own, this.#prober.nextStepMs, this.#roster.nextExpiryMs()))
  }

  get self(): MemberView {
    return viewOf(this.#roster.self, this.#stoodStillMs)
  }

  /** How slow the node finds itself; 0 is well. */
  get slowness(): number {
    return this.#health.score
  }

  /** How many run, as far as this node knows, itself included; and how many of them it suspects. */
  get running(): number {
    return this.#roster.running
  }

  get suspected(): number {
    return this.#roster.suspected
  }

  /** News that is still to be told. */
  get pendingNews(): number {
    return this.#roster.queue.size
  }

  /** All that are known, this one included, and those that are gone as long as they are remembered. */
  members(): MemberView[] {
    return [...this.#roster.members()].filter(isShown).map((member) => viewOf(member, this.#stoodStillMs))
  }

  member(id: NodeId): MemberView | undefined {
    const member = this.#roster.get(id)
    return member !== undefined && isShown(member) ? viewOf(member, this.#stoodStillMs) : undefined
  }

  get removed(): ReadonlySet<NodeId> {
    return this.#roster.removed
  }

  /** The whole state, as it is sent to a node for the first time. */
  exchangeBytes(): Buffer {
    const members = [...this.#roster.members()].map((member) => stateOf(member, this.#nowMs))
    return encodeExchange({ sender: this.#roster.self.id, members, removed: [...this.#roster.removed] })
  }

  step(event: MembershipEvent, nowMs: number): MembershipAction[] {
    // Whole milliseconds, so that what is due at `nextStepMs` is due then, whatever was added up to get there.
    this.#noticePause(Math.floor(nowMs))
    this.#nowMs = Math.floor(nowMs) - this.#stoodStillMs
    if (event.kind === 'tick') this.#tick()
    else if (event.kind === 'packet') this.#receive(event.bytes, event.from)
    else if (event.kind === 'exchange-asked') this.#answer(event.bytes)
    else if (event.kind === 'exchange-answered') this.#merge(event.bytes)
    else if (event.kind === 'facts') this.#roster.updateFacts(event.changes)
    else if (event.kind === 'seeds') this.#seeds = event.seeds
    else if (event.kind === 'remove') this.#roster.remove(event.id)
    else this.#leave()
    const actions = this.#actions
    this.#actions = []
    return actions
  }

  get #isRemoved(): boolean {
    return this.#roster.removed.has(this.#roster.self.id)
  }

  /** After a pause all deadlines have passed at once, and what came meanwhile hasn't been read yet: that says nothing
   *  about others. */
  #noticePause(nowMs: number): void {
    const lateMs = nowMs - this.nextStepMs
    if (lateMs < this.#timing.pauseMs) return
    this.#stoodStillMs += lateMs
    this.counts.pauses += 1
    this.#health.worsen()
  }

  #tick(): void {
    const now = this.#nowMs
    const { self } = this.#roster
    this.#roster.expire(now)
    // Whoever leaves answers and tells the news still, and judges nobody any more.
    if (self.liveness === 'alive' && !this.#isRemoved) this.#prober.step(now)
    else this.#prober.rest(now)
    if (this.#nextGossipMs <= now) this.#gossip()
    if (this.#nextReconnectMs <= now) this.#reconnect()
    if (this.#nextExchangeMs <= now) this.#exchange()
  }

  #gossip(): void {
    this.#nextGossipMs = this.#nowMs + this.#timing.gossipIntervalMs
    const { ring, queue } = this.#roster
    if (queue.size === 0) return
    for (const member of ring.pick(this.#timing.gossipFanOut, isShown))
      if (isShown(member) && queue.size > 0) this.#send(addressOf(member), { kind: 'gossip' })
  }

  #reconnect(): void {
    this.#nextReconnectMs = this.#nowMs + this.#timing.reconnectIntervalMs
    this.#roster.reap(this.#nowMs)
    if (this.#roster.self.liveness === 'left' || this.#isRemoved) return
    const dead = this.#roster.dead()
    const member = dead[Math.floor(this.#random.fraction() * dead.length)]
    if (member !== undefined && isShown(member)) this.#prober.knock(member)
    if (this.#roster.running === 1) this.#askSeed()
  }

  /** False if there is none to ask. */
  #askSeed(): boolean {
    const known = [...this.#roster.members()].filter(isShown).filter(isRunning)
    const isKnown = ({ host, port }: Address) => known.some(({ facts }) => facts.host === host && facts.nodePort === port)
    const unknown = this.#seeds.filter((seed) => !isKnown(seed))
    const seed = unknown[Math.floor(this.#random.fraction() * unknown.length)]
    if (seed !== undefined) this.#exchangeWith(seed)
    return seed !== undefined
  }

  #exchange(): void {
    this.#nextExchangeMs = this.#nowMs + exchangeInterval(this.#timing, this.#roster.running)
    // Two halves of a cluster that have forgotten each other find together again by what both were told at the start.
    if (this.#random.fraction() < SEED_SHARE && this.#askSeed()) return
    const [member] = this.#roster.ring.pick(1, ({ liveness }) => liveness === 'alive')
    if (member !== undefined && isShown(member)) this.#exchangeWith(addressOf(member))
  }

  #exchangeWith(to: Address): void {
    if (this.#roster.self.liveness === 'left' || this.#isRemoved) return
    this.counts.exchanges += 1
    this.#actions.push({ kind: 'exchange', to, bytes: this.exchangeBytes() })
  }

  #receive(bytes: Buffer, from: Address): void {
    const packet = this.#read(() => decodePacket(bytes))
    if (packet instanceof ShoalError) return
    const { sender, message, updates } = packet
    if (this.#roster.removed.has(sender)) {
      this.counts.refusedRemoved += 1
      if (message.kind === 'ping') this.#tellRemoved(sender, from)
      return
    }
    if (this.#isRemoved) return
    const before = this.#roster.get(sender)
    const isReunion = before === undefined || before.liveness === 'dead'
    for (const update of updates) this.#roster.apply(update, this.#nowMs)
    this.#handle(packet, from)
    // Whoever wasn't known to run has been cut off, and so perhaps have others with it.
    if (isReunion && this.#nextReunionMs <= this.#nowMs) {
      this.#nextReunionMs = this.#nowMs + this.#timing.periodMs
      this.#exchangeWith(from)
    }
  }

  #handle({ sender, message }: Packet, from: Address): void {
    const about = this.#roster.get(sender)
    switch (message.kind) {
      case 'ping':
        // Another node may have had this address.
        if (message.target === this.#roster.self.id) this.#send(from, { kind: 'ack', sequence: message.sequence }, about)
        return
      case 'ping-request':
        this.#prober.relay(message, from, this.#nowMs)
        return
      case 'ack':
        this.#prober.onAck(message.sequence)
        return
      case 'nack':
        this.#prober.onNack(message.sequence)
        return
      case 'gossip':
    }
  }

  #answer(bytes: Buffer): void {
    const state = this.#read(() => decodeExchange(bytes))
    if (state instanceof ShoalError) {
      this.#actions.push({ kind: 'refuse', error: state })
      return
    }
    if (this.#roster.removed.has(state.sender)) {
      this.counts.refusedRemoved += 1
      this.#actions.push({ kind: 'refuse', error: removedError(state.sender) })
      return
    }
    if (this.#isRemoved) {
      this.#actions.push({
        kind: 'refuse',
        error: new ShoalError('UNAVAILABLE', 'This node is no member of its cluster any more'),
      })
      return
    }
    this.#apply(state)
    this.#actions.push({ kind: 'answer', bytes: this.exchangeBytes() })
  }

  #merge(bytes: Buffer): void {
    const state = this.#read(() => decodeExchange(bytes))
    if (state instanceof ShoalError || this.#roster.removed.has(state.sender)) return
    const isNewcomer = this.#roster.running === 1
    this.#apply(state)
    // Otherwise each of many that join at once would tell everybody about everybody.
    if (isNewcomer && this.#roster.self.liveness === 'alive' && !this.#isRemoved) this.#roster.dropNewsOfOthers()
  }

  #apply({ sender, members, removed }: ExchangedState): void {
    for (const id of removed) this.#roster.remove(id)
    for (const member of members) this.#roster.applyState(member, { from: sender, nowMs: this.#nowMs })
  }

  #leave(): void {
    if (this.#roster.self.liveness === 'left' || this.#isRemoved) return
    this.#roster.leave(this.#nowMs)
    this.#gossip()
  }

  #suspect(member: Member): void {
    const { id, incarnation } = member
    this.#roster.suspect({ id, incarnation, by: this.#roster.self.id }, this.#nowMs)
    // Lifeguard's buddy system: nobody needs to hear of it sooner than the suspect.
    if (isShown(member)) this.#send(addressOf(member), { kind: 'gossip' }, member)
  }

  #onChange(change: MemberChange): void {
    if (change.kind === 'suspected') this.counts.suspicions += 1
    if (change.kind === 'died') this.counts.deaths += 1
    this.#actions.push({ kind: 'change', change })
  }

  /** @param about who is told first what is said of it */
  #send(to: Address, message: Message, about?: Member): void {
    const word = about === undefined ? undefined : this.#roster.wordOn(about)
    const first = word === undefined ? [] : [encodeUpdate(word)]
    const limit = retransmitLimit(this.#timing, this.#roster.running)
    const bytes = encodePacket(this.#roster.self.id, message, (headBytes) => {
      const roomBytes = PACKET_BYTES_MAX - SEAL_BYTES - headBytes - (first[0]?.length ?? 0)
      return [...first, ...this.#roster.queue.take(roomBytes, limit)]
    })
    this.#actions.push({ kind: 'send', to, bytes })
  }

  #tellRemoved(id: NodeId, to: Address): void {
    const word = encodeUpdate({ kind: 'removed', id })
    this.#actions.push({ kind: 'send', to, bytes: encodePacket(this.#roster.self.id, { kind: 'gossip' }, () => [word]) })
  }

  #read<T>(decode: () => T): T | ShoalError {
    try {
      return decode()
    } catch (error) {
      if (!isShoalError(error)) throw error
      this.counts.malformed += 1
      return error
    }
  }
}

/** Why a node whose id was taken away can't come back. */
export function removedError(id: NodeId): ShoalError {
  return new ShoalError(
    'FORBIDDEN',
    `Node ${id} was removed from this cluster or replaced: it can join again with a new data folder, and so with a new id`,
  )
}

function stateOf({ id, incarnation, liveness, sinceMs, facts, factsIncarnation }: Member, nowMs: number): MemberState {
  const goneForMs = liveness === 'dead' || liveness === 'left' ? Math.max(0, Math.floor(nowMs - sinceMs)) : 0
  return { id, incarnation, liveness, goneForMs, facts, factsIncarnation: facts === undefined ? 0 : factsIncarnation }
}
