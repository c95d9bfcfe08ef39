import type { SeededRandom } from '#platform/seeded-random.ts'
import { CLASSES } from './form.ts'
import type { Form } from './form.ts'
import type { GatewayClient } from './gateway-client.ts'
import type { Answer, Request } from './requests.ts'
import type { SimulatedNode } from './simulated-node.ts'
import { VOLUME } from './steps.ts'

export interface AdministratorOptions {
  readonly form: Form
  readonly nodes: readonly SimulatedNode[]
  /** That may join, and don't run yet. */
  readonly spare: SimulatedNode
  readonly gateway: GatewayClient
  readonly random: SeededRandom
  readonly isOver: () => boolean
  pick(): SimulatedNode
  add(node: SimulatedNode): void
  nowMs(): number
  sleep(delayMs: number): Promise<void>
  tell(line: string): void
}

const PAUSE_MS_MAX = 2_000
/** What was asked for before, and nobody knows of, is done by then or never. */
const LATE_MS = 10_000
const WEIGHTS = [0.5, 1, 2]

/** Adds a node, takes one away once what it has is elsewhere, changes weights, classes and her mind, and removes what is lost, while everything goes on. */
export class Administrator {
  readonly #options: AdministratorOptions
  readonly #drained = new Set<string>()
  readonly #removed = new Set<SimulatedNode>()
  #classes = 0
  #hasAdded = false
  #leaving: SimulatedNode | undefined
  #readonly: SimulatedNode | undefined
  /** When what makes that node readonly is surely done, or never will be. */
  #readonlySurelyMs = 0

  constructor(options: AdministratorOptions) {
    this.#options = options
  }

  /** The tracker says that nothing is needed any more from a node. */
  hearDrained(id: string): void {
    this.#drained.add(id)
  }

  /** How often the volume was to get another class. */
  get classesChosen(): number {
    return this.#classes
  }

  /** Makes the classes that there will be. */
  async prepare(): Promise<void> {
    const { form } = this.#options
    for (const made of CLASSES[form]) await this.#surely({ method: 'POST', target: 'classes', content: json(made) })
  }

