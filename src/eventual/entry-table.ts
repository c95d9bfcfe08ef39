import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Snapshot, Transaction } from '#kv/store.ts'
import { conflictName } from './conflict-name.ts'
import { type DigestTree, digestOfState } from './digest-tree.ts'
import { decodeState, encodeState } from './entry-codec.ts'
import { type Dot, type EntryState, latestTime, NOTHING, shownVersion, type Version } from './entry.ts'
import { type HybridClock, type HybridTime, hybridTimeOf, msOf, NO_TIME } from './hybrid-clock.ts'
import {
  CEILING_KEY,
  chunkUseKey,
  conflictKey,
  DEFINITIONS,
  entryKey,
  FLOOR_KEY,
  hashOfPlace,
  indexKey,
  indexValue,
  leftKey,
  leftValue,
  manifestKey,
  PATH_BYTES_MAX,
  type Place,
  rumourKey,
  tombstoneKey,
} from './keys.ts'
import {
  compact,
  covers,
  dropVersions,
  type HeldState,
  isForgettable,
  mergeStates,
  overwrite,
  overwriteKnown,
  prune,
} from './merge.ts'
import type { RumourPool } from './rumour-pool.ts'
import { DEFAULT_EVENTUAL_POLICY, decodeDefinition, type EventualPolicy, pruneLimitsOf } from './volume-definition.ts'

export interface EntryTableOptions {
  readonly node: NodeId
  readonly clock: HybridClock
  readonly tree: DigestTree
  readonly rumours: Pick<RumourPool, 'hasRoom'>
  /** The machine's clock. */
  readonly nowMs: () => number
}

/** How far ahead of the last write the clock's ceiling is put: so often a write is one more row, and so far a restart may come out
 *  ahead of the machine's clock. A node that crashes once a second doesn't run away from the others. */
const CEILING_AHEAD = hybridTimeOf(1000)

export interface Applied {
  readonly state: EntryState
  /** Whether this node has learnt something from it. */
  readonly isNews: boolean
  /** Entries beside it that were written because of it. */
  readonly written: readonly Place[]
}

/** The rows of all entries, and everything that is derived from them, changed together: digests, and the lists of conflicts, of removals
 *  and of what is to be told. Each method is one step within a transaction of the caller's. */
export class EntryTable {
  readonly #node: NodeId
  readonly #clock: HybridClock
  readonly #rumours: Pick<RumourPool, 'hasRoom'>
  readonly #nowMs: () => number
  readonly tree: DigestTree

  constructor({ node, clock, tree, rumours, nowMs }: EntryTableOptions) {
    this.#node = node
    this.#clock = clock
    this.#rumours = rumours
    this.tree = tree
    this.#nowMs = nowMs
  }

  read(snapshot: Snapshot, place: Place): EntryState {
    return snapshot.getDecoded(entryKey(place), decodeState) ?? NOTHING
  }

  floor(snapshot: Snapshot): HybridTime {
    return snapshot.getDecoded(FLOOR_KEY, decodeTime) ?? NO_TIME
  }

  policy(snapshot: Snapshot, volume: string): EventualPolicy {
    if (volume === DEFINITIONS) return DEFAULT_EVENTUAL_POLICY
    const key = entryKey({ volume: DEFINITIONS, path: volume })
    return snapshot.getDecoded(key, decodeDefinition) ?? DEFAULT_EVENTUAL_POLICY
  }

