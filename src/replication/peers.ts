import type { ByteRange, ChunkInfo, ChunkUsage } from '#chunk/store.ts'
import type { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { ArrivingChunk } from './arriving-chunk.ts'

/** A chunk to be written: whole, or while it is still being received. */
export type ChunkBytes = Uint8Array | ArrivingChunk

/** What became of one copy of a write. */
export interface CopyOutcome {
  readonly node: NodeId
  /** Why there is no durable copy on the node, `undefined` if there is one. */
  readonly error: ShoalError | undefined
}

export interface RemoteWriteOptions {
  /** Who else gets the chunk. The node sends it on while it receives it (cut-through), to all of them at once. */
  readonly forward: readonly NodeId[]
  /** Those that `digestChunk` told with the id: who receives the bytes compares these then, and not the SHA-256. */
  readonly checksums?: Buffer | undefined
  readonly signal: AbortSignal
}

/** The chunks of one node, this one or another. Every call fails with UNAVAILABLE when the node can't be reached, and with CANCELLED once
 *  its signal is aborted; a call that was given up may still take effect. */
export interface RemoteChunks {
  /** Stores the chunk at the node and at those of `forward`. Tells what became of each copy, as soon as it is known, and
   *  ends when it has told of all. A node that receives bytes over a wire compares them with
   *  `checksums`; if there are none it checks that `id` is their SHA-256. The node may read `bytes` until the iteration ends.
   *  @throws UNAVAILABLE: nothing is known about the copies not told of */
  write(id: ChunkId, bytes: ChunkBytes, options: RemoteWriteOptions): AsyncIterable<CopyOutcome>
  /** As `ChunkStore.read`. @throws CHUNK_MISSING, CORRUPT, INVALID_ARGUMENT */
  read(id: ChunkId, options: RemoteReadOptions): Promise<Buffer>
  locate(id: ChunkId, signal: AbortSignal): Promise<ChunkInfo | undefined>
  forget(id: ChunkId, options: { readonly untouchedSinceMs?: number; readonly signal: AbortSignal }): Promise<boolean>
  verify(id: ChunkId, signal: AbortSignal): Promise<'intact' | 'corrupt' | 'missing'>
  /** Has the node read the chunk from another one, compare it with its id, and store it.
   *  @throws what its own store answers; BUSY; UNSUPPORTED by a node of a release that doesn't know the call */
  pull(id: ChunkId, options: RemotePullOptions): Promise<PullResult>
  /** Up to `limit` chunks in ascending order of id, from `from` (inclusive) on; fewer only at the end. */
  list(options: RemoteListOptions): Promise<readonly ChunkInfo[]>
  usage(signal: AbortSignal): Promise<ChunkUsage>
}

export interface RemoteReadOptions {
  /** `undefined`: the whole chunk. */
  readonly range: ByteRange | undefined
  /** Where the bytes may go, as in `ChunkStore.read`; only this node can make use of it. */
  readonly into?: Buffer | undefined
  readonly signal: AbortSignal
}

/** `stored`: the copy is durable. `unreadable`: the other node has none that is intact. `unreachable`: it could not be read from there;
 *  who asks may reach it. */
export type PullResult = 'stored' | 'unreadable' | 'unreachable'

export interface RemotePullOptions {
  /** Who has the chunk. */
  readonly from: NodeId
  /** Of the chunk, as far as is known: so much memory is taken for it. */
  readonly sizeBytes: number
  readonly signal: AbortSignal
}

export interface RemoteListOptions {
  readonly from: ChunkId | undefined
  readonly limit: number
  readonly signal: AbortSignal
}

/** The other nodes, and this one among them. */
export interface ChunkPeers {
  readonly self: NodeId
  /** Never throws: the calls of a node that nobody knows fail with UNAVAILABLE. */
  store(node: NodeId): RemoteChunks
  /** What membership has to say: false for a node that is suspected, dead or unknown. It is asked last then, not never. */
  isHealthy(node: NodeId): boolean
  /** What operators have to say: false for one that is readonly. It keeps what it has and its place in the layouts, and gets nothing new: others
   *  stand in for it. */
  takesChunks(node: NodeId): boolean
  /** All nodes that may have chunks and were not removed: also those that no layout has, since they are drained or were away for too long. */
  members(): readonly NodeId[]
}
