import { isShoalError } from '#foundation/errors.ts'
import type { SeededRandom } from '#platform/seeded-random.ts'
import type { Form } from './form.ts'
import type { NodeTime } from './node-time.ts'
import { GRACE_MS } from './settings.ts'
import type { SimulatedNode } from './simulated-node.ts'

export interface FaultTargets {
  readonly nodes: readonly SimulatedNode[]
  readonly times: readonly NodeTime[]
  /** Nothing that the first sends reaches the second. */
  cut(from: SimulatedNode, to: SimulatedNode): void
  /** The node and the log don't reach each other. */
  cutLog(node: SimulatedNode): void
  /** What is sent takes longer from now on, or as usual. */
  slowDown(isSlow: boolean): void
  /** All of them reach each other, and the log, as fast as usual. */
  mend(): void
  /** The process stands still, or goes on. */
  stand(node: SimulatedNode, isStill: boolean): void
  /** Does it beside everything else. */
  begin(task: Promise<unknown>): void
  sleep(delayMs: number): Promise<void>
  tell(line: string): void
}

/** At most so many are down or cut off at a time: of five, the rest is a majority, and has a copy of everything. */
const AWAY_MAX = 2

/** Garbage is kept for longer than clocks are apart: what that time is for. */
const JUMP_MS_MAX = GRACE_MS / 8
const STILL_MS_MAX = 3_000
/** That a machine which others don't reach is lost for good, in each step. */
const LOSS_CHANCE = 0.04
/** For how long disks are full before the node that leads is lost, at least. */
const FULL_MS_MIN = 500

/** Does harm, one piece at a time, within what the cluster promises to survive. */
export class Faults {
  readonly #targets: FaultTargets
  readonly #random: SeededRandom
  readonly #form: Form
  /** The one whose disk loses bits, or whose machine is lost: copies of the others are whole. */
  #doomed: SimulatedNode
  readonly #away = new Set<SimulatedNode>()
  readonly #still = new Set<SimulatedNode>()
  readonly #known = new Set<SimulatedNode>()
  #isDooming = false
  #isOver = false

  constructor(targets: FaultTargets, options: { readonly random: SeededRandom; readonly form: Form }) {
    this.#targets = targets
    this.#random = options.random
    this.#form = options.form
    this.#doomed = this.#pick()
  }

