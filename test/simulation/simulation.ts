// A whole cluster in one process: nodes with their disks, the network between them, the log they agree by, clients and an administrator,
// on a clock that stands still between steps. A seed repeats all of it.

import { setImmediate as turn } from 'node:timers/promises'
import type { Config } from '#config/settings.ts'
import { isShoalError } from '#foundation/errors.ts'
import { silentLog } from '#observe/log.ts'
import type { Log } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryDatagrams } from '#platform/memory-datagrams.ts'
import { MemoryNetwork } from '#platform/memory-sockets.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import type { Fault } from '#sharedlog/memory.ts'
import { Administrator } from './administrator.ts'
import { unrest } from './at-rest.ts'
import { Clients } from './clients.ts'
import { Connections } from './connections.ts'
import { CHUNK_SIZE_BYTES } from './contents.ts'
import type { Defects } from './defects.ts'
import { DurableCopies } from './durable-copies.ts'
import { Faults } from './faults.ts'
import type { FileCall } from './file-group.ts'
import { fileGroup } from './file-group.ts'
import { formOf } from './form.ts'
import type { Form } from './form.ts'
import { CLIENT_HOST, GatewayClient } from './gateway-client.ts'
import { HandOvers } from './hand-overs.ts'
import { isLinearizable } from './linearizability.ts'
import { NodeTime } from './node-time.ts'
import { simulatedConfig } from './settings.ts'
import { SimulatedNode } from './simulated-node.ts'
import type { Life, World } from './simulated-process.ts'
import { VOLUME } from './steps.ts'
import type { ProcessPorts } from './process-ports.ts'

/** The last one is added on the way. */
const NODES = 6
const CLIENTS = 5
const GROUPS = 3
const STEP_MS = 20
const STEPS = 400
/** How long everything may take to be well once nothing goes wrong any more. */
const CALM_MS = 180_000
const LEASE_MS = 800
/** How long what is sent takes, from a minimum to a maximum. */
const DELAY_MS = [0, 10] as const
const SLOW_DELAY_MS = [20, 250] as const

export interface SimulationOptions {
  readonly seed: number
  readonly steps?: number
  readonly defects?: Defects
  /** The trace has what the nodes log, too. */
  readonly isDetailed?: boolean
}

export interface SimulationResult {
  readonly form: Form | undefined
  /** What contradicts the promises. */
  readonly problems: readonly string[]
  readonly trace: readonly string[]
  readonly counts: { readonly acknowledged: number; readonly refused: number; readonly unknown: number }
  readonly terms: number
  readonly chunks: number
  /** How often another node came to lead because the storage of the one that led had failed. */
  readonly handOvers: number
  /** How long it took, on the simulated clock. */
  readonly endMs: number
}

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options, await simulatedConfig()).run()
}

class Simulation {
  readonly #options: SimulationOptions
  readonly #random: SeededRandom
  readonly #clock = new ManualClock()
  readonly #log: MemoryLog
  readonly #datagrams = new MemoryDatagrams()
  readonly #nodes: SimulatedNode[] = []
  readonly #times: NodeTime[] = []
  readonly #connections: Connections
  /** Hosts that don't reach the log. */
  readonly #cutLogs = new Set<string>()
  readonly #gateway: GatewayClient
  readonly #clients: Clients
  readonly #administrator: Administrator
  readonly #faults: Faults
  readonly #form: Form
  readonly #handOvers: HandOvers
  readonly #copies = new DurableCopies()
  readonly #trace: string[] = []
  readonly #problems: string[] = []
  readonly #underWay = new Set<Promise<void>>()
  #moment = 0
  #isCalm = false
  #delayMs: readonly [min: number, max: number] = DELAY_MS

  constructor(options: SimulationOptions, config: Config) {
    const { seed, defects = {} } = options
    const clock = this.#clock
    this.#options = options
    const random = new SeededRandom(seed)
    this.#random = random
    this.#form = formOf(random)
    this.#log = new MemoryLog({ clock, leaseMs: LEASE_MS })
    const network = new MemoryNetwork({ clock, random, delayMs: () => this.#delayMs })
    const world: World = {
      clock,
      network,
      datagrams: this.#datagrams,
      config,
      log: this.#report(options.isDetailed === true ? this.#detailed() : silentLog),
      defects,
      copies: this.#copies,
      openLog: (host, ports) => this.#log.client({ clock: ports.clock, fault: () => this.#logFault(host, ports) }),
      hosts: () => this.#nodes.map(({ host }) => host),
    }
    for (let at = 0; at < NODES; at += 1) {
      const time = new NodeTime(clock, random.below(21) - 10)
      this.#times.push(time)
      this.#nodes.push(new SimulatedNode(at, { world, time, seed: seed * 100 + at }))
    }
    this.#handOvers = new HandOvers(this.#nodes)
    this.#connections = new Connections(network, [CLIENT_HOST, ...this.#nodes.map(({ host }) => host)])
    this.#datagrams.loses = (from, to) => this.#connections.isCut(from.host, to.host) || (!this.#isCalm && random.chance(0.05))
    this.#gateway = new GatewayClient({ clock, network, random, repeats: defects.isRepeated === true, pick: () => this.#pick() })
    this.#clients = new Clients({ random, clock, now: () => this.#tick(), gateway: this.#gateway })
    this.#faults = new Faults(this.#faultTargets(), { random, form: this.#form })
    this.#administrator = new Administrator({
      form: this.#form,
      nodes: this.#nodes,
      spare: this.#nodes[NODES - 1] as SimulatedNode,
      gateway: this.#gateway,
      random,
      isOver: () => this.#isCalm,
      pick: () => this.#pick(),
      add: (node) => this.#faults.start(node),
      nowMs: () => clock.monotonicMs(),
      sleep: (delayMs) => clock.sleep(delayMs),
      tell: (line) => this.#tell(line),
    })
  }

