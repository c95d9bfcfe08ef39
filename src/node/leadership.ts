import type { NodeId } from '#foundation/ids.ts'

/** Where the strong volumes are served from. */
export interface Leader {
  readonly nodeId: NodeId
  /** As other nodes reach it. */
  readonly host: string
  readonly nodePort: number
}

/** Which node answers for the strong volumes: this one, or another to which requests are passed on. */
export interface Leadership {
  readonly isLeading: boolean
  /** Nobody leads any more, and nobody will: the strong volumes were lost with their home. */
  readonly isGone?: boolean
  /** `undefined` while nobody is known to lead. That it runs is not promised. */
  leader(): Leader | undefined
  /** Calls `listener` after each change of `isLeading` or `leader()`. @returns what ends that */
  onChange(listener: () => void): () => void
}

/** Without a log that several nodes share, the node that founded the cluster is the home of all strong volumes, for good. */
export class HomeLeadership implements Leadership {
  readonly #self: NodeId
  readonly #home: NodeId
  readonly #listeners = new Set<() => void>()
  readonly #isRemoved: (node: NodeId) => boolean
  #leader: Leader | undefined

  constructor(parts: {
    readonly self: NodeId
    readonly home: NodeId
    readonly known?: Leader | undefined
    readonly isRemoved?: (node: NodeId) => boolean
  }) {
    const { self, home, known, isRemoved = () => false } = parts
    this.#self = self
    this.#home = home
    this.#leader = known
    this.#isRemoved = isRemoved
  }

  get isLeading(): boolean {
    return this.#self === this.#home
  }

  get isGone(): boolean {
    return this.#isRemoved(this.#home)
  }

  get home(): NodeId {
    return this.#home
  }

  leader(): Leader | undefined {
    return this.#leader
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What gossip tells of a node. */
  hear({ nodeId, host, nodePort }: Leader): void {
    if (nodeId !== this.#home || (this.#leader?.host === host && this.#leader.nodePort === nodePort)) return
    this.#leader = { nodeId, host, nodePort }
    for (const listener of this.#listeners) listener()
  }
}
