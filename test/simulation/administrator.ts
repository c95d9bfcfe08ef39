import type { SeededRandom } from '#platform/seeded-random.ts'
import type { Answer, GatewayClient, Request } from './gateway-client.ts'
import type { SimulatedNode } from './simulated-node.ts'

export interface AdministratorOptions {
  readonly nodes: readonly SimulatedNode[]
  /** That may join, and don't run yet. */
  readonly spare: SimulatedNode
  readonly gateway: GatewayClient
  readonly random: SeededRandom
  readonly isOver: () => boolean
  pick(): SimulatedNode
  add(node: SimulatedNode): void
  sleep(delayMs: number): Promise<void>
  tell(line: string): void
}

const PAUSE_MS_MAX = 2_000

/** Adds a node, takes one away once what it has is elsewhere, and changes her mind about others, while everything goes on. */
export class Administrator {
  readonly #options: AdministratorOptions
  readonly #drained = new Set<string>()
  #hasAdded = false
  #leaving: SimulatedNode | undefined

  constructor(options: AdministratorOptions) {
    this.#options = options
  }

  /** The tracker says that nothing is needed any more from a node. */
  hearDrained(id: string): void {
    this.#drained.add(id)
  }

  async run(): Promise<void> {
    const { isOver, random, sleep } = this.#options
    while (!isOver()) {
      await sleep(random.below(PAUSE_MS_MAX))
      if (!isOver()) await this.#act()
    }
    // Nobody is left half drained, so that it can be told where everything belongs.
    if (this.#leaving !== undefined) await this.#end(this.#leaving, { waits: random.chance(0.7) })
  }

  async #end(node: SimulatedNode, { waits }: { readonly waits: boolean }): Promise<void> {
    for (let tries = 0; waits && tries < 60; tries += 1) {
      if (this.#drained.has(node.id)) {
        this.#options.tell(`${node.host} is removed`)
        return this.#surely(node, 'remove')
      }
      await this.#options.sleep(500)
    }
    this.#options.tell(`${node.host} is taken back`)
    await this.#surely(node, 'activate')
  }

  async #act(): Promise<void> {
    const { random } = this.#options
    const leaving = this.#leaving
    if (leaving !== undefined) return this.#goOnWith(leaving)
    const dice = random.fraction()
    if (dice < 0.3 && !this.#hasAdded) this.#add()
    else if (dice < 0.7) await this.#begin(this.#options.nodes[random.below(this.#options.nodes.length)] as SimulatedNode)
  }

  #add(): void {
    const { spare, tell, add } = this.#options
    this.#hasAdded = true
    tell(`${spare.host} is added`)
    add(spare)
  }

  /** One at a time, and only while five are left. */
  async #begin(node: SimulatedNode): Promise<void> {
    const { nodes } = this.#options
    const there = nodes.filter(({ state }) => state === 'up')
    if (!there.includes(node) || there.length < 5) return
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
      await this.#surely(node, 'activate')
      this.#leaving = undefined
    }
  }

  /** What was asked for may be done later than what is asked for now: it is done when the answer says so. */
  async #surely(node: SimulatedNode, what: 'activate' | 'remove'): Promise<void> {
    for (let tries = 0; tries < 100; tries += 1) {
      const { kind } = await this.#ask(node, what)
      if (kind === 'done' || kind === 'failed') return
      await this.#options.sleep(200)
    }
  }

  #ask(node: SimulatedNode, what: 'drain' | 'activate' | 'remove'): Promise<Answer> {
    const request: Request = { method: 'POST', target: `nodes/${node.id}/${what}` }
    return this.#options.gateway.send(this.#options.pick(), request)
  }
}
