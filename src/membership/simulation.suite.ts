// Many nodes' membership in one process, on a clock, a network and randomness that a seed repeats exactly.

import { createHash } from 'node:crypto'
import type { NodeId } from '#foundation/ids.ts'
import type { Address } from '#platform/datagrams.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { EventHeap } from './event-heap.suite.ts'
import { decodeExchange, encodeExchange, MEMBERS_MAX } from './exchange.ts'
import type { NodeFacts } from './facts.ts'
import { SEAL_BYTES } from './gossip-seal.ts'
import type { MemberChange } from './member.ts'
import type { MembershipAction, MembershipEvent } from './membership-event.ts'
import { Membership } from './membership.ts'
import { PACKET_BYTES_MAX } from './message.ts'
import type { Timing } from './timing.ts'

export interface SimulationOptions {
  readonly nodes: number
  readonly seed: number
  readonly timing?: Partial<Timing>
  /** The share of datagrams that is lost, and of those that come twice. */
  readonly loss?: number
  readonly duplicates?: number
  /** The most a datagram takes; datagrams overtake each other. */
  readonly delayMsMax?: number
  /** Clocks are faster or slower by up to this share, and start anywhere. */
  readonly drift?: number
  /** Nodes know each other from the start, instead of joining through the first. */
  readonly warm?: boolean
  /** Changes what nodes send, to plant a defect. */
  readonly plant?: (bytes: Buffer, from: number) => Buffer
}

export interface Observation {
  readonly atMs: number
  readonly observer: number
  readonly subject: number
  readonly kind: MemberChange['kind']
  /** Whether the subject did in truth. */
  readonly runs: boolean
}

interface SimulatedNode {
  core: Membership
  readonly id: NodeId
  readonly address: Address
  /** Local milliseconds a millisecond, and the local time at zero. */
  readonly rate: number
  readonly offsetMs: number
  isUp: boolean
  /** How long what has arrived waits until it is looked at. */
  lagMs: number
  /** Stands still until then. */
  pausedUntilMs: number
  /** When its next tick is on its way. */
  tickAtMs: number
  /** The highest incarnation that it ever claimed itself. */
  incarnation: number
  /** In which incarnation it saw others leave, by index; `Infinity` for ids that were taken away. */
  readonly ends: Map<number, number>
  inbox: (() => void)[]
}

/** How much a paused process's socket holds. */
const INBOX_MAX = 500

export class Simulation {
  nowMs = 0
  readonly observations: Observation[] = []
  /** What must never be; a test ends with it empty. */
  readonly violations: string[] = []
  readonly random: SeededRandom
  packets = 0
  packetBytesMax = 0
  queueMax = 0
  readonly #options: SimulationOptions
  readonly #nodes: SimulatedNode[]
  readonly #indexOf = new Map<string, number>()
  readonly #heap = new EventHeap<() => void>()
  readonly #hash = createHash('sha256')
  /** Whether what `from` sends to `to` gets lost for sure. */
  cuts: (from: number, to: number) => boolean = () => false

