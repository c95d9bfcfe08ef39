import type { NodeId } from '#foundation/ids.ts'

/** What a chunk, or one copy of it, is in. The words are MogileFS successors':
 *
 *  * `uploading`: it is being received, and no copy is durable yet;
 *  * `need-replication`: it can be read, and has fewer copies than its class asks for;
 *  * `replication-out`: so it is, and copies are on their way to other nodes;
 *  * `replication-in`: of one copy: it is on its way to this node;
 *  * `stored`: every copy is where it belongs;
 *  * `to-delete`: of one copy: others are where they belong, and this one isn't;
 *  * `corrupt`: it is damaged; of a chunk, every copy that there is. */
export type ReplicationState =
  | 'uploading'
  | 'need-replication'
  | 'replication-out'
  | 'replication-in'
  | 'stored'
  | 'to-delete'
  | 'corrupt'

export interface CopyState {
  readonly node: NodeId
  readonly state: ReplicationState
}

export interface ChunkCopies {
  /** Of the chunk as a whole; `undefined` if there is no copy, and none on its way. */
  readonly state: ReplicationState | undefined
  /** In the order of the holders, then others. A copy that a holder lacks, and that isn't on its way, isn't listed. */
  readonly copies: readonly CopyState[]
}

export interface KnownCopies {
  /** The nodes that shall have a copy, the primary first. */
  readonly holders: readonly NodeId[]
  /** The nodes that have one which isn't known to be damaged. */
  readonly durable: ReadonlySet<NodeId>
  /** The nodes that are being sent one. */
  readonly arriving: ReadonlySet<NodeId>
  /** The nodes whose copy is known to be damaged. */
  readonly damaged: ReadonlySet<NodeId>
  /** How many copies the class asks for. */
  readonly copies: number
}

/** Puts what is known of a chunk's copies into words. */
export function describeCopies({ holders, durable, arriving, damaged, copies }: KnownCopies): ChunkCopies {
  const isComplete = holders.length >= copies && holders.every((node) => durable.has(node))
  const others = [...durable, ...arriving, ...damaged].filter((node) => !holders.includes(node))
  const listed: CopyState[] = []
  for (const node of new Set([...holders, ...others])) {
    if (durable.has(node)) listed.push({ node, state: isComplete && !holders.includes(node) ? 'to-delete' : 'stored' })
    else if (arriving.has(node)) listed.push({ node, state: 'replication-in' })
    else if (damaged.has(node)) listed.push({ node, state: 'corrupt' })
  }
  return { state: stateOf({ durable, arriving, damaged, isComplete }), copies: listed }
}

function stateOf({
  durable,
  arriving,
  damaged,
  isComplete,
}: Pick<KnownCopies, 'durable' | 'arriving' | 'damaged'> & { isComplete: boolean }): ReplicationState | undefined {
  if (isComplete) return 'stored'
  if (durable.size === 0 && arriving.size > 0) return 'uploading'
  if (durable.size === 0) return damaged.size > 0 ? 'corrupt' : undefined
  return arriving.size === 0 ? 'need-replication' : 'replication-out'
}
