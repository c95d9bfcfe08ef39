// A few replicas and their clients in one process, on one clock that stands still between steps: a seed repeats all of it.

import { setImmediate as turn } from 'node:timers/promises'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { SharedLog } from '#sharedlog/log.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import type { Fault, MemoryLogClient } from '#sharedlog/memory.ts'
import { MemoryBase, MemoryDisk } from './memory.ts'
import { ReplicatedStore } from './replicated.ts'
import { listOf, SharedList } from './shared-list.suite.ts'
import type { Seen } from './shared-list.suite.ts'
import type { StateSnapshot } from './snapshot-transfer.ts'
import type { KeyValueReader } from './store.ts'

const NODES = 3
const CLIENTS = 6
const STEP_MS = 7
const CALM_MS = 60_000
/** An append takes less. */
const SPARED_MS = 100

export interface SimulationOptions {
  readonly seed: number
  readonly steps?: number
  /** Puts something between a node and the log: a defect that must be found. */
  readonly between?: (log: MemoryLogClient) => SharedLog
  /** Which side of a store is asked. */
  readonly reader?: (store: ReplicatedStore) => KeyValueReader
}

interface Node {
  readonly id: string
  readonly disk: MemoryDisk
  log: MemoryLogClient
  store: ReplicatedStore
  isUp: boolean
  /** Nobody appends through it: whoever waits for the log shows nothing, and one that is cut off must not show what is old by now. */
  isSpared: boolean
}

export interface SimulationResult {
  readonly history: readonly Seen[]
  /** What each replica has in the end. */
  readonly lists: readonly (readonly string[])[]
  readonly terms: number
  readonly installed: number
}

class Simulation {
  readonly #random: SeededRandom
  readonly #clock = new ManualClock()
  readonly #shared: MemoryLog
  readonly #options: SimulationOptions
  readonly #nodes: Node[] = []
  readonly #list = new SharedList(() => this.#tick())
  #step = 0
  #isCalm = false
  #installed = 0

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.#shared = new MemoryLog({ clock: this.#clock, leaseMs: 400 })
  }

  async run(): Promise<SimulationResult> {
    for (let at = 0; at < NODES; at += 1) {
      const disk = new MemoryDisk()
      this.#nodes.push({ id: `node-${at}`, disk, ...this.#start(`node-${at}`, disk), isUp: true, isSpared: false })
    }
    const clients = Array.from({ length: CLIENTS }, () => this.#client())
    for (let at = 0; at < (this.#options.steps ?? 1_000); at += 1) {
      this.#disturb()
      await this.#pass()
    }
    this.#isCalm = true
    for (const node of this.#nodes) this.#recover(node)
    const lists = await this.#settle(clients)
    const terms = this.#shared.leader?.epoch as number
    await this.#wait(Promise.all(this.#nodes.map(({ store }) => store.close())))
    return { history: this.#list.history, lists, terms, installed: this.#installed }
  }

  /** Clients end, and every replica gets what there is. */
  async #settle(clients: readonly Promise<void>[]): Promise<string[][]> {
    await this.#wait(Promise.all(clients))
    const lists: string[][] = []
    for (const { store } of this.#nodes) lists.push(await this.#wait(this.#persistently(() => store.read(listOf))))
    return lists
  }

  async #persistently<T>(run: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await run()
      } catch (error) {
        if (!isShoalError(error, 'UNAVAILABLE')) throw error
        await this.#clock.sleep(50)
      }
    }
  }

  async #wait<T>(promise: Promise<T>): Promise<T> {
    let isDone = false
    const settled = promise.finally(() => (isDone = true))
    settled.catch(() => {})
    for (let ms = 0; !isDone; ms += STEP_MS) {
      if (ms > CALM_MS) throw new Error(`seed ${this.#options.seed}: not settled ${CALM_MS} ms after the last fault`)
      await this.#pass()
    }
    return settled
  }

  async #pass(): Promise<void> {
    this.#step += 1
    this.#clock.advance(STEP_MS)
    await turn()
    await turn()
  }

  #start(id: string, disk: MemoryDisk): Pick<Node, 'log' | 'store'> {
    const log = this.#shared.client({ clock: this.#clock, fault: () => this.#fault() })
    const store = new ReplicatedStore({
      base: new MemoryBase(disk),
      log: this.#options.between?.(log) ?? log,
      clock: this.#clock,
      random: this.#random,
      candidate: { id, address: id },
      keep: { entries: 30, bytes: 1_000_000 },
      snapshots: { fetchSnapshot: () => this.#fetchSnapshot(id) },
    })
    return { log, store }
  }

  async #fault(): Promise<Fault | undefined> {
    if (this.#random.chance(0.5)) await this.#clock.sleep(this.#random.below(15))
    if (this.#isCalm || !this.#random.chance(0.04)) return undefined
    return (['request-lost', 'answer-lost', 'request-late'] as const)[this.#random.below(3)]
  }

  async #fetchSnapshot(id: string): Promise<StateSnapshot> {
    const source = this.#nodes.find((node) => node.isUp && node.id !== id && node.store.isLeading)
    if (source === undefined) throw new ShoalError('UNAVAILABLE', 'Nobody leads')
    const { pages, ...rest } = source.store.snapshot()
    this.#installed += 1
    const slowly = async function* (
      clock: ManualClock,
    ): typeof pages extends infer P ? AsyncGenerator<P extends AsyncIterable<infer Page> ? Page : never> : never {
      for await (const page of pages)
        for (const entry of page) {
          await clock.sleep(1)
          yield [entry]
        }
    }
    return { ...rest, pages: slowly(this.#clock) }
  }

  #disturb(): void {
    const node = this.#nodes[this.#random.below(NODES)] as Node
    if (!node.isUp) {
      if (this.#random.chance(0.03)) this.#recover(node)
    } else if (this.#random.chance(0.008)) this.#kill(node)
    else if (this.#random.chance(0.02)) void this.#cutOff(node)
    else if (this.#random.chance(0.05)) this.#recover(node)
  }

  /** At once, in the middle of what it appends, or once it has been spared for a while. */
  async #cutOff(node: Node): Promise<void> {
    const { log } = node
    if (!node.isSpared && this.#random.chance(0.5)) {
      node.isSpared = true
      await this.#clock.sleep(SPARED_MS)
      if (!node.isSpared) return
    }
    log.partition(true)
  }

  /** From now on nothing of it reaches its disk or the log. */
  #kill(node: Node): void {
    node.isUp = false
    new MemoryBase(node.disk)
    void node.log.close()
    void node.store.close()
  }

  #recover(node: Node): void {
    if (node.isUp) node.log.partition(false)
    else Object.assign(node, this.#start(node.id, node.disk))
    node.isUp = true
    node.isSpared = false
  }

  async #client(): Promise<void> {
    while (!this.#isCalm) {
      const { store, isUp, isSpared } = this.#nodes[this.#random.below(NODES)] as Node
      if (isUp && this.#random.chance(0.5)) await this.#list.read(this.#options.reader?.(store) ?? store)
      else if (isUp && store.isLeading && !isSpared) await this.#list.append(store)
      await this.#clock.sleep(this.#random.below(40))
    }
  }

  /** A moment of its own. */
  #tick(): number {
    this.#step += 1
    return this.#step
  }
}

export function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options).run()
}
