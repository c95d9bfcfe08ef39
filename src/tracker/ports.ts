import type { ChunkInfo, ChunkUsage } from '#chunk/store.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { LayoutPair } from '#placement/layout-pair.ts'

/** What the cluster knows of a member that may keep chunks:
 *
 *  * `alive`: it answers, and takes new copies;
 *  * `full`: it answers, and had no room for a copy a while ago;
 *  * `readonly`: it answers, and takes none;
 *  * `draining`: it answers, takes none, and what it has is to be elsewhere;
 *  * `silent`: it may be down. What it has is unknown, and nothing is done about that yet;
 *  * `dead`: it was declared so. What it has doesn't count until it is back. */
export type MemberState = 'alive' | 'full' | 'readonly' | 'draining' | 'silent' | 'dead'

export interface TrackerMember {
  readonly id: NodeId
  readonly state: MemberState
  /** Room on its disks, by its own word of a while ago; undefined where it tells of none. */
  readonly freeBytes?: number
}

/** The layouts of each class, by the class's name. */
export type ClassLayouts = ReadonlyMap<string, LayoutPair>

/** What the tracker needs to know of the cluster. Both are asked at every step. */
export interface ClusterSource {
  /** All members of the cluster, those that are down included; one that was removed isn't among them. */
  members(): readonly TrackerMember[]
  layouts(): ClassLayouts
}

/** Tells which chunks the metadata wants.
 *
 *  The answer has the classes of each chunk that some shard refers to, or keeps on its own list of garbage; a chunk that isn't in
 *  it is wanted by nobody. @throws UNAVAILABLE if even one shard can't be asked */
export type Referenced = (ids: readonly ChunkId[]) => Promise<ReadonlyMap<ChunkId, readonly string[]>>

/** What a copy of a chunk is worth. */
export type CopyHealth = 'intact' | 'corrupt' | 'missing'

/** The nodes' chunks. Every call fails with UNAVAILABLE when its node can't be reached or takes too long, and with CANCELLED
 *  once its signal is aborted; a call that was given up may still take effect. */
export interface Holders {
  /** Up to `limit` chunks of a node in ascending order of id, from `from` (inclusive) on; fewer only at the end. */
  list(node: NodeId, options: ListOptions): Promise<readonly ChunkInfo[]>
  locate(node: NodeId, id: ChunkId, signal: AbortSignal): Promise<ChunkInfo | undefined>
  /** Reads the copy whole where it is. */
  verify(node: NodeId, id: ChunkId, signal: AbortSignal): Promise<CopyHealth>
  /** Copies a chunk from node to node, and compares it with its id on the way. True when the copy is durable; false if `from` has
   *  none that is intact, or can't be reached: another may. @throws what `to` answered */
  copy(id: ChunkId, options: CopyOptions): Promise<boolean>
  /** Removes a copy, if no write of it began at or after `untouchedSinceMs`. True if it was there and is gone. */
  remove(node: NodeId, id: ChunkId, options: RemoveOptions): Promise<boolean>
  usage(node: NodeId, signal: AbortSignal): Promise<ChunkUsage>
}

export interface ListOptions {
  readonly from: ChunkId | undefined
  readonly limit: number
  readonly signal: AbortSignal
}

export interface CopyOptions {
  readonly from: NodeId
  readonly to: NodeId
  /** Of the chunk, as far as is known. */
  readonly sizeBytes: number
  readonly signal: AbortSignal
}

export interface RemoveOptions {
  readonly untouchedSinceMs: number
  readonly signal: AbortSignal
}

/** Who is told what the tracker has brought about. Repeating either is harmless. */
export interface Outcomes {
  /** Every chunk of the class is where `version` of its layout has it: the layout before is of no more use. */
  settled(className: string, version: number): Promise<void>
  /** Nothing that the node holds is needed from it. */
  drained(node: NodeId): Promise<void>
}
