import type { NodeId } from '#foundation/ids.ts'
import type { NodeFacts, NodeMode } from './facts.ts'
import type { Liveness } from './update.ts'

/** How a node stands, in one word: what is known of its process, and of one that runs what it says of itself. */
export type NodeState = Liveness | Exclude<NodeMode, 'active'>

/** What this node knows of a node. Values, not views: they don't change any more. */
export interface MemberView {
  readonly id: NodeId
  readonly state: NodeState
  readonly liveness: Liveness
  readonly incarnation: number
  readonly facts: NodeFacts
  /** Since when it is in this liveness, by the clock that steps are given. */
  readonly sinceMs: number
}

export type MemberChangeKind =
  /** It wasn't known, or was dead or gone, and runs. */
  | 'joined'
  /** Its facts are others. */
  | 'updated'
  | 'suspected'
  /** It was suspected wrongly. */
  | 'cleared'
  | 'died'
  | 'left'
  /** Its id is nobody's any more. */
  | 'removed'
  /** Its end was long ago. */
  | 'forgotten'

/** What became of a node, this one included. A change of facts may also come with another kind. */
export interface MemberChange {
  readonly kind: MemberChangeKind
  readonly member: MemberView
}

/** What is kept of a node: the newest that it said of itself, and the strongest word about whether it runs. The two may be
 *  of different incarnations, since a suspicion may overtake the facts that it is about. */
export interface Member {
  readonly id: NodeId
  incarnation: number
  liveness: Liveness
  sinceMs: number
  /** `undefined` while only its end was heard of: such a member isn't shown. */
  facts: NodeFacts | undefined
  factsIncarnation: number
}

/** @param stoodStillMs what the clock of the view is ahead of that of the member */
export function viewOf(member: Member & { readonly facts: NodeFacts }, stoodStillMs: number): MemberView {
  const { id, liveness, incarnation, facts, sinceMs } = member
  return { id, state: stateOf(liveness, facts), liveness, incarnation, facts, sinceMs: sinceMs + stoodStillMs }
}

export function isShown(member: Member): member is Member & { facts: NodeFacts } {
  return member.facts !== undefined
}

/** Runs, as far as this node knows. */
export function isRunning({ liveness }: Member): boolean {
  return liveness === 'alive' || liveness === 'suspect'
}

function stateOf(liveness: Liveness, { mode }: NodeFacts): NodeState {
  return liveness === 'alive' && mode !== 'active' ? mode : liveness
}
