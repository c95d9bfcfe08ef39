// A whole cluster in one process: nodes with their disks, the network between them, the log they agree by, and clients, on a
// clock that stands still between steps. A seed repeats all of it.

import { setImmediate as turn } from 'node:timers/promises'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { parsePath } from '#foundation/path.ts'
import type { StateSnapshot } from '#kv/snapshot-transfer.ts'
import { parseClassPolicy } from '#placement/class-policy.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryDatagrams } from '#platform/memory-datagrams.ts'
import { MemoryNetwork } from '#platform/memory-sockets.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { SharedLog } from '#sharedlog/log.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import type { Fault, MemoryLogClient } from '#sharedlog/memory.ts'
import type { FsckEvent } from '#volume/fsck.ts'
import { Clients, VOLUME } from './clients.ts'
import { Faults } from './faults.ts'
import type { FileCall } from './file-group.ts'
import { fileGroup } from './file-group.ts'
import { isLinearizable } from './linearizability.ts'
import { NodeTime } from './node-time.ts'
import { SimulatedNode } from './simulated-node.ts'
import type { World } from './simulated-node.ts'

const NODES = 5
const CLIENTS = 5
const GROUPS = 3
const COPIES = 3
const STEP_MS = 10
const STEPS = 500
/** How long everything may take to be well once nothing goes wrong any more. */
const CALM_MS = 120_000

export interface SimulationOptions {
  readonly seed: number
  readonly steps?: number
  /** Puts something between a node and the log: a defect that must be found. */
  readonly between?: (log: MemoryLogClient) => SharedLog
  /** Disks say that they have flushed, and haven't: another one. */
  readonly isForgetful?: boolean
}

export interface SimulationResult {
  /** What contradicts the promises. */
  readonly problems: readonly string[]
  readonly trace: readonly string[]
  readonly counts: { readonly acknowledged: number; readonly refused: number; readonly unknown: number }
  readonly terms: number
  readonly chunks: number
}

export function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options).run()
}

class Simulation {
  readonly #options: SimulationOptions
  readonly #random: SeededRandom
  readonly #clock = new ManualClock()
  readonly #log: MemoryLog
  readonly #network: MemoryNetwork
  readonly #datagrams = new MemoryDatagrams()
  readonly #nodes: SimulatedNode[] = []
  readonly #times: NodeTime[] = []
  readonly #cuts = new Set<string>()
  readonly #cutLogs = new Set<SimulatedNode>()
  readonly #clients: Clients
  readonly #faults: Faults
  readonly #problems: string[] = []
  readonly #underWay = new Set<Promise<void>>()
  #moment = 0
  #isCalm = false

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.#log = new MemoryLog({ clock: this.#clock, leaseMs: 600 })
    this.#network = new MemoryNetwork({ clock: this.#clock, random: this.#random, delayMs: [0, 20] })
    this.#datagrams.loses = (from, to) =>
      this.#cuts.has(`${from.host} ${to.host}`) || (!this.#isCalm && this.#random.chance(0.05))
    const world = this.#world()
    for (let at = 0; at < NODES; at += 1) {
      const time = new NodeTime(this.#clock, this.#random.below(21) - 10)
      this.#times.push(time)
      this.#nodes.push(new SimulatedNode(at, { world, time, seed: options.seed * 100 + at }))
    }
    this.#clients = new Clients({ random: this.#random, now: () => this.#tick(), pickNode: () => this.#pick() })
    this.#faults = new Faults(this.#faultTargets(), this.#random)
  }

