import type { NodeId } from '#foundation/ids.ts'

export type CopyHealth = 'intact' | 'corrupt' | 'missing'

/** What is known about the copies of one chunk. */
export interface CopySurvey {
  /** The nodes that shall have a copy. */
  readonly holders: readonly NodeId[]
  /** What the nodes that answered have. One that isn't listed could not be asked: it may have a copy or not. */
  readonly found: ReadonlyMap<NodeId, CopyHealth>
  /** Nodes that could not be asked, holders and those that may stand in for them. */
  readonly silent?: readonly NodeId[]
}

/** What has to be done about it. */
export interface RepairPlan {
  /** How many nodes have an intact copy. */
  readonly intact: number
  /** Holders that lack an intact copy and can be sent one from any of `sources`. */
  readonly targets: readonly NodeId[]
  /** Nodes with an intact copy, holders first. */
  readonly sources: readonly NodeId[]
  /** Holders that could not be asked: the chunk isn't done yet. */
  readonly unknown: readonly NodeId[]
  /** Nodes whose copy is one too many, and may go: only once every holder has an intact one. */
  readonly surplus: readonly NodeId[]
  /** No node that answered has an intact copy, so nothing can be done now. */
  readonly isLost: boolean
  /** Somebody may have a copy and could not be asked. */
  readonly isUnsure: boolean
}

/** Compares what is with what should be. Nothing is lost by carrying out the plan in any order, in parts, or twice. */
export function planRepairs({ holders, found, silent = [] }: CopySurvey): RepairPlan {
  const has = (node: NodeId, health: CopyHealth): boolean => found.get(node) === health
  const strays = [...found.keys()].filter((node) => !holders.includes(node))
  const sources = [...holders, ...strays].filter((node) => has(node, 'intact'))
  const isComplete = holders.length > 0 && holders.every((node) => has(node, 'intact'))
  const unknown = holders.filter((node) => !found.has(node))
  return {
    intact: sources.length,
    sources,
    targets: sources.length === 0 ? [] : holders.filter((node) => has(node, 'missing') || has(node, 'corrupt')),
    unknown,
    surplus: isComplete ? strays.filter((node) => !has(node, 'missing')) : [],
    isLost: sources.length === 0,
    isUnsure: unknown.length > 0 || silent.length > 0,
  }
}
