import type { NodeId } from '#foundation/ids.ts'
import type { WantedCopies } from './cluster-view.ts'
import type { CopyHealth } from './ports.ts'

export interface KnownCopies {
  readonly wanted: WantedCopies
  /** What the nodes that answered have. `intact` may be taken on trust, where nobody has read it. One that isn't listed may have
   *  a copy or not. */
  readonly found: ReadonlyMap<NodeId, CopyHealth>
}

/** How the copies of a chunk stand to where they belong. */
export interface Assessment {
  /** Where copies belong, seen what there is. */
  readonly targets: readonly NodeId[]
  /** Copies that count, wherever they are. */
  readonly living: readonly NodeId[]
  /** Targets that answered and lack an intact copy. */
  readonly lacking: readonly NodeId[]
  /** Targets that didn't answer. */
  readonly unknown: readonly NodeId[]
  /** Copies that nobody looks for: they may go once all others are there. */
  readonly surplus: readonly NodeId[]
  /** Every target has a copy, and there are as many as the class asks for. Only then may the surplus go. */
  readonly isComplete: boolean
  /** Fewer copies count than the class asks for. */
  readonly isShort: boolean
  /** A target takes no copy, nobody is left to take it instead, and there is one where the layouts won't look for it. */
  readonly isStranded: boolean
}

/** Compares what is with what should be. */
export function assessCopies({ wanted, found }: KnownCopies): Assessment {
  const { keepers, copies } = wanted
  const { targets, unplaced } = settleTargets(wanted, found)
  const living = [...found].filter(([, health]) => health === 'intact').map(([node]) => node)
  const lacking = targets.filter((node) => found.has(node) && found.get(node) !== 'intact')
  const unknown = targets.filter((node) => !found.has(node))
  const isComplete = targets.length > 0 && targets.length >= copies && lacking.length === 0 && unknown.length === 0
  const surplus = [...found].filter(([node, health]) => health !== 'missing' && !targets.includes(node) && !keepers.has(node))
  return {
    targets,
    living,
    lacking,
    unknown,
    surplus: surplus.map(([node]) => node),
    isComplete,
    isShort: living.length < copies,
    isStranded: unplaced > 0 && living.some((node) => !targets.includes(node)),
  }
}

/** Where a target that takes no new copies lacks one, the next substitute gets it. */
function settleTargets(
  { targets, frozen, substitutes }: WantedCopies,
  found: KnownCopies['found'],
): { targets: NodeId[]; unplaced: number } {
  const isUseless = (node: NodeId): boolean => frozen.has(node) && found.has(node) && found.get(node) !== 'intact'
  const useless = targets.filter(isUseless)
  const instead = substitutes.slice(0, useless.length)
  return { targets: [...targets.filter((node) => !isUseless(node)), ...instead], unplaced: useless.length - instead.length }
}
