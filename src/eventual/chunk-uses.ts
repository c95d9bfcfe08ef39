import type { ChunkId } from '#foundation/ids.ts'
import type { Snapshot } from '#kv/store.ts'
import { chunkUseRange, indexKey, placeHashOfChunkUse, readIndexRow } from './keys.ts'
import type { Replica } from './replica.ts'

/** Places looked at for one chunk: more add no class, as a rule. */
const USES_MAX = 100

/** Which of the chunks versions on this node have, those that lost too, with the classes of the volumes that they are in. */
export function usedChunks(replica: Replica, ids: readonly ChunkId[]): Promise<ReadonlyMap<ChunkId, readonly string[]>> {
  return replica.store.read((snapshot) => {
    const used = new Map<ChunkId, readonly string[]>()
    for (const id of ids) {
      const classes = classesOf(replica, snapshot, id)
      if (classes.size > 0) used.set(id, [...classes])
    }
    return used
  })
}

function classesOf(replica: Replica, snapshot: Snapshot, id: ChunkId): ReadonlySet<string> {
  const classes = new Set<string>()
  for (const { key } of snapshot.range({ ...chunkUseRange(id), limit: USES_MAX })) {
    const at = indexKey(placeHashOfChunkUse(key))
    const row = snapshot.get(at)
    if (row !== undefined) classes.add(replica.table.policy(snapshot, readIndexRow(at, row).place.volume).class)
  }
  return classes
}
