import type { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Address } from '#platform/datagrams.ts'
import type { NodeFacts } from './facts.ts'
import type { MemberChange } from './member.ts'

/** What happens to a node. Bytes are plain: seals are opened before. */
export type MembershipEvent =
  /** It is `nextStepMs`. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'packet'; readonly from: Address; readonly bytes: Buffer }
  /** Another node sends its whole state; there is exactly one `answer` or `refuse` among the actions. */
  | { readonly kind: 'exchange-asked'; readonly bytes: Buffer }
  | { readonly kind: 'exchange-answered'; readonly bytes: Buffer }
  /** @throws INVALID_ARGUMENT if a fact can't be */
  | { readonly kind: 'facts'; readonly changes: Partial<NodeFacts> }
  /** Where the cluster may be found: asked as long as this node is alone, and now and then while nobody is known there. */
  | { readonly kind: 'seeds'; readonly seeds: readonly Address[] }
  /** The cluster has taken this id away from its node. */
  | { readonly kind: 'remove'; readonly id: NodeId }
  | { readonly kind: 'leave' }

/** What is to be done about it. */
export type MembershipAction =
  | { readonly kind: 'send'; readonly to: Address; readonly bytes: Buffer }
  /** Send the whole state there over TCP, and bring the answer as `exchange-answered`. */
  | { readonly kind: 'exchange'; readonly to: Address; readonly bytes: Buffer }
  | { readonly kind: 'answer'; readonly bytes: Buffer }
  | { readonly kind: 'refuse'; readonly error: ShoalError }
  | { readonly kind: 'change'; readonly change: MemberChange }
  /** Somebody else goes by this node's id: probably a copy of its data folder. */
  | { readonly kind: 'twin'; readonly facts: NodeFacts }
