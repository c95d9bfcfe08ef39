import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { LayoutPair } from '#placement/layout-pair.ts'
import type { ClassLayouts, ClusterSource, MemberState } from './ports.ts'

/** Where the copies of a chunk belong now. */
export interface WantedCopies {
  /** Nodes that shall have one: the holders of the layouts, and who stands in for those that are dead or draining. */
  readonly targets: readonly NodeId[]
  /** Targets that take no new copies, so that what they lack goes to one of `substitutes` each. */
  readonly frozen: ReadonlySet<NodeId>
  readonly substitutes: readonly NodeId[]
  /** Nodes whose copy stays whether it is a target or not: where readers look for it first, and all that are readonly. */
  readonly keepers: ReadonlySet<NodeId>
  /** Nodes that may have been written to in place of a holder. */
  readonly spares: readonly NodeId[]
  /** How many copies the most demanding class asks for. */
  readonly copies: number
}

/** Writers let so many nodes stand in at most, as `replication` has it. */
const SPARES_MAX = 16

/** Members and layouts as they are at one moment: what one step of a task goes by. */
export class ClusterView {
  readonly layouts: ClassLayouts
  readonly #states: ReadonlyMap<NodeId, MemberState>
  /** By class and partition, or by all classes and partition where there are several. */
  readonly #wanted = new Map<string, WantedCopies>()

  constructor(states: ReadonlyMap<NodeId, MemberState>, layouts: ClassLayouts) {
    this.#states = states
    this.layouts = layouts
  }

  static of(source: ClusterSource): ClusterView {
    return new ClusterView(new Map(source.members().map(({ id, state }) => [id, state])), source.layouts())
  }

  /** Those whose chunks count: the dead are left out, and the silent are asked in case they answer. */
  get nodes(): readonly NodeId[] {
    return [...this.#states].filter(([, state]) => state !== 'dead').map(([node]) => node)
  }

  nodesIn(wanted: MemberState): readonly NodeId[] {
    return [...this.#states].filter(([, state]) => state === wanted).map(([node]) => node)
  }

  /** A node that is no member any more is as dead as one that was declared so. */
  stateOf(node: NodeId): MemberState {
    return this.#states.get(node) ?? 'dead'
  }

  /** Whether so many members are more than half of all, the dead included. */
  isQuorum(answered: number): boolean {
    return answered > this.#states.size / 2
  }

  /** Names the layouts by their versions. */
  get layoutMark(): string {
    const versions = [...this.layouts].map(([name, { next, previous }]) => `${name}:${previous?.version ?? ''}>${next.version}`)
    return versions.toSorted().join(' ')
  }

  /** Names the layouts, and who takes no copies though they have it: what was written meanwhile lies elsewhere, until it does again. */
  get placesMark(): string {
    return [this.layoutMark, ...[...this.nodesIn('readonly'), ...this.nodesIn('full')].toSorted()].join(', ')
  }

  /** Names what decides where copies belong: the layouts, and who doesn't hold what it should. */
  get mark(): string {
    const away = [...this.#states].filter(([, state]) => state !== 'alive' && state !== 'silent')
    return [this.layoutMark, ...away.map(([node, state]) => `${node} ${state}`).toSorted()].join(', ')
  }

  get classes(): readonly string[] {
    return [...this.layouts.keys()]
  }

  /** The most copies that any class asks for. */
  get copiesMax(): number {
    return Math.max(0, ...[...this.layouts.values()].map(({ next }) => next.copies))
  }

  /** Whether a layout that holds, or the one before it, has the node. */
  isInLayouts(node: NodeId): boolean {
    const pairs = [...this.layouts.values()]
    return pairs.some(({ next, previous }) => next.zoneOf(node) !== undefined || previous?.zoneOf(node) !== undefined)
  }

  /** Where copies of a chunk of these classes belong; a class that nobody knows is ignored. */
  wanted(id: ChunkId, classes: readonly string[]): WantedCopies {
    const key = `${id.slice(0, 4)} ${classes.join(' ')}`
    const known = this.#wanted.get(key)
    if (known !== undefined) return known
    const wanted = this.#compute(id, classes)
    // A walk goes by ascending ids: what it has passed it doesn't ask for again.
    if (this.#wanted.size >= 4_096) this.#wanted.clear()
    this.#wanted.set(key, wanted)
    return wanted
  }

  #compute(id: ChunkId, classes: readonly string[]): WantedCopies {
    const targets = new Set<NodeId>()
    const keepers = new Set<NodeId>(this.nodesIn('readonly'))
    const spares = new Set<NodeId>()
    const substitutes = new Set<NodeId>()
    let copies = 0
    for (const name of classes) {
      const pair = this.layouts.get(name)
      if (pair === undefined) continue
      copies = Math.max(copies, pair.next.copies)
      for (const node of pair.readers(id)) keepers.add(node)
      for (const node of pair.next.candidates(id).slice(0, SPARES_MAX)) spares.add(node)
      const placed = this.#place(id, pair)
      for (const node of placed.targets) targets.add(node)
      for (const node of placed.substitutes) substitutes.add(node)
    }
    return {
      targets: [...targets],
      frozen: new Set([...targets].filter((node) => this.#isFrozen(node))),
      substitutes: [...substitutes].filter((node) => !targets.has(node)),
      keepers,
      spares: [...spares],
      copies,
    }
  }

  #place(id: ChunkId, pair: LayoutPair): { targets: NodeId[]; substitutes: NodeId[] } {
    const holders = pair.writers(id)
    const targets = holders.filter((node) => this.#mayHold(node))
    const zones = new Set(targets.map((node) => pair.next.zoneOf(node)))
    const candidates = pair.next.candidates(id).filter((node) => this.stateOf(node) === 'alive')
    const take = (): NodeId => {
      const elsewhere = candidates.findIndex((node) => !zones.has(pair.next.zoneOf(node)))
      const [node] = candidates.splice(Math.max(0, elsewhere), 1) as [NodeId]
      zones.add(pair.next.zoneOf(node))
      return node
    }
    while (targets.length < pair.next.copies && candidates.length > 0) targets.push(take())
    // Those that are there in place of a frozen one, in the order in which writers let them stand in.
    zones.clear()
    for (const node of targets) if (!this.#isFrozen(node)) zones.add(pair.next.zoneOf(node))
    const substitutes: NodeId[] = []
    while (substitutes.length < SPARES_MAX && candidates.length > 0) substitutes.push(take())
    return { targets, substitutes }
  }

  /** A silent one may have its copy: nobody stands in for it yet. */
  #mayHold(node: NodeId): boolean {
    const state = this.stateOf(node)
    return state === 'alive' || state === 'silent' || this.#isFrozen(node)
  }

  #isFrozen(node: NodeId): boolean {
    const state = this.stateOf(node)
    return state === 'readonly' || state === 'full'
  }
}
