import { isShoalError } from '#foundation/errors.ts'
import type { SeededRandom } from '#platform/seeded-random.ts'
import type { NodeTime } from './node-time.ts'
import { GRACE_MS } from './simulated-node.ts'
import type { SimulatedNode } from './simulated-node.ts'

export interface FaultTargets {
  readonly nodes: readonly SimulatedNode[]
  readonly times: readonly NodeTime[]
  /** Nothing that the first sends reaches the second. */
  cut(from: SimulatedNode, to: SimulatedNode): void
  /** The node and the log don't reach each other. */
  cutLog(node: SimulatedNode): void
  /** All of them reach each other, and the log. */
  mend(): void
}

/** At most so many are down or cut off at a time: of five, the rest is a majority, and has a copy of everything. */
const AWAY_MAX = 2

/** Garbage is kept for longer than clocks are apart: what that time is for. */
const JUMP_MS_MAX = GRACE_MS / 4

/** Does harm, one piece at a time, within what the cluster promises to survive. */
export class Faults {
  readonly trace: string[] = []
  readonly #targets: FaultTargets
  readonly #random: SeededRandom
  /** The one whose disk loses bits: copies of the others are whole. */
  readonly #rotten: SimulatedNode
  readonly #away = new Set<SimulatedNode>()
  readonly #isStarting = new Set<SimulatedNode>()

  constructor(targets: FaultTargets, random: SeededRandom) {
    this.#targets = targets
    this.#random = random
    this.#rotten = this.#pick()
  }

  /** One step: mostly nothing. */
  async step(): Promise<void> {
    const random = this.#random
    const node = random.chance(0.3) ? (this.#leader() ?? this.#pick()) : this.#pick()
    if (!node.isUp) {
      if (random.chance(0.1) && !this.#isStarting.has(node)) await this.#start(node)
      return
    }
    const dice = random.fraction()
    if (dice < 0.012) this.#crash(node)
    else if (dice < 0.024) this.#isolate(node)
    else if (dice < 0.036) this.#cutOneWay(node)
    else if (dice < 0.044) this.#cutFromLog(node)
    else if (dice < 0.07) this.#mend()
    else if (dice < 0.076) this.#jump(node)
    else if (dice < 0.082) this.#slowDown(node)
    else if (dice < 0.088) this.#fill(node)
    else if (dice < 0.094) await this.#rot()
  }

  /** All lose their power at once, and everything is well again. */
  async end(): Promise<void> {
    this.trace.push('all lose their power')
    for (const node of this.#targets.nodes) if (node.isUp) node.crash()
    this.#mend()
    for (const node of this.#targets.nodes) {
      node.diskDelayMs = 0
      node.diskFault = () => undefined
      if (!node.isUp) await this.#start(node)
    }
  }

  #pick(): SimulatedNode {
    return this.#targets.nodes[this.#random.below(this.#targets.nodes.length)] as SimulatedNode
  }

  #leader(): SimulatedNode | undefined {
    return this.#targets.nodes.find((node) => node.isUp && node.life.kv.isLeading)
  }

  #mayGo(node: SimulatedNode): boolean {
    return this.#away.has(node) || this.#away.size < AWAY_MAX
  }

  #crash(node: SimulatedNode): void {
    if (!this.#mayGo(node)) return
    this.trace.push(`${node.host} loses its power`)
    this.#away.add(node)
    node.crash()
  }

  async #start(node: SimulatedNode): Promise<void> {
    this.#isStarting.add(node)
    try {
      await node.start()
      this.trace.push(`${node.host} starts`)
      this.#away.delete(node)
    } catch (error) {
      if (!isShoalError(error, 'NO_SPACE')) throw error
      this.trace.push(`${node.host} can't start: ${error.message}`)
    } finally {
      this.#isStarting.delete(node)
    }
  }

  #isolate(node: SimulatedNode): void {
    if (!this.#mayGo(node)) return
    this.trace.push(`${node.host} is cut off`)
    this.#away.add(node)
    this.#targets.cutLog(node)
    for (const other of this.#targets.nodes) {
      if (other === node) continue
      this.#targets.cut(node, other)
      this.#targets.cut(other, node)
    }
  }

  #cutFromLog(node: SimulatedNode): void {
    if (!this.#mayGo(node)) return
    this.trace.push(`${node.host} doesn't reach the log`)
    this.#away.add(node)
    this.#targets.cutLog(node)
  }

  #cutOneWay(node: SimulatedNode): void {
    const other = this.#pick()
    if (other === node || !this.#mayGo(node)) return
    this.trace.push(`${node.host} can't send to ${other.host}`)
    this.#away.add(node)
    this.#targets.cut(node, other)
  }

  #mend(): void {
    this.trace.push('the network is whole')
    this.#targets.mend()
    for (const node of this.#away) if (node.isUp) this.#away.delete(node)
  }

  #jump(node: SimulatedNode): void {
    const byMs = this.#random.below(2 * JUMP_MS_MAX) - JUMP_MS_MAX
    this.trace.push(`the clock of ${node.host} jumps by ${byMs} ms`)
    this.#targets.times[this.#targets.nodes.indexOf(node)]?.jump(byMs)
  }

  #slowDown(node: SimulatedNode): void {
    node.diskDelayMs = node.diskDelayMs === 0 ? 1 + this.#random.below(150) : 0
    this.trace.push(`calls to the disk of ${node.host} take up to ${node.diskDelayMs} ms`)
  }

  #fill(node: SimulatedNode): void {
    const isFull = this.#random.chance(0.5)
    this.trace.push(`the disk of ${node.host} ${isFull ? 'is full' : 'has room'}`)
    node.diskFault = (operation) => (isFull && operation === 'write' && this.#random.chance(0.5) ? 'no-space' : undefined)
  }

  async #rot(): Promise<void> {
    this.trace.push(`${this.#rotten.host} loses a bit`)
    await this.#rotten.damageChunks(this.#random)
  }
}