  constructor(options: SimulationOptions) {
    this.#options = options
    this.random = new SeededRandom(options.seed)
    const drift = options.drift ?? 0
    this.#nodes = Array.from({ length: options.nodes }, (_, index) => {
      const rate = 1 + drift * (this.random.fraction() * 2 - 1)
      const offsetMs = drift === 0 ? 0 : this.random.below(1_000_000)
      return this.#newNode(index, { rate, offsetMs })
    })
    for (const [index, { id, address }] of this.#nodes.entries())
      this.#indexOf.set(id, index).set(`${address.host}:${address.port}`, index)
    if (options.warm === true) {
      const states = this.#nodes.map(({ core }) => decodeExchange(core.exchangeBytes()))
      const whole = { sender: states[0]!.sender, members: states.flatMap(({ members }) => members), removed: [] }
      for (const index of this.#nodes.keys()) this.step(index, { kind: 'exchange-answered', bytes: encodeExchange(whole) })
      this.observations.length = 0
    } else for (const index of this.#nodes.keys()) this.#later(index * 10, () => this.join(index))
    for (const index of this.#nodes.keys()) this.#scheduleTick(index)
  }

  /** What was sent, when and by whom. */
  get digest(): string {
    return this.#hash.copy().digest('hex')
  }

  get size(): number {
    return this.#nodes.length
  }

  /** Of those that run. */
  cores(): Membership[] {
    return this.#nodes.filter(({ isUp }) => isUp).map(({ core }) => core)
  }

  core(index: number): Membership {
    return this.node(index).core
  }

  node(index: number): SimulatedNode {
    return this.#nodes[index]!
  }

  run(forMs: number): void {
    this.runUntil(() => false, forMs)
  }

  /** Runs until `isDone`, which is asked every 20 ms, or `forMs` are over. @returns the milliseconds it took */
  runUntil(isDone: () => boolean, forMs: number): number {
    const startMs = this.nowMs
    while (this.nowMs < startMs + forMs && !isDone()) {
      const untilMs = Math.min(this.nowMs + 20, startMs + forMs)
      while (this.#heap.nextMs <= untilMs) {
        this.nowMs = Math.max(this.nowMs, this.#heap.nextMs)
        this.#heap.pop()?.()
      }
      this.nowMs = untilMs
    }
    return this.nowMs - startMs
  }

  crash(index: number): void {
    this.node(index).isUp = false
  }

  /** The same node again, with nothing but its id. */
  restart(index: number, facts: Partial<NodeFacts> = {}): void {
    const old = this.node(index)
    const incarnation = old.incarnation + 1
    this.#nodes[index] = this.#newNode(index, old, incarnation, facts)
    this.join(index)
    this.#scheduleTick(index)
  }

  pause(index: number, forMs: number): void {
    const node = this.node(index)
    node.pausedUntilMs = this.nowMs + forMs
    this.#later(forMs, () => {
      // As in a process that goes on: first what is due, then what has arrived.
      this.#tick(index)
      const inbox = node.inbox
      node.inbox = []
      for (const handle of inbox) handle()
    })
  }

  /** Makes a node slow: it stands still for `stillMs`, then runs for `runsMs`, again and again until `untilMs`. */
  slowDown(index: number, { stillMs, runsMs, untilMs }: { stillMs: number; runsMs: number; untilMs: number }): void {
    if (this.nowMs >= untilMs) return
    this.pause(index, stillMs)
    this.#later(stillMs + runsMs * (0.5 + this.random.fraction()), () => this.slowDown(index, { stillMs, runsMs, untilMs }))
  }

  join(index: number, through = index === 0 ? 1 : 0): void {
    if (this.size === 1) return
    this.step(index, { kind: 'seeds', seeds: [this.node(through).address] })
    this.#exchange(index, through, this.core(index).exchangeBytes())
  }

  leave(index: number): void {
    this.step(index, { kind: 'leave' })
  }

  /** Node `by` learns that the cluster has taken the id away. */
  remove(index: number, by: number): void {
    this.step(by, { kind: 'remove', id: this.node(index).id })
  }

  /** How each node that runs sees the others: from index to state, by index. */
  views(): Map<number, Map<number, string>> {
    const running = [...this.#nodes.keys()].filter((index) => this.node(index).isUp)
    return new Map(running.map((index) => [index, this.viewOf(index)]))
  }

  viewOf(index: number): Map<number, string> {
    const members = this.core(index).members()
    return new Map(members.map(({ id, state }) => [this.#indexOf.get(id)!, state]))
  }

  /** Whether everybody who runs knows of everybody who does, and knows nobody else to run or to be suspected. */
  isConverged(): boolean {
    const truth = this.#nodes.map(({ isUp, core }) => isUp && core.self.liveness === 'alive' && !core.removed.has(core.self.id))
    return this.#nodes.every(({ core }, observer) => {
      if (truth[observer] !== true) return true
      return this.#nodes.every(({ id }, subject) => {
        const liveness = core.member(id)?.liveness
        return truth[subject] === true ? liveness === 'alive' : liveness !== 'alive' && liveness !== 'suspect'
      })
    })
  }

  /** Deaths that were none: their node ran. */
  falseDeaths(): number {
    return this.observations.filter(({ kind, runs }) => kind === 'died' && runs).length
  }

  step(index: number, event: MembershipEvent): MembershipAction[] {
    const node = this.node(index)
    const actions = node.core.step(event, node.offsetMs + this.nowMs * node.rate)
    node.incarnation = Math.max(node.incarnation, node.core.self.incarnation)
    this.#check(index)
    for (const action of actions) this.#act(index, action)
    this.#scheduleTick(index)
    return actions
  }

  #newNode(
    index: number,
    { rate, offsetMs }: { rate: number; offsetMs: number },
    incarnation = 1_000_000,
    changes: Partial<NodeFacts> = {},
  ): SimulatedNode {
    const id = createHash('sha256').update(`node ${index}`).digest('hex').slice(0, 32) as NodeId
    const address = { host: `10.0.${index >> 8}.${index & 255}`, port: 7402 }
    const facts: NodeFacts = { ...FACTS, host: address.host, nodePort: address.port, zone: `z${index % 3}`, ...changes }
    const random = new SeededRandom(this.random.below(2 ** 31))
    const nowMs = offsetMs + this.nowMs * rate
    const { timing = {} } = this.#options
    const core = new Membership({ id, incarnation, facts, timing, random, nowMs })
    return {
      ...{ core, id, address, rate, offsetMs, incarnation, ends: new Map() },
      ...{ isUp: true, lagMs: 0, pausedUntilMs: 0, tickAtMs: Number.POSITIVE_INFINITY, inbox: [] },
    }
  }

  #scheduleTick(index: number): void {
    const node = this.node(index)
    // A little later: a local time that is a rounding error short of the next step would never come to it.
    const atMs = Math.max(this.nowMs, (node.core.nextStepMs - node.offsetMs) / node.rate) + 0.001
    if (!node.isUp || atMs >= node.tickAtMs) return
    node.tickAtMs = atMs
    this.#heap.push(atMs, () => {
      if (this.node(index) === node && node.tickAtMs === atMs) this.#tick(index)
    })
  }

  #tick(index: number): void {
    const node = this.node(index)
    if (!node.isUp) return
    if (this.nowMs < node.pausedUntilMs) return
    node.tickAtMs = Number.POSITIVE_INFINITY
    this.step(index, { kind: 'tick' })
  }

  #act(from: number, action: MembershipAction): void {
    if (action.kind === 'send') this.#send(from, action.to, action.bytes)
    else if (action.kind === 'exchange') {
      const to = this.#indexOf.get(`${action.to.host}:${action.to.port}`)
      if (to !== undefined) this.#exchange(from, to, action.bytes)
    } else if (action.kind === 'change') this.#observe(from, action.change)
  }

  #send(from: number, { host, port }: Address, plain: Buffer): void {
    const to = this.#indexOf.get(`${host}:${port}`)
    const bytes = this.#options.plant?.(plain, from) ?? plain
    this.packets += 1
    this.packetBytesMax = Math.max(this.packetBytesMax, bytes.length + SEAL_BYTES)
    this.#hash.update(`${this.nowMs} ${from} ${to} `).update(bytes)
    if (to === undefined || this.random.chance(this.#options.loss ?? 0)) return
    const copies = this.random.chance(this.#options.duplicates ?? 0) ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1)
      this.#deliver({ from, to }, () => {
        this.step(to, { kind: 'packet', from: this.node(from).address, bytes })
      })
  }

  #deliver({ from, to }: { from: number; to: number }, handle: () => void): void {
    if (this.cuts(from, to)) return
    const delayMs = 0.2 + this.random.fraction() * (this.#options.delayMsMax ?? 2)
    const receiver = this.node(to)
    this.#later(delayMs + receiver.lagMs, () => {
      if (this.node(to) !== receiver || !receiver.isUp || this.cuts(from, to)) return
      if (this.nowMs >= receiver.pausedUntilMs) handle()
      else if (receiver.inbox.length < INBOX_MAX) receiver.inbox.push(handle)
    })
  }

  #exchange(from: number, to: number, bytes: Buffer): void {
    this.#deliver({ from, to }, () => {
      for (const action of this.step(to, { kind: 'exchange-asked', bytes }))
        if (action.kind === 'answer')
          this.#deliver({ from: to, to: from }, () => {
            this.step(from, { kind: 'exchange-answered', bytes: action.bytes })
          })
    })
  }

  #later(delayMs: number, handle: () => void): void {
    this.#heap.push(this.nowMs + delayMs, handle)
  }

  #observe(observer: number, { kind, member }: MemberChange): void {
    const subject = this.#indexOf.get(member.id)!
    this.observations.push({ atMs: this.nowMs, observer, subject, kind, runs: this.node(subject).isUp })
    const { incarnation } = this.node(subject)
    const { ends } = this.node(observer)
    if (member.incarnation > incarnation)
      this.violations.push(`${observer} knows incarnation ${member.incarnation} of ${subject}, which is in ${incarnation}`)
    if (kind === 'left') ends.set(subject, member.incarnation)
    if (kind === 'removed') ends.set(subject, Number.POSITIVE_INFINITY)
    if (kind === 'joined' && member.incarnation <= (ends.get(subject) ?? -1))
      this.violations.push(`${subject} had left or was removed for ${observer}, and runs again at ${this.nowMs}`)
  }

  #check(index: number): void {
    const { core } = this.node(index)
    this.queueMax = Math.max(this.queueMax, core.pendingNews)
    if (this.packetBytesMax > PACKET_BYTES_MAX) this.violations.push(`a packet of ${this.packetBytesMax} bytes`)
    if (core.pendingNews > 2 * MEMBERS_MAX) this.violations.push(`${index} has ${core.pendingNews} news to tell`)
  }
}

const FACTS: Omit<NodeFacts, 'host' | 'nodePort' | 'zone'> = {
  restPort: 7400,
  s3Port: 7401,
  roles: ['store', 'meta', 'gateway'],
  capacityBytes: 1_000_000_000_000,
  usedBytes: 250_000_000_000,
  version: '0.2.0',
  protocolMin: 1,
  protocolMax: 1,
  weightPercent: 100,
  mode: 'active',
}
