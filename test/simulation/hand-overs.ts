import type { SimulatedNode } from './simulated-node.ts'
import type { Life } from './simulated-process.ts'

/** For how long a node may lead whose storage has failed, and that knows of another one: it stops at once. */
const LED_MS_MAX = 100

/** What becomes of the lead once the storage of the node that leads has failed: it leads no more, and another node does. */
export class HandOvers {
  /** How often another node came to lead then. */
  count = 0
  readonly problems: string[] = []
  readonly #nodes: readonly SimulatedNode[]
  /** The last one that led. */
  #leading: Life | undefined
  /** How long each has led on. */
  readonly #ledMs = new Map<Life, number>()

  constructor(nodes: readonly SimulatedNode[]) {
    this.#nodes = nodes
  }

  /** To be called at each step, `passedMs` after the one before. */
  look(passedMs: number): void {
    for (const node of this.#nodes) {
      const { leads } = node
      if (leads === undefined) continue
      if (leads.latch.failed) this.#judge(node, leads, passedMs)
      else if (this.#hasFailed(this.#leading)) this.count += 1
      this.#leading = leads
    }
  }

  /** And runs on, so that it has handed over. */
  #hasFailed(life: Life | undefined): boolean {
    return life?.latch.failed === true && this.#nodes.some((node) => node.life === life)
  }

  #judge({ id, host }: SimulatedNode, life: Life, passedMs: number): void {
    const knowsOthers = life.cluster.members().some((member) => member.id !== id && member.liveness === 'alive')
    if (!knowsOthers || life.ports.isStill) return
    const ledMs = (this.#ledMs.get(life) ?? 0) + passedMs
    this.#ledMs.set(life, ledMs)
    if (ledMs > LED_MS_MAX && ledMs - passedMs <= LED_MS_MAX)
      this.problems.push(`${host} leads on, though its storage has failed`)
  }
}
