import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { EntryState } from './entry.ts'
import type { HybridTime } from './hybrid-clock.ts'
import type { Place } from './keys.ts'
import type { KnowledgeReport } from './knowledge.ts'

/** Limits of one message; who has more says it in several. */
export const RUMOURS_MAX = 512
export const PATHS_MAX = 128
export const ROWS_MAX = 2048
export const SWAP_MAX = 256
export const CHUNKS_MAX = 1024
export const MESSAGE_BYTES_MAX = 1024 * 1024
/** States are added to a message until it is that long; one state has less than the rest (`STATE_BYTES_MAX`). */
export const FILL_BYTES = 256 * 1024

export interface TransferredState extends Place {
  readonly state: EntryState
}

export interface ListedDigest {
  readonly placeHash: Buffer
  readonly digest: Buffer
}

/** What nodes say to each other: a request and its answer each. A node of the tree of digests is named by its nibbles from the root. */
export type Body =
  | { readonly kind: 'rumours'; readonly entries: readonly TransferredState[] }
  /** For each entry whether it was news. */
  | { readonly kind: 'heard'; readonly news: readonly boolean[] }
  | { readonly kind: 'begin'; readonly depth: number; readonly report: KnowledgeReport | undefined }
  | { readonly kind: 'begun'; readonly root: Buffer; readonly report: KnowledgeReport | undefined }
  | { readonly kind: 'compare'; readonly paths: readonly string[] }
  /** The digests of the sixteen children of each, in one run of bytes. */
  | { readonly kind: 'compared'; readonly digests: readonly Buffer[] }
  | { readonly kind: 'list'; readonly paths: readonly string[]; readonly after: Buffer | undefined }
  /** In the order of hashes; unless complete, there is more behind the last. */
  | { readonly kind: 'listed'; readonly rows: readonly ListedDigest[]; readonly isComplete: boolean }
  | { readonly kind: 'swap'; readonly wants: readonly Buffer[]; readonly entries: readonly TransferredState[] }
  /** The first `served` of what was wanted, where it is there, and of what was sent that which is other here now. */
  | { readonly kind: 'swapped'; readonly served: number; readonly entries: readonly TransferredState[] }
  | { readonly kind: 'finish'; readonly report: KnowledgeReport | undefined }
  | { readonly kind: 'done' }
  | { readonly kind: 'uses'; readonly chunks: readonly ChunkId[] }
  /** For each whether anything there has the chunk, or had it a while ago. */
  | { readonly kind: 'used'; readonly used: readonly boolean[] }

export type Kind = Body['kind']

export interface Message {
  readonly from: NodeId
  /** The sender's clock. */
  readonly now: HybridTime
  /** The sender's floor: states in the message are to be read with it. */
  readonly floor: HybridTime
  readonly body: Body
}

/** How a node reaches the others. */
export interface Peers {
  /** Whom it makes sense to call now, this node left out; in any order, at most 1,000. */
  running(): readonly NodeId[]
  /** Hands `message` to `node`, and gives its answer. It may get there and the answer be lost, late, or twice: every message can be
   *  repeated. It must end within a minute. @throws UNAVAILABLE, TIMEOUT, CANCELLED, BUSY, and what the node answers */
  call(node: NodeId, message: Message, signal?: AbortSignal): Promise<Message>
}
