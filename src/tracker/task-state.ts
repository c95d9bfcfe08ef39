import { ShoalError } from '#foundation/errors.ts'
import { parseChunkId } from '#foundation/ids.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { BudgetLimits } from './budget.ts'

/** What the tracker works at, the more urgent first. */
export const TASKS = ['repair', 'drain', 'rebalance', 'collect', 'scrub', 'trim'] as const
export type TaskName = (typeof TASKS)[number]

/** What a walk has done; of a dry run, what it would have done. */
export interface TaskCounters {
  /** Chunks looked at. */
  readonly chunks: number
  /** Copies made, and their bytes. */
  readonly copies: number
  readonly copiedBytes: number
  /** Copies read and compared with their ids. */
  readonly verified: number
  readonly verifiedBytes: number
  /** Copies removed. */
  readonly removed: number
  readonly removedBytes: number
  /** Copies found corrupt. */
  readonly corrupt: number
  /** Chunks of which no intact copy was found, though all who may have one were asked. */
  readonly lost: number
  /** Chunks that could not be dealt with, and are to be looked at again. */
  readonly failed: number
}

export const NO_COUNTERS: TaskCounters = {
  chunks: 0,
  copies: 0,
  copiedBytes: 0,
  verified: 0,
  verifiedBytes: 0,
  removed: 0,
  removedBytes: 0,
  corrupt: 0,
  lost: 0,
  failed: 0,
}

/** All that must outlive a leader: where a task stands. It is replaced as a whole. */
export interface TaskState {
  readonly task: TaskName
  /** A dry run has a state of its own, beside the task's. */
  readonly isDryRun: boolean
  readonly isPaused: boolean
  readonly isWalking: boolean
  /** Asked for by an operator, and not begun yet. */
  readonly isAsked: boolean
  /** Walks begun so far. */
  readonly walk: number
  /** The chunk to go on with; `undefined` for the first. */
  readonly cursor: ChunkId | undefined
  /** Of repairs: chunks with so many copies or fewer are this round's. */
  readonly level: number
  /** What the walk goes by, to be compared with what is now: `ClusterView.mark`, `placesMark` or `layoutMark`. */
  readonly mark: string
  /** Something was not seen or not done in this walk, so it proves nothing. */
  readonly isIncomplete: boolean
  /** Bytes that the walk has to read, where that is known. */
  readonly expectedBytes: number
  readonly startedAtMs: number
  /** When a walk last came to its end; 0 if none has. */
  readonly finishedAtMs: number
  /** When a walk last came to its end and left nothing; 0 if none has. */
  readonly completedAtMs: number
  /** Of this walk, or the last one. */
  readonly counters: TaskCounters
  readonly budget: BudgetLimits
}

export function newTaskState(task: TaskName, budget: BudgetLimits = {}, isDryRun = false): TaskState {
  return {
    task,
    isDryRun,
    isPaused: false,
    isWalking: false,
    isAsked: false,
    walk: 0,
    cursor: undefined,
    level: 1,
    mark: '',
    isIncomplete: false,
    expectedBytes: 0,
    startedAtMs: 0,
    finishedAtMs: 0,
    completedAtMs: 0,
    counters: NO_COUNTERS,
    budget,
  }
}

/** Adds to the counters. */
export function withCounts(state: TaskState, counts: Partial<TaskCounters>): TaskState {
  const counters: Record<string, number> = { ...state.counters }
  for (const [name, value] of Object.entries(counts)) counters[name] = (counters[name] ?? 0) + value
  return { ...state, counters: counters as unknown as TaskCounters }
}

/** As docs/formats/tracker.md describes it. */
export function encodeTaskState(state: TaskState): Buffer {
  return Buffer.from(JSON.stringify(state))
}

/** What a version before this one didn't write has its first value. @throws DATA_FORMAT */
export function decodeTaskState(bytes: Buffer): TaskState {
  try {
    const { task, isDryRun, cursor, counters, ...rest } = JSON.parse(bytes.toString('utf8')) as TaskState
    if (!TASKS.includes(task)) throw new ShoalError('DATA_FORMAT', `"${String(task)}" is no task`)
    return {
      ...newTaskState(task, {}, isDryRun),
      ...rest,
      cursor: cursor === undefined ? undefined : parseChunkId(cursor),
      counters: { ...NO_COUNTERS, ...counters },
    }
  } catch (cause) {
    throw new ShoalError('DATA_FORMAT', "These bytes are no state of a tracker's task that this version can read", { cause })
  }
}