  /** Writes over what is there, or with `isKnown` over what the writer knows of that; `undefined` removes it. The version is to be told to others. */
  write(
    transaction: Transaction,
    place: Place,
    {
      value,
      yields = false,
      isKnown,
    }: Pick<Version, 'value'> & { yields?: boolean; isKnown?: ((dot: Dot) => boolean) | undefined },
  ): Version {
    const before = this.read(transaction, place)
    const version = { time: this.stamp(transaction, latestTime(before)), node: this.#node, yields, value }
    const after =
      isKnown === undefined
        ? overwrite(before, version)
        : this.#pruned(overwriteKnown(before, version, isKnown), this.policy(transaction, place.volume))
    this.#put(transaction, place, { before, after })
    this.#tell(transaction, place)
    return version
  }

  /** Drops losing versions, and tells others so. */
  drop(transaction: Transaction, place: Place, isDropped: (version: Version) => boolean): void {
    const before = this.read(transaction, place)
    this.#put(transaction, place, { before, after: dropVersions(before, isDropped) })
    this.#tell(transaction, place)
  }

  /** Takes in what another node has of a place. */
  merge(transaction: Transaction, place: Place, incoming: HeldState): Applied {
    const before = this.read(transaction, place)
    const floor = this.floor(transaction)
    if (saysNothingNew(incoming, { state: before, floor })) return { state: before, isNews: false, written: [] }
    const policy = this.policy(transaction, place.volume)
    const merged = mergeStates({ state: before, floor }, incoming)
    const written = policy.onConflict === 'keep-both' ? this.#keepBoth(transaction, place, merged) : undefined
    const settled = written === undefined ? merged : dropVersions(merged, (version) => version === written.loser)
    const state = this.#put(transaction, place, { before, after: this.#pruned(settled, policy) })
    const isNews = !isSameState(compact(before, floor), state)
    return { state, isNews, written: written === undefined ? [] : [written.place] }
  }

  /** Prunes and compacts what has become old; removes what nobody needs any more. */
  tidy(transaction: Transaction, place: Place): void {
    const before = this.read(transaction, place)
    this.#put(transaction, place, { before, after: this.#pruned(before, this.policy(transaction, place.volume)) })
  }

  /** A time for a write, which no later life of this node gives again. */
  stamp(transaction: Transaction, after: HybridTime = NO_TIME): HybridTime {
    const time = this.#clock.tick(after)
    const ceiling = transaction.getDecoded(CEILING_KEY, decodeTime) ?? NO_TIME
    if (time > ceiling) transaction.put(CEILING_KEY, encodeTime((time + CEILING_AHEAD) as HybridTime))
    return time
  }

  /** The time now, which every later write of this node exceeds, also after a crash. */
  promise(transaction: Transaction): HybridTime {
    const now = this.#clock.now()
    const ceiling = transaction.getDecoded(CEILING_KEY, decodeTime) ?? NO_TIME
    if (now > ceiling) transaction.put(CEILING_KEY, encodeTime((now + CEILING_AHEAD) as HybridTime))
    return now
  }

  /** Without room for it anti-entropy brings it. */
  #tell(transaction: Transaction, place: Place): void {
    if (this.#rumours.hasRoom) transaction.put(rumourKey(place), Buffer.alloc(0))
  }

  #pruned(state: EntryState, policy: EventualPolicy): EntryState {
    return prune(state, pruneLimitsOf(policy), msOf(this.#clock.now()))
  }

  /** A version of this node's own that lost gets a name beside the winner. Only its writer does that, so that it happens once. */
  #keepBoth(transaction: Transaction, place: Place, merged: EntryState): { loser: Version; place: Place } | undefined {
    const shown = shownVersion(merged)
    if (shown === undefined) return undefined
    const loser = merged.versions.find(({ node, value }, at) => at > 0 && node === this.#node && value?.type === 'file')
    if (loser === undefined) return undefined
    const beside = { volume: place.volume, path: conflictName(place.path, loser) }
    if (beside.path.length > PATH_BYTES_MAX) return undefined
    this.write(transaction, beside, { value: loser.value })
    return { loser, place: beside }
  }

  #put(transaction: Transaction, place: Place, { before, after }: { before: EntryState; after: EntryState }): EntryState {
    const floor = this.floor(transaction)
    const state = isForgettable(after, floor) ? NOTHING : compact(after, floor)
    if (isSameState(before, state)) return state
    if (state === NOTHING) transaction.delete(entryKey(place))
    else transaction.put(entryKey(place), encodeState(state))
    this.#index(transaction, place, { before, after: state })
    return state
  }

  #index(transaction: Transaction, place: Place, { before, after }: { before: EntryState; after: EntryState }): void {
    const placeHash = hashOfPlace(place)
    const digest = digestOfState(placeHash, after)
    this.tree.replace(transaction, placeHash, { before: digestOfState(placeHash, before), after: digest })
    if (after.versions.length > 0) transaction.put(indexKey(placeHash), indexValue(digest, place))
    else if (before.versions.length > 0) transaction.delete(indexKey(placeHash))
    if (after.versions.length > 1) transaction.put(conflictKey(place), Buffer.alloc(0))
    else if (before.versions.length > 1) transaction.delete(conflictKey(place))
    this.#noteChunks(transaction, { place, placeHash }, { before: chunksOf(before), after: chunksOf(after) })
    noteManifests(transaction, place, { before, after })
    const [endedBefore, endsAfter] = [forgettableFrom(before), forgettableFrom(after)]
    if (endedBefore === endsAfter) return
    if (endedBefore !== undefined) transaction.delete(tombstoneKey(endedBefore, place))
    if (endsAfter !== undefined) transaction.put(tombstoneKey(endsAfter, place), Buffer.alloc(0))
  }