  /** One step: mostly nothing. */
  async step(): Promise<void> {
    const random = this.#random
    // The others may not have yet what it was the only one to have.
    if (this.#form === 'loss' && this.#away.has(this.#doomed) && random.chance(LOSS_CHANCE)) this.#lose()
    const node = random.chance(0.3) ? (this.#leader() ?? this.#pick()) : this.#pick()
    if (node.state === 'down' && this.isKnown(node) && random.chance(0.1)) this.start(node)
    if (node.state === 'up' && node.disks.isBroken && random.chance(0.1)) this.#crash(node)
    if (node.state !== 'up' || this.#still.has(node)) return
    const dice = random.fraction()
    if (dice < 0.01) this.#crash(node)
    else if (dice < 0.014) this.#restart(node)
    else if (dice < 0.02) this.#pause(node)
    else if (dice < 0.027) this.#isolate(node)
    else if (dice < 0.037) this.#cutOneWay(node)
    else if (dice < 0.044) this.#cutFromLog(node)
    else if (dice < 0.048) this.#cutInTwo()
    else if (dice < 0.052) this.#slowDownNetwork()
    else if (dice < 0.075) this.#mend()
    else if (dice < 0.081) this.#jump(node)
    else if (dice < 0.087) this.#slowDown(node)
    else if (dice < 0.093) this.#fill(node)
    else if (dice < 0.096) this.#break(node)
    else if (dice < 0.104) await this.#doom()
    else if (dice < 0.107) this.#breakLeader()
  }

  /** All lose their power at once, and everything is well again. */
  end(): void {
    const { nodes, tell } = this.#targets
    tell('all lose their power')
    this.#isOver = true
    for (const node of this.#still) this.#goOn(node)
    for (const node of nodes) if (node.state === 'up' || node.state === 'starting') node.crash()
    this.#mend()
    for (const node of nodes) {
      node.disks.delayMs = 0
      node.disks.state = 'well'
      if (this.isKnown(node) && node.state === 'down') this.start(node)
    }
  }

  /** Whether it was ever started. */
  isKnown(node: SimulatedNode): boolean {
    return this.#known.has(node)
  }

  /** What a node that was never started is started by, too. */
  start(node: SimulatedNode): void {
    this.#known.add(node)
    this.#targets.begin(this.#start(node))
  }

  async #start(node: SimulatedNode): Promise<void> {
    const { tell } = this.#targets
    try {
      await node.start()
      if (node.state !== 'up') return
      tell(`${node.host} starts`)
      if (!this.#still.has(node) && !node.disks.isBroken) this.#away.delete(node)
    } catch (error) {
      if (!isShoalError(error)) throw error
      tell(`${node.host} can't start: ${error.message}`)
    }
  }

  #pick(): SimulatedNode {
    return this.#targets.nodes[this.#random.below(this.#targets.nodes.length)] as SimulatedNode
  }

  #leader(): SimulatedNode | undefined {
    return this.#targets.nodes.find((node) => node.leads !== undefined)
  }

  #mayGo(node: SimulatedNode): boolean {
    for (const each of this.#away) if (each.state === 'removed') this.#away.delete(each)
    return this.#away.has(node) || this.#away.size < AWAY_MAX
  }

  #crash(node: SimulatedNode): void {
    if (!this.#mayGo(node)) return
    this.#targets.tell(`${node.host} loses its power`)
    this.#away.add(node)
    node.crash()
  }

  #restart(node: SimulatedNode): void {
    if (!this.#mayGo(node)) return
    this.#targets.tell(`${node.host} is stopped in order`)
    this.#away.add(node)
    this.#targets.begin(node.stop())
  }

  #pause(node: SimulatedNode): void {
    if (!this.#mayGo(node)) return
    const { tell, stand, sleep, begin } = this.#targets
    const forMs = this.#random.below(STILL_MS_MAX)
    tell(`${node.host} stands still for ${forMs} ms`)
    this.#away.add(node)
    this.#still.add(node)
    stand(node, true)
    begin(sleep(forMs).then(() => this.#goOn(node)))
  }

  #goOn(node: SimulatedNode): void {
    if (!this.#still.delete(node)) return
    this.#targets.tell(`${node.host} goes on`)
    this.#targets.stand(node, false)
  }

  #isolate(node: SimulatedNode): void {
    if (!this.#mayGo(node)) return
    this.#targets.tell(`${node.host} is cut off`)
    this.#away.add(node)
    this.#targets.cutLog(node)
    for (const other of this.#targets.nodes) {
      if (other === node) continue
      this.#targets.cut(node, other)
      this.#targets.cut(other, node)
    }
  }

  /** Some reach each other, and the others each other. All reach the log: it may be in either part, or between them. */
  #cutInTwo(): void {
    const { nodes, cut, tell } = this.#targets
    const away = nodes.filter((node) => node.state === 'up' && !this.#away.has(node)).slice(0, AWAY_MAX - this.#away.size)
    if (away.length === 0) return
    tell(`${away.map(({ host }) => host).join(' and ')} are cut off from the others`)
    for (const node of away) this.#away.add(node)
    const parts = [away, nodes.filter((node) => !away.includes(node))] as const
    for (const one of parts[0])
      for (const other of parts[1]) {
        cut(one, other)
        cut(other, one)
      }
  }

  #slowDownNetwork(): void {
    this.#targets.tell('the network is slow')
    this.#targets.slowDown(true)
  }

  #cutFromLog(node: SimulatedNode): void {
    if (!this.#mayGo(node)) return
    this.#targets.tell(`${node.host} doesn't reach the log`)
    this.#away.add(node)
    this.#targets.cutLog(node)
  }

  #cutOneWay(node: SimulatedNode): void {
    const other = this.#pick()
    if (other === node || !this.#mayGo(node)) return
    this.#targets.tell(`${node.host} can't send to ${other.host}`)
    this.#away.add(node)
    this.#targets.cut(node, other)
  }

  #mend(): void {
    this.#targets.tell('the network is whole')
    this.#targets.mend()
    for (const node of this.#away)
      if (node.state === 'up' && !this.#still.has(node) && !node.disks.isBroken) this.#away.delete(node)
  }

  #jump(node: SimulatedNode): void {
    const byMs = this.#random.below(2 * JUMP_MS_MAX) - JUMP_MS_MAX
    this.#targets.tell(`the clock of ${node.host} jumps by ${byMs} ms`)
    this.#targets.times[this.#targets.nodes.indexOf(node)]?.jump(byMs)
  }

  #slowDown(node: SimulatedNode): void {
    const { disks } = node
    disks.delayMs = disks.delayMs === 0 ? 1 + this.#random.below(150) : 0
    this.#targets.tell(`calls to the disk of ${node.host} take up to ${disks.delayMs} ms`)
  }

  #fill(node: SimulatedNode): void {
    if (node.disks.isBroken) return
    const isFull = this.#random.chance(0.5)
    this.#targets.tell(`the disk of ${node.host} ${isFull ? 'is full' : 'has room'}`)
    node.disks.state = isFull ? 'full' : 'well'
  }

  /** It can't be written until the machine is switched off and on. */
  #break(node: SimulatedNode): void {
    if (!this.#mayGo(node)) return
    const state = this.#random.chance(0.5) ? 'broken' : 'half-broken'
    this.#targets.tell(`the disk of ${node.host} is ${state}`)
    this.#away.add(node)
    node.disks.state = state
  }

  /** Whoever leads writes all the time, and has to let another one lead. */
  #breakLeader(): void {
    const leader = this.#leader()
    if (leader !== undefined && !this.#still.has(leader)) this.#break(leader)
  }

  async #doom(): Promise<void> {
    if (this.#form === 'rot') await this.#rot()
    else if (this.#form === 'loss' && this.#random.chance(0.5)) this.#loseLeader()
    else if (this.#form === 'loss') this.#lose()
  }

  async #rot(): Promise<void> {
    this.#targets.tell(`${this.#doomed.host} loses a bit`)
    await this.#doomed.damageChunks(this.#random)
  }

  /** The node that leads is lost while the others have hardly any room: so is whatever it alone has a copy of. */
  #loseLeader(): void {
    const leader = this.#leader()
    if (leader === undefined || this.#isDooming || this.#doomed.state === 'lost' || !this.#mayGo(leader)) return
    this.#isDooming = true
    this.#doomed = leader
    const { nodes, tell, begin, sleep } = this.#targets
    tell(`all disks but that of ${leader.host} are full`)
    const others = nodes.filter((node) => node !== leader && node.disks.state === 'well')
    for (const { disks } of others) disks.state = 'full'
    const lose = (): void => {
      this.#isDooming = false
      for (const { disks } of others) if (disks.state === 'full') disks.state = 'well'
      if (!this.#isOver) this.#lose()
    }
    begin(sleep(FULL_MS_MIN + this.#random.below(FULL_MS_MIN)).then(lose))
  }

  #lose(): void {
    const node = this.#doomed
    if (node.state !== 'up' || !this.#mayGo(node)) return
    this.#targets.tell(`${node.host} is lost for good`)
    this.#away.add(node)
    node.lose()
  }
}
