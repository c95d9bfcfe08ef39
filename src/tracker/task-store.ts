import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { TaskName, TaskState } from './task-state.ts'

/** One thing that the tracker has decided to do, or, in a dry run, would do. */
export interface Decision {
  readonly atMs: number
  readonly task: TaskName
  readonly isDryRun: boolean
  /** `copy` and `replace` bring a copy to `to`, `remove` takes the one of `from` away; `settle` and `drained` are about a class's layout
   *  and a node. */
  readonly kind: 'copy' | 'replace' | 'remove' | 'settle' | 'drained'
  readonly chunk?: ChunkId
  readonly from?: NodeId
  readonly to?: NodeId
  /** The class that is settled. */
  readonly className?: string
}

/** Chunks that a walk of the collector has seen unreferenced, with the number of the first walk that did. */
export type Suspects = ReadonlyMap<ChunkId, number>

export interface SuspectRange {
  readonly from: ChunkId | undefined
  /** Exclusive; `undefined` for the end. */
  readonly to: ChunkId | undefined
}

export interface TaskCommit {
  readonly states?: readonly TaskState[]
  readonly decisions?: readonly Decision[]
  /** What the suspects within a range are from now on. */
  readonly suspects?: { readonly range: SuspectRange; readonly found: Suspects }
}

/** Keeps what must outlive a leader, in the system shard: where the tasks stand, and what was decided. */
export interface TaskStore {
  load(): Promise<readonly TaskState[]>
  /** Atomic, and durable when it resolves. It succeeds for the leader of the system shard alone: so it is also the proof that
   *  nobody else decides. @throws UNAVAILABLE, CONFLICT once another one leads; it may have taken effect then */
  commit(commit: TaskCommit): Promise<void>
  suspects(range: SuspectRange): Promise<Suspects>
  /** The last decisions, the newest first. */
  decisions(limit: number): Promise<readonly Decision[]>
}