  #noteChunks(
    transaction: Transaction,
    { place, placeHash }: { readonly place: Place; readonly placeHash: Buffer },
    { before, after }: Record<'before' | 'after', ReadonlySet<ChunkId>>,
  ): void {
    for (const chunk of before) {
      if (after.has(chunk)) continue
      transaction.delete(chunkUseKey(chunk, placeHash))
      transaction.put(leftKey(chunk), leftValue(this.#nowMs(), place.volume))
    }
    for (const chunk of after) if (!before.has(chunk)) transaction.put(chunkUseKey(chunk, placeHash), Buffer.alloc(0))
  }
}

/** Of all versions, those that lost too. */
function chunksOf({ versions }: EntryState): ReadonlySet<ChunkId> {
  if (versions.every(({ value }) => value === undefined || value.content.kind === 'inline')) return NONE
  const chunks = new Set<ChunkId>()
  for (const { value } of versions)
    if (value !== undefined && value.content.kind !== 'inline') for (const { chunk } of value.content.extents) chunks.add(chunk)
  return chunks
}

/** What new lists of chunks have is to be looked up. */
function noteManifests(transaction: Transaction, { volume }: Place, change: Record<'before' | 'after', EntryState>): void {
  const known = manifestsOf(change.before)
  for (const chunk of manifestsOf(change.after))
    if (!known.has(chunk) && transaction.get(manifestKey('k', chunk)) === undefined)
      transaction.put(manifestKey('w', chunk), Buffer.from(volume))
}

const NONE: ReadonlySet<ChunkId> = new Set()

function manifestsOf({ versions }: EntryState): ReadonlySet<ChunkId> {
  if (!versions.some(({ value }) => value?.content.kind === 'manifest')) return NONE
  const chunks = new Set<ChunkId>()
  for (const { value } of versions)
    if (value?.content.kind === 'manifest') for (const { chunk } of value.content.extents) chunks.add(chunk)
  return chunks
}

/** From which floor on nothing needs to be kept of it, if that will ever be. */
function forgettableFrom(state: EntryState): HybridTime | undefined {
  if (state === NOTHING || state.versions.some(({ value }) => value !== undefined)) return undefined
  return state.versions.length === 0 && state.context.size === 0 ? undefined : latestTime(state)
}

/** Nearly all that rumours and exchanges bring twice. Merging would find the same, at several times the cost. */
function saysNothingNew(incoming: HeldState, mine: HeldState): boolean {
  if (mine.state.versions.length !== 1 || incoming.floor > mine.floor || !areSameVersions(incoming.state, mine.state))
    return false
  return [...incoming.state.context].every(([node, time]) => covers(mine, { node, time }))
}

/** A dot stands for its version. */
export function isSameState(a: EntryState, b: EntryState): boolean {
  if (a === b) return true
  if (a.context.size !== b.context.size || !areSameVersions(a, b)) return false
  return [...a.context].every(([node, time]) => b.context.get(node) === time)
}

/** Whether both have the same digest. */
export function areSameVersions(a: EntryState, b: EntryState): boolean {
  if (a.versions.length !== b.versions.length) return false
  return a.versions.every(({ time, node }, at) => b.versions[at]?.time === time && b.versions[at]?.node === node)
}

export function encodeTime(time: HybridTime): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(time))
  return bytes
}

export function decodeTime(bytes: Buffer): HybridTime {
  return Number(bytes.readBigUInt64BE()) as HybridTime
}
