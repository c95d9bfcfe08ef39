import type { NodeId } from '#foundation/ids.ts'
import { type HybridTime, msOf } from './hybrid-clock.ts'
import { kindRange } from './keys.ts'
import type { Replica } from './replica.ts'

/** What is counted at most: reading a status takes some milliseconds, whatever there is. */
export const COUNTED_MAX = 10_000

export interface EventualStatus {
  readonly members: readonly NodeId[]
  /** News that this node still tells. */
  readonly rumours: number
  /** News that there was no room for, and versions refused as too far in the future, since the start. */
  readonly rumoursRefused: number
  readonly refusedFuture: number
  /** Paths with versions that lost, and removals that are still remembered; `COUNTED_MAX` means that many or more. */
  readonly conflicts: number
  readonly removals: number
  /** Every member has everything that was written up to then, in milliseconds since 1970; 0 if that is not known of any time. */
  readonly settledUpToMs: number
  /** By member, what this node has of it: everything up to then, in milliseconds since 1970; 0 for nothing yet. */
  readonly caughtUpToMs: ReadonlyMap<NodeId, number>
}

/** How far apart the nodes may be, as this one knows it. */
export async function readStatus(replica: Replica): Promise<EventualStatus> {
  const { knowledge, rumours, store, table, refusedFuture } = replica
  const { conflicts, removals, floor } = await store.read((snapshot) => {
    const count = (letter: 'c' | 't'): number => [...snapshot.range({ ...kindRange(letter), limit: COUNTED_MAX })].length
    return { conflicts: count('c'), removals: count('t'), floor: table.floor(snapshot) }
  })
  const members = knowledge.members()
  const caughtUpTo = (id: NodeId): number => msOf(knowledge.of(id)?.seen ?? (0 as HybridTime))
  return {
    members,
    rumours: rumours.size,
    rumoursRefused: rumours.refused,
    refusedFuture,
    conflicts,
    removals,
    settledUpToMs: msOf(floor),
    caughtUpToMs: new Map(members.filter((id) => id !== replica.node).map((id) => [id, caughtUpTo(id)])),
  }
}
