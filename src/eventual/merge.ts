// How what several nodes know of a path becomes one. A state is a set of versions with a causal context (dotted version vectors:
// Preguiça, Baquero, Almeida, Fonte, Gonçalves 2010), where the time of a write is the dot's counter: docs/adr/0018-eventual-volumes.md.

import type { NodeId } from '#foundation/ids.ts'
import { compareVersions, type Content, type Dot, type EntryState, isSameDot, latestTime, type Version } from './entry.ts'
import { type HybridTime, msOf, NO_TIME } from './hybrid-clock.ts'

/** What a node has of a path, and its floor: every write up to that time was known to every member, so one that isn't here has been
 *  overwritten or dropped, whatever the context says. */
export interface HeldState {
  readonly state: EntryState
  readonly floor: HybridTime
}

/** Whether the holder knows of this write, be it still there or not. */
export function covers({ state, floor }: HeldState, dot: Dot): boolean {
  if (dot.time <= floor || dot.time <= (state.context.get(dot.node) ?? NO_TIME)) return true
  // A node's later write at a path comes after its earlier ones.
  return state.versions.some((version) => version.node === dot.node && version.time >= dot.time)
}

/** What both know together. Commutative, associative and idempotent, so that it doesn't matter who heard what when. */
export function mergeStates(a: HeldState, b: HeldState): EntryState {
  const versions = [...survivors(a, b)]
  for (const version of survivors(b, a)) if (!versions.some((other) => isSameDot(other, version))) versions.push(version)
  const context = new Map(a.state.context)
  const note = (dot: Dot): void => {
    if (dot.time > (context.get(dot.node) ?? NO_TIME)) context.set(dot.node, dot.time)
  }
  for (const [node, time] of b.state.context) note({ node, time })
  for (const version of a.state.versions) note(version)
  for (const version of b.state.versions) note(version)
  return normalized(versions, context)
}

/** The versions of `mine` that `other` has too, or knows nothing of. */
function survivors(mine: HeldState, other: HeldState): Version[] {
  return mine.state.versions.filter(
    (version) => !covers(other, version) || other.state.versions.some((theirs) => isSameDot(theirs, version)),
  )
}

/** A write by a node that knows `state`: it takes the place of everything there. */
export function overwrite(state: EntryState, version: Version): EntryState {
  const context = contextOf(state)
  return normalized([version], context)
}

/** A write by somebody who knows the versions for which `isKnown` holds. If the one that is shown isn't among them, those that he doesn't know stay
 *  beside his. Of one node's versions only the latest can be there, so that one of the writer's own node goes all the same. */
export function overwriteKnown(state: EntryState, version: Version, isKnown: (dot: Dot) => boolean): EntryState {
  const [shown] = state.versions
  if (shown === undefined || isKnown(shown)) return overwrite(state, version)
  const unknown = state.versions.filter((other) => other.node !== version.node && !isKnown(other))
  return normalized([version, ...unknown], contextOf(state))
}

/** Takes away versions for good, without a write: whoever has them and hears of this state loses them. */
export function dropVersions(state: EntryState, isDropped: (version: Version) => boolean): EntryState {
  if (!state.versions.some(isDropped)) return state
  return normalized(
    state.versions.filter((version) => !isDropped(version)),
    contextOf(state),
  )
}

export interface PruneLimits {
  /** How long a losing version is kept, counted from its write. */
  readonly keptMs: number
  /** How many losing versions of a path are kept; the latest are. */
  readonly keptMax: number
}

/** Drops losing versions that aren't worth keeping: removals, what equals the winner, what is too old or one too many. */
export function prune(state: EntryState, limits: PruneLimits, nowMs: number): EntryState {
  const [winner, ...losers] = state.versions
  if (winner === undefined || losers.length === 0) return state
  const kept = losers
    .filter(({ time, value }) => value !== undefined && msOf(time) >= nowMs - limits.keptMs)
    .filter(
      ({ value }) => winner.value === undefined || value === undefined || !isSameContent(value.content, winner.value.content),
    )
    .slice(0, limits.keptMax)
  return kept.length === losers.length ? state : dropVersions(state, (version) => version !== winner && !kept.includes(version))
}

/** Leaves out of the context what the floor says anyway. */
export function compact(state: EntryState, floor: HybridTime): EntryState {
  const context = new Map([...state.context].filter(([, time]) => time > floor))
  return context.size === state.context.size ? state : { versions: state.versions, context }
}

/** Whether the floor says all of it: then nothing needs to be kept of the path. */
export function isForgettable(state: EntryState, floor: HybridTime): boolean {
  return state.versions.every(({ value }) => value === undefined) && latestTime(state) <= floor
}

export function isSameContent(a: Content, b: Content): boolean {
  if (a.kind === 'inline' || b.kind === 'inline') return a.kind === 'inline' && b.kind === 'inline' && a.bytes.equals(b.bytes)
  if (a.kind !== b.kind || a.extents.length !== b.extents.length) return false
  return a.extents.every(({ chunk, lengthBytes }, at) => {
    const other = b.extents[at]
    return other?.chunk === chunk && other.lengthBytes === lengthBytes
  })
}

function contextOf(state: EntryState): Map<NodeId, HybridTime> {
  const context = new Map(state.context)
  for (const { node, time } of state.versions) if (time > (context.get(node) ?? NO_TIME)) context.set(node, time)
  return context
}

/** One form for what means the same: sorted, and without what versions say themselves. */
function normalized(versions: Version[], context: Map<NodeId, HybridTime>): EntryState {
  for (const { node, time } of versions) if ((context.get(node) ?? NO_TIME) <= time) context.delete(node)
  const isAscending = [...context.keys()].every((node, at, nodes) => at === 0 || (nodes[at - 1] as string) < node)
  const sorted = isAscending ? context : new Map([...context].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return { versions: versions.toSorted(compareVersions), context: sorted }
}
