import type { ChunkId } from '#foundation/ids.ts'
import type { Snapshot } from '#kv/store.ts'
import {
  chunkOfUse,
  chunkUseRange,
  indexKey,
  kindRange,
  leftKey,
  listedUseRange,
  manifestOfListedUse,
  placeHashOfChunkUse,
  readIndexRow,
  readLeftValue,
  uploadUseRange,
} from './keys.ts'
import type { Replica } from './replica.ts'

/** Places looked at for one chunk: more add no class, as a rule. */
const USES_MAX = 100

/** Which of the chunks versions on this node have, those that lost too, or uploads, with the classes of the volumes that they are in; and those
 *  that versions have had, until no other member is known to come with one that has them (`settleLeft`). As long as there is a long file whose list of chunks isn't known here yet, any chunk may be of it: then all others are used too, without a class. */
export function usedChunks(
  replica: Pick<Replica, 'store' | 'table'>,
  ids: readonly ChunkId[],
): Promise<ReadonlyMap<ChunkId, readonly string[]>> {
  return replica.store.read((snapshot) => usesOf(replica, snapshot, { ids, ofLeft: () => true }))
}

/** For each of the chunks whether anything on this node has it, or had it until lately: what this node can have told others of without their
 *  having heard it. */
export async function usedLately(replica: Replica, ids: readonly ChunkId[]): Promise<boolean[]> {
  const ofLeft = (atMs: number): boolean => replica.wasLately(atMs)
  const used = await replica.store.read((snapshot) => usesOf(replica, snapshot, { ids, ofLeft }))
  return ids.map((id) => replica.isPinned(id) || used.has(id))
}

/** Whether a version here has the chunk now: then it is noted once more when that one leaves it. */
export function isInVersion(snapshot: Snapshot, id: ChunkId): boolean {
  return [...snapshot.range({ ...chunkUseRange(id), limit: 1 })].length > 0
}

interface Question {
  readonly ids: readonly ChunkId[]
  /** Whether a chunk that was left then counts. */
  readonly ofLeft: (atMs: number) => boolean
}

function usesOf(
  replica: Pick<Replica, 'table'>,
  snapshot: Snapshot,
  { ids, ofLeft }: Question,
): ReadonlyMap<ChunkId, readonly string[]> {
  const isAnyUnknown = [...snapshot.range({ ...kindRange('w'), limit: 1 })].length > 0
  const used = new Map<ChunkId, readonly string[]>()
  for (const id of ids) {
    const classes = new Set(ownClasses(replica, snapshot, id, ofLeft))
    for (const { value } of snapshot.range({ ...listedUseRange(id), limit: USES_MAX }))
      for (const name of ownClasses(replica, snapshot, manifestOfListedUse(value), ofLeft)) classes.add(name)
    if (classes.size > 0 || isAnyUnknown) used.set(id, [...classes])
  }
  return used
}

/** Every chunk that versions here have, and then those that long files list, each kind in ascending order of id. */
export async function* eachUsedChunk({ store }: Pick<Replica, 'store'>): AsyncGenerator<ChunkId> {
  for (const kind of ['u', 'n'] as const) {
    let last: ChunkId | undefined
    for await (const { key } of store.range(kindRange(kind))) {
      const id = chunkOfUse(key)
      if (id !== last) yield id
      last = id
    }
  }
}

/** Whether a version or an upload on this node has the chunk itself, or had it, and not as one that it lists. */
export function isUsedItself(replica: Pick<Replica, 'table'>, snapshot: Snapshot, id: ChunkId): boolean {
  return !ownClasses(replica, snapshot, id, () => true).next().done
}

function* ownClasses(
  replica: Pick<Replica, 'table'>,
  snapshot: Snapshot,
  id: ChunkId,
  ofLeft: Question['ofLeft'],
): Generator<string, void> {
  for (const { key } of snapshot.range({ ...chunkUseRange(id), limit: USES_MAX })) {
    const at = indexKey(placeHashOfChunkUse(key))
    const row = snapshot.get(at)
    if (row !== undefined) yield replica.table.policy(snapshot, readIndexRow(at, row).place.volume).class
  }
  for (const { value } of snapshot.range({ ...uploadUseRange(id), limit: 1 }))
    yield replica.table.policy(snapshot, value.toString()).class
  const left = snapshot.getDecoded(leftKey(id), readLeftValue)
  if (left !== undefined && ofLeft(left.atMs)) yield replica.table.policy(snapshot, left.volume).class
}