  async run(): Promise<SimulationResult> {
    await this.#during(Promise.all(this.#nodes.map((node) => node.start())))
    await this.#during(
      this.#persistently((node) => node.life.volumes.create(VOLUME, {}, { principal: 'founder' }).then(() => {})),
    )
    const clients = Array.from({ length: CLIENTS }, (_, at) => this.#client(`client-${at}`))
    for (let at = 0; at < (this.#options.steps ?? STEPS); at += 1) {
      this.#chores()
      await this.#during(this.#faults.step(), this.#pass())
    }
    this.#isCalm = true
    await this.#during(this.#faults.end())
    await this.#during(Promise.all([...clients, ...this.#underWay]))
    const chunks = await this.#during(this.#healed())
    await this.#during(this.#check())
    const terms = this.#log.leader?.epoch ?? 0
    await this.#during(Promise.all(this.#nodes.map((node) => node.stop())))
    const { counts, wrong } = this.#clients
    return { problems: [...wrong, ...this.#problems], trace: this.#faults.trace, counts, terms, chunks }
  }

  #world(): World {
    const members = Array.from({ length: NODES }, (_, at) => ({
      id: (at + 1).toString(16).padStart(32, '0') as NodeId,
      zone: `zone-${at}`,
      capacityBytes: 1e12,
      weight: 1,
    }))
    const pair = new LayoutPair(computeLayout({ nodes: members, copies: COPIES, partitionBits: 8 }))
    return {
      clock: this.#clock,
      random: this.#random,
      network: this.#network,
      datagrams: this.#datagrams,
      policy: parseClassPolicy({ name: 'test', copies: COPIES, ack: 'quorum' }),
      layouts: () => pair,
      openLog: (node) => this.#log.client({ clock: node.time, fault: () => this.#logFault(node) }),
      between: this.#options.between ?? ((log) => log),
      fetchSnapshot: (asking) => this.#fetchSnapshot(asking),
      isForgetful: this.#options.isForgetful ?? false,
      others: (of) => this.#nodes.filter((node) => node !== of),
    }
  }

  async #logFault(node: SimulatedNode): Promise<Fault | undefined> {
    await this.#clock.sleep(this.#random.below(15))
    if (this.#cutLogs.has(node)) return 'request-lost'
    if (this.#isCalm || !this.#random.chance(0.02)) return undefined
    return (['request-lost', 'answer-lost', 'request-late'] as const)[this.#random.below(3)]
  }

  async #fetchSnapshot(asking: SimulatedNode): Promise<StateSnapshot> {
    const source = this.#nodes.find((node) => node !== asking && node.isUp && node.life.kv.isLeading)
    if (source === undefined || this.#cuts.has(`${source.host} ${asking.host}`))
      throw new ShoalError('UNAVAILABLE', 'Nobody leads')
    return source.life.kv.snapshot()
  }

  #faultTargets(): ConstructorParameters<typeof Faults>[0] {
    return {
      nodes: this.#nodes,
      times: this.#times,
      cut: (from, to) => {
        this.#cuts.add(`${from.host} ${to.host}`)
        this.#network.cut(from.host, to.host)
      },
      cutLog: (node) => void this.#cutLogs.add(node),
      mend: () => {
        this.#cutLogs.clear()
        for (const cut of this.#cuts) this.#network.heal(...(cut.split(' ') as [string, string]))
        this.#cuts.clear()
      },
    }
  }

  async #client(name: string): Promise<void> {
    while (!this.#isCalm) {
      await this.#clients.act(name, `group-${this.#random.below(GROUPS)}`)
      await this.#clock.sleep(this.#random.below(60))
    }
  }

  /** What nodes do beside what they are asked for, at random moments. */
  #chores(): void {
    const node = this.#pick()
    if (!node.isUp || !this.#random.chance(0.1)) return
    const { kv, volumes, disk } = node.life
    const dice = this.#random.fraction()
    if (dice < 0.4) this.#begin(disk.compact({ budgetBytes: 1_000_000, maxLiveShare: 0.9 }))
    else if (kv.isLeading) this.#begin(dice < 0.8 ? volumes.collect() : volumes.sweep())
  }

  #begin(chore: Promise<unknown>): void {
    const running = chore.then(
      () => {},
      (error: unknown) => {
        if (!isShoalError(error)) this.#problems.push(`a chore failed: ${String((error as Error).stack)}`)
      },
    )
    this.#underWay.add(running)
    void running.then(() => this.#underWay.delete(running))
  }

  /** Every copy of every chunk that files refer to is where it belongs. @returns how many chunks there are */
  async #healed(): Promise<number> {
    const chunks = await this.#chunks()
    for (const chunk of chunks) {
      let last = ''
      for (let round = 0; round < 40; round += 1) {
        const outcome = await this.#nodes[0]?.life.repairer.repair(chunk)
        last = JSON.stringify(outcome)
        if (outcome?.result === 'stored' || outcome?.result === 'lost') break
        await this.#clock.sleep(500)
      }
      if (!last.includes('stored')) this.#problems.push(`chunk ${chunk} is not stored as its class asks: ${last}`)
    }
    return chunks.size
  }

  async #chunks(): Promise<Set<ChunkId>> {
    const found = new Set<ChunkId>()
    await this.#persistently(async (node) => {
      const volume = await node.life.volumes.open(VOLUME)
      const { entries } = await volume.list(parsePath(''), { recursive: true })
      for (const { path, attributes } of entries) {
        if (attributes.type !== 'file') continue
        const located = await volume.locate(path)
        for (const { chunk } of located?.extents ?? []) if (chunk !== undefined) found.add(chunk)
      }
    })
    return found
  }

  async #check(): Promise<void> {
    for (let at = 0; at < GROUPS; at += 1)
      for (const name of ['a', 'b'] as const)
        for (const node of this.#nodes) {
          let isRead = false
          for (let round = 0; round < 40 && !isRead; round += 1) {
            isRead = await this.#clients.read({ client: 'last', group: `group-${at}`, name, node })
            if (!isRead) await this.#clock.sleep(500)
          }
          if (!isRead) this.#problems.push(`group-${at}/${name} can't be read at ${node.host}`)
        }
    for (const [group, history] of this.#clients.histories)
      if (!isLinearizable<typeof fileGroup.initial, FileCall>(history, fileGroup))
        this.#problems.push(`${group} is not linearizable: ${told(history)}`)
    await this.#persistently(async (node) => {
      const found: FsckEvent[] = []
      for await (const event of node.life.volumes.fsck({ verify: true })) if (event.kind === 'finding') found.push(event)
      for (const event of found) this.#problems.push(`fsck: ${JSON.stringify(event)}`)
    })
  }

  /** With whoever leads, again and again until it is done. */
  async #persistently(run: (node: SimulatedNode) => Promise<void>): Promise<void> {
    for (;;) {
      const node = this.#nodes.find((each) => each.isUp && each.life.kv.isLeading)
      try {
        if (node !== undefined) return await run(node)
      } catch (error) {
        if (!isShoalError(error, 'UNAVAILABLE') && !isShoalError(error, 'TIMEOUT')) throw error
      }
      await this.#clock.sleep(100)
    }
  }

  /** Time goes on until it is done. */
  async #during<T>(...running: [Promise<T>, ...Promise<unknown>[]]): Promise<T> {
    let isDone = false
    const all = Promise.all(running).finally(() => (isDone = true))
    all.catch(() => {})
    for (let ms = 0; !isDone; ms += STEP_MS) {
      if (ms > CALM_MS)
        throw new Error(`seed ${this.#options.seed}: not done after ${CALM_MS} ms; ${this.#faults.trace.join('; ')}`)
      await this.#pass()
    }
    return (await all)[0]
  }

  async #pass(): Promise<void> {
    this.#clock.advance(STEP_MS)
    await turn()
    await turn()
  }

  #pick(): SimulatedNode {
    return this.#nodes[this.#random.below(NODES)] as SimulatedNode
  }

  #tick(): number {
    this.#moment += 1
    return this.#moment
  }
}

function told(history: Clients['histories'] extends Map<string, infer H> ? H : never): string {
  return history
    .map(({ call, begin, end, client, node }) => `${begin}-${end} ${client}@${node} ${JSON.stringify(call)}`)
    .join('\n')
}