  async run(): Promise<SimulationResult> {
    for (const node of this.#nodes.slice(0, -1)) this.#faults.start(node)
    await this.#during(this.#founded(), 'founding')
    const working = [...Array.from({ length: CLIENTS }, (_, at) => this.#client(`client-${at}`)), this.#administrator.run()]
    for (let at = 0; at < (this.#options.steps ?? STEPS); at += 1) {
      this.#chores()
      await this.#faults.step()
      await this.#pass()
    }
    this.#isCalm = true
    this.#faults.end()
    await this.#during(Promise.all([...working, ...this.#underWay]), 'finishing')
    const chunks = await this.#during(this.#restful(), 'coming to rest')
    await this.#during(this.#check(), 'checking')
    const terms = this.#log.leader?.epoch ?? 0
    const { counts, wrong } = this.#clients
    const { count: handOvers, problems } = this.#handOvers
    const endMs = this.#clock.monotonicMs()
    const all = [...wrong, ...problems, ...this.#copies.problems, ...this.#problems]
    for (const node of this.#nodes) node.abandon()
    return { form: this.#form, problems: all, trace: this.#trace, counts, terms, chunks, handOvers, endMs }
  }

  /** What nodes say that somebody listens to. */
  #report(told: Log): Log {
    const report: Log = {
      ...told,
      info: (message, fields) => {
        told.info(message, fields)
        if (message.startsWith('nothing that a node holds is needed')) this.#administrator.hearDrained(String(fields?.['node']))
      },
      error: (message, fields) => {
        told.error(message, fields)
        const error = fields?.['error']
        if (error instanceof Error && !isShoalError(error)) this.#problems.push(`a node reports: ${message}: ${error.stack}`)
      },
      child: () => report,
    }
    return report
  }

  /** All that nodes say. */
  #detailed(): Log {
    const shown = (_: string, value: unknown): unknown => (value instanceof Error ? value.message : value)
    const tell = (message: string, fields?: object): void => this.#tell(`  ${message} ${JSON.stringify(fields ?? {}, shown)}`)
    const log: Log = { debug: tell, info: tell, warn: tell, error: tell, child: () => log }
    return log
  }

  async #logFault(host: string, ports: ProcessPorts): Promise<Fault | undefined> {
    await this.#clock.sleep(this.#random.below(15))
    await ports.turn()
    if (this.#cutLogs.has(host)) return 'request-lost'
    if (this.#isCalm || !this.#random.chance(0.02)) return undefined
    return (['request-lost', 'answer-lost', 'request-late'] as const)[this.#random.below(3)]
  }

  #faultTargets(): ConstructorParameters<typeof Faults>[0] {
    return {
      nodes: this.#nodes,
      times: this.#times,
      cut: (from, to) => this.#connections.cut(from.host, to.host),
      cutLog: ({ host }) => void this.#cutLogs.add(host),
      slowDown: (isSlow) => (this.#delayMs = isSlow ? SLOW_DELAY_MS : DELAY_MS),
      mend: () => {
        this.#cutLogs.clear()
        this.#delayMs = DELAY_MS
        this.#connections.mend()
      },
      stand: (node, isStill) => {
        if (isStill) node.stand()
        else node.goOn()
        this.#connections.stand(node.host, isStill)
      },
      begin: (task) => this.#begin(task),
      sleep: (delayMs) => this.#clock.sleep(delayMs),
      tell: (line) => this.#tell(line),
    }
  }

  #tell(line: string): void {
    this.#trace.push(`${this.#clock.monotonicMs()} ms: ${line}`)
  }

  /** There is a volume, and all nodes of the beginning have chunks. */
  async #founded(): Promise<void> {
    for (;;) {
      const leader = this.#leader()
      const pair = leader?.chunks.records.view.layouts.get('3/1')
      if (leader !== undefined && pair?.next.nodes.length === NODES - 1 && !pair.isChanging) break
      await this.#clock.sleep(100)
    }
    await this.#persistently(({ volumes }) =>
      volumes.create(VOLUME, { chunkSizeBytes: CHUNK_SIZE_BYTES }, { principal: 'founder' }).then(() => {}),
    )
    await this.#administrator.prepare()
  }

  async #client(name: string): Promise<void> {
    while (!this.#isCalm) {
      const place = { client: name, node: this.#pick() }
      if (this.#random.chance(0.05)) await this.#clients.useSetting(place)
      else await this.#clients.act({ ...place, group: `group-${this.#random.below(GROUPS)}` })
      await this.#clock.sleep(this.#random.below(60))
    }
  }

  /** What nodes do beside what they are asked for, at random moments. */
  #chores(): void {
    const { life } = this.#pick()
    if (life === undefined || !this.#random.chance(0.05)) return
    if (this.#random.chance(0.5)) this.#begin(life.ports.orOver(life.disk.compact({ budgetBytes: 1_000_000, maxLiveShare: 0.9 })))
    else if (life.leadership.isLeading) this.#begin(life.ports.orOver(this.#compareOpened(life)))
  }

  /** A volume that counts as opened is as it was last changed, whoever changed it. */
  async #compareOpened({ volumes }: Life): Promise<void> {
    const { classesChosen } = this.#administrator
    const before = await volumes.find(VOLUME)
    const opened = (await volumes.open(VOLUME)).info
    const after = await volumes.find(VOLUME)
    const [first, between, last] = [before, opened, after].map((info) => JSON.stringify(info?.policy))
    // One after the other they may have changed it there and back.
    if (this.#administrator.classesChosen !== classesChosen) return
    if (first === last && between !== first) this.#problems.push(`a volume is opened as ${between}, and is ${first}`)
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

  /** @returns how many chunks there are once everything is where it belongs */
  async #restful(): Promise<number> {
    const untilMs = this.#clock.monotonicMs() + CALM_MS / 2
    for (;;) {
      const found = await unrest(this.#nodes).catch((error: unknown) => {
        if (!isShoalError(error)) throw error
        return { left: [error.message], chunks: 0 }
      })
      if (found.left.length === 0) return found.chunks
      if (this.#clock.monotonicMs() > untilMs) {
        this.#problems.push(...found.left)
        return found.chunks
      }
      await this.#clock.sleep(1_000)
    }
  }

  async #check(): Promise<void> {
    for (const node of this.#nodes)
      if (this.#faults.isKnown(node) && node.state !== 'up' && node.state !== 'removed' && node.state !== 'lost')
        this.#problems.push(`${node.host} is ${node.state}`)
    await Promise.all(this.#nodes.filter(({ state }) => state === 'up').map((node) => this.#readAll(node)))
    for (const [group, history] of this.#clients.histories)
      if (!isLinearizable<typeof fileGroup.initial, FileCall>(history, fileGroup))
        this.#problems.push(`${group} is not linearizable: ${told(history)}`)
    await this.#persistently(async ({ volumes }) => {
      for await (const event of volumes.fsck({ verify: true }))
        if (event.kind === 'finding') this.#problems.push(`fsck: ${JSON.stringify(event)}`)
    })
  }

  /** Everything that clients can see, at one node. */
  async #readAll(node: SimulatedNode): Promise<void> {
    for (let at = 0; at < GROUPS; at += 1)
      for (const name of ['a', 'b'] as const)
        await this.#surely(node, `group-${at}/${name}`, () =>
          this.#clients.read({ client: 'last', group: `group-${at}`, name, node }, 'rest'),
        )
    await this.#surely(node, 'the setting', () => this.#clients.readSetting({ client: 'last', node }))
  }

  async #surely(node: SimulatedNode, what: string, read: () => Promise<boolean>): Promise<void> {
    for (let round = 0; round < 20; round += 1) {
      // It may hear only now that it was removed.
      if (node.state === 'removed' || (await read())) return
      await this.#clock.sleep(500)
    }
    this.#problems.push(`${what} can't be read at ${node.host}`)
  }

  #leader(): Life | undefined {
    return this.#nodes.find((node) => node.leads !== undefined)?.leads
  }

  /** With whoever leads, again and again until it is done. */
  async #persistently(run: (life: Life) => Promise<void>): Promise<void> {
    for (;;) {
      const leader = this.#leader()
      try {
        if (leader !== undefined) return await run(leader)
      } catch (error) {
        if (!isShoalError(error, 'UNAVAILABLE') && !isShoalError(error, 'TIMEOUT')) throw error
      }
      await this.#clock.sleep(100)
    }
  }

  /** Time goes on until it is done. */
  async #during<T>(running: Promise<T>, what: string): Promise<T> {
    let isDone = false
    const ended = running.finally(() => (isDone = true))
    ended.catch(() => {})
    for (let ms = 0; !isDone; ms += STEP_MS) {
      if (ms > CALM_MS)
        throw new Error(`seed ${this.#options.seed}: ${what} not done after ${CALM_MS} ms; ${this.#trace.join('; ')}`)
      await this.#pass()
    }
    return ended
  }

  async #pass(): Promise<void> {
    this.#clock.advance(STEP_MS)
    await turn()
    await turn()
    this.#handOvers.look(STEP_MS)
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