  async run(): Promise<void> {
    const { isOver, random, nowMs, sleep } = this.#options
    while (!isOver()) {
      await sleep(random.below(PAUSE_MS_MAX))
      if (!isOver()) await this.#act()
    }
    // Nobody is left half drained or without what is written now, so that it can be told where everything belongs.
    if (this.#readonly !== undefined) {
      await sleep(Math.max(0, this.#readonlySurelyMs - nowMs()))
      await this.#change(this.#readonly, 'activate')
    }
    if (this.#leaving !== undefined) await this.#end(this.#leaving, { waits: random.chance(0.7) })
    if (random.chance(0.5)) await this.#removeLost()
  }

  async #end(node: SimulatedNode, { waits }: { readonly waits: boolean }): Promise<void> {
    for (let tries = 0; waits && tries < 60; tries += 1) {
      if (this.#drained.has(node.id)) {
        this.#options.tell(`${node.host} is removed`)
        return this.#change(node, 'remove')
      }
      await this.#options.sleep(500)
    }
    this.#options.tell(`${node.host} is taken back`)
    await this.#change(node, 'activate')
  }

  async #act(): Promise<void> {
    const { random } = this.#options
    const dice = random.fraction()
    if (dice < 0.15) await this.#weigh()
    else if (dice < 0.3) await this.#choosePosture()
    else if (dice < 0.5) await this.#chooseClass()
    else if (dice < 0.6) await this.#removeLost()
    else if (this.#leaving !== undefined) await this.#goOnWith(this.#leaving)
    else if (dice < 0.75 && !this.#hasAdded) this.#add()
    else await this.#begin(this.#any())
  }

  #add(): void {
    const { spare, tell, add } = this.#options
    this.#hasAdded = true
    tell(`${spare.host} is added`)
    add(spare)
  }

  /** One at a time, and only while five are left. */
  async #begin(node: SimulatedNode): Promise<void> {
    const there = this.#there()
    if (!there.includes(node) || there.length < 5 || node === this.#readonly) return
    this.#drained.delete(node.id)
    const answer = await this.#ask(node, 'drain')
    if (answer.kind === 'refused') return
    this.#leaving = node
    this.#options.tell(`${node.host} is drained`)
  }

  async #goOnWith(node: SimulatedNode): Promise<void> {
    const { random, tell } = this.#options
    if (this.#drained.has(node.id)) {
      const answer = await this.#ask(node, 'remove')
      if (answer.kind !== 'done') return
      tell(`${node.host} is removed`)
      this.#leaving = undefined
    } else if (random.chance(0.1)) {
      tell(`${node.host} is taken back`)
      await this.#change(node, 'activate')
      this.#leaving = undefined
    }
  }

  async #removeLost(): Promise<void> {
    const { nodes, tell } = this.#options
    const lost = nodes.find((node) => node.state === 'lost' && !this.#removed.has(node))
    if (lost === undefined) return
    if (lost === this.#leaving) this.#leaving = undefined
    if (lost === this.#readonly) this.#readonly = undefined
    this.#removed.add(lost)
    tell(`${lost.host}, which was lost, is removed`)
    await this.#change(lost, 'remove?force')
  }

  async #weigh(): Promise<void> {
    const { random, tell } = this.#options
    const node = this.#any()
    if (node.state !== 'up') return
    const weight = WEIGHTS[random.below(WEIGHTS.length)]
    const { kind } = await this.#send({ method: 'PUT', target: `nodes/${node.id}/weight`, content: json({ weight }) })
    if (kind === 'done') tell(`${node.host} has the weight ${weight}`)
  }

  async #choosePosture(): Promise<void> {
    const { tell, nowMs } = this.#options
    const before = this.#readonly
    if (before !== undefined) {
      const { kind } = await this.#ask(before, 'activate')
      if (kind !== 'done') return
      tell(`${before.host} takes chunks again`)
      this.#readonly = undefined
      return
    }
    const node = this.#any()
    if (!this.#there().includes(node) || node === this.#leaving) return
    const { kind } = await this.#ask(node, 'readonly')
    if (kind === 'refused') return
    tell(`${node.host} takes no more chunks`)
    this.#readonly = node
    this.#readonlySurelyMs = nowMs() + (kind === 'done' ? 0 : LATE_MS)
  }

  async #chooseClass(): Promise<void> {
    const { random, form, tell } = this.#options
    if (random.chance(0.2)) {
      const copies = form === 'thin' ? 1 + random.below(3) : 2 + random.below(2)
      const { kind } = await this.#send({ method: 'PATCH', target: 'classes/pair', content: json({ copies }) })
      if (kind === 'done') tell(`the class pair has ${copies} copies`)
      return
    }
    const names = ['default', ...CLASSES[form].map(({ name }) => name)]
    const name = names[random.below(names.length)]
    this.#classes += 1
    // Cut off on the way, it has to be asked for again.
    const key = `class-${this.#classes}`
    await this.#surely({ method: 'PATCH', target: `volumes/${VOLUME}`, content: json({ class: name }), key })
    tell(`the volume has the class ${name}`)
  }

  #any(): SimulatedNode {
    const { nodes, random } = this.#options
    return nodes[random.below(nodes.length)] as SimulatedNode
  }

  #there(): readonly SimulatedNode[] {
    return this.#options.nodes.filter(({ state }) => state === 'up')
  }

  #change(node: SimulatedNode, what: 'activate' | 'remove' | 'remove?force'): Promise<void> {
    return this.#surely({ method: 'POST', target: `nodes/${node.id}/${what}` })
  }

  /** What was asked for may be done later than what is asked for now: it is done when the answer says so. */
  async #surely(request: Request): Promise<void> {
    for (let tries = 0; tries < 100; tries += 1) {
      const { kind } = await this.#send(request)
      if (kind === 'done' || kind === 'failed') return
      await this.#options.sleep(200)
    }
  }

  #ask(node: SimulatedNode, what: 'drain' | 'readonly' | 'activate' | 'remove'): Promise<Answer> {
    return this.#send({ method: 'POST', target: `nodes/${node.id}/${what}` })
  }

  #send(request: Request): Promise<Answer> {
    return this.#options.gateway.send(this.#options.pick(), request)
  }
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}
