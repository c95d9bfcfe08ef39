import type { NodeId } from '#foundation/ids.ts'
import type { MemberView } from '#membership/member.ts'
import { DEFAULT_NODE_SETTING, isSpread } from '#system/system-view.ts'
import type { SystemView } from '#system/system-view.ts'
import type { MemberState, TrackerMember } from '#tracker/ports.ts'

/** The nodes with chunks as the tracker sees them: what gossip tells of them, and what was decided about them. A node of a layout that nobody
 *  has heard of, or that was stopped in order, may come back with all that it has: it is silent until the layouts are without it.
 *  Nobody while all layouts are of one node. */
export function trackerMembers(
  cluster: { members(): readonly MemberView[]; readonly removed: ReadonlySet<NodeId> },
  view: Pick<SystemView, 'layouts' | 'nodes'>,
): TrackerMember[] {
  const pairs = [...view.layouts.values()]
  const placed = new Set(pairs.flatMap(({ next }) => next.nodes.map(({ id }) => id)))
  if (!isSpread(view)) return []
  const found = new Map<NodeId, TrackerMember>([...placed].map((id) => [id, { id, state: 'silent' }]))
  for (const { id, liveness, facts } of cluster.members()) {
    if (!facts.roles.includes('store')) continue
    const posture = (view.nodes.get(id) ?? DEFAULT_NODE_SETTING).state
    const state = stateOf({ liveness, isPlaced: placed.has(id), posture, hasFailed: facts.mode === 'storage-failed' })
    found.set(id, { id, state, freeBytes: facts.capacityBytes - facts.usedBytes })
  }
  return [...found.values()].filter(({ id }) => !cluster.removed.has(id))
}

function stateOf(node: {
  readonly liveness: MemberView['liveness']
  readonly isPlaced: boolean
  readonly posture: 'active' | 'readonly' | 'draining'
  readonly hasFailed: boolean
}): MemberState {
  if (node.liveness === 'suspect') return 'silent'
  if (node.liveness === 'left') return node.isPlaced ? 'silent' : 'dead'
  if (node.liveness !== 'alive') return 'dead'
  if (node.posture !== 'active') return node.posture
  // It may be able to read what it has, and keeps nothing more.
  return node.hasFailed ? 'readonly' : 'alive'
}
