import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Cost } from './budget.ts'
import type { ListedChunk, WalkBatch } from './chunk-walk.ts'
import type { ClusterView } from './cluster-view.ts'
import type { TaskCounters, TaskName, TaskState } from './task-state.ts'
import type { Decision, Suspects } from './task-store.ts'

/** A chunk on the way of a walk, with the classes that want it: none if nothing refers to it. */
export interface WalkedChunk extends ListedChunk {
  readonly classes: readonly string[]
}

/** What shall be done about one chunk. */
export interface ChunkPlan {
  readonly id: ChunkId
  readonly classes: readonly string[]
  readonly sizeBytes: number
  /** Where copies are that count. */
  readonly sources: readonly NodeId[]
  /** Who is to get one. */
  readonly copyTo: readonly NodeId[]
  /** Who is to get one in place of one that is corrupt. */
  readonly replaceAt: readonly NodeId[]
  /** Who must have one, verified, before any is removed. */
  readonly verifyAt: readonly NodeId[]
  readonly removeFrom: readonly NodeId[]
}

/** What a task needs of the step that it is in. Every call that it makes goes by `signal`, and waits for `pace` before. */
export interface Step {
  readonly view: ClusterView
  readonly state: TaskState
  readonly signal: AbortSignal
  /** Waits until the budget allows for more, and spends. @throws CANCELLED */
  pace(cost: Cost): Promise<void>
  count(counts: Partial<TaskCounters>): void
  /** Something remains to be done: the walk proves nothing, and another one follows. */
  leave(chunk: ChunkId | undefined, why: string, error?: unknown): void
  /** Resolves when it is certain that this tracker has led a moment ago, and goes by what the members and layouts still are: to be
   *  called before anything is removed. @throws UNAVAILABLE, CONFLICT */
  fence(): Promise<void>
}

export interface BatchPlan {
  readonly plans: readonly ChunkPlan[]
  /** What the collector suspects within the batch from now on. */
  readonly suspects?: Suspects
}

export interface WalkEnd {
  readonly decisions?: readonly Decision[]
  /** Walk again at once, for this level. */
  readonly level?: number
}

/** What makes one task different from the others. All of it may be cut off anywhere, and is repeated then. */
export interface TaskKind {
  readonly name: TaskName
  /** Chunks in a batch. */
  readonly batchMax: number
  /** It removes copies: a new leader waits until nothing of its predecessor's can be under way any more. */
  readonly removes: boolean
  /** Another mark begins the walk anew. */
  mark(view: ClusterView): string
  /** Whose chunks are walked through. */
  nodes(view: ClusterView): readonly NodeId[]
  isDue(state: TaskState, view: ClusterView, nowMs: number): boolean
  /** Before the first batch: how many bytes there are to be read, where that matters. */
  expectedBytes?(step: Step): Promise<number>
  /** What is to be done before the walk goes on. */
  takeQueued?(step: Step): Promise<readonly ChunkPlan[]>
  /** Whether the walk may go on. */
  hasRoom?(): boolean
  plan(chunks: readonly WalkedChunk[], batch: WalkBatch, step: Step): Promise<BatchPlan>
  act(plan: ChunkPlan, step: Step): Promise<void>
  /** Only called for a walk that has left nothing out. */
  end?(step: Step): Promise<WalkEnd>
}
