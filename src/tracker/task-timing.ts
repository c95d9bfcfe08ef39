import type { TaskState } from './task-state.ts'

/** Times of the tracker, milliseconds. */
export interface TaskTiming {
  /** How often a task with nothing to do looks whether it has: the first copy after a death begins within it and a page of the walk. */
  readonly pollMs: number
  /** How long after a walk that left something another one begins. */
  readonly retryMs: number
  /** How much work may be repeated by a successor. */
  readonly saveMs: number
  /** How long a leader may rely on its last commit before it removes something. */
  readonly fenceMs: number
  /** How long a new leader removes nothing: longer than `fenceMs` and a call that removes, of its predecessor. */
  readonly holdOffMs: number
  /** How long a node that had no room for a copy is spared. */
  readonly fullMs: number
  /** How often each is looked through, also if nothing has happened. */
  readonly repairEveryMs: number
  readonly rebalanceEveryMs: number
  readonly collectEveryMs: number
  readonly trimEveryMs: number
  /** Within which every byte is read. */
  readonly scrubPeriodMs: number
  /** The longest upload session, and some time: what nothing refers to and was touched later may yet become part of a file. */
  readonly sessionMs: number
  /** A surplus copy that was written later stays: it may stand in for a holder that a writer could not reach. */
  readonly trimGraceMs: number
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

export const DEFAULT_TIMING: TaskTiming = {
  pollMs: 500,
  retryMs: 10_000,
  saveMs: 1_000,
  fenceMs: 10_000,
  holdOffMs: 30_000,
  fullMs: 10 * MINUTE_MS,
  repairEveryMs: HOUR_MS,
  rebalanceEveryMs: 6 * HOUR_MS,
  collectEveryMs: 6 * HOUR_MS,
  trimEveryMs: HOUR_MS,
  scrubPeriodMs: 30 * 24 * HOUR_MS,
  // Upload sessions last a day; a file that is streamed in goes on as long as it takes, so as much again.
  sessionMs: 48 * HOUR_MS,
  trimGraceMs: 10 * MINUTE_MS,
}

/** Whether the next walk is due: after `everyMs`, when there is another mark, or when the last one left something. */
export function isWalkDue(
  state: TaskState,
  now: { readonly mark: string; readonly nowMs: number },
  timing: { readonly everyMs: number; readonly retryMs: number },
): boolean {
  if (state.finishedAtMs === 0) return true
  const sinceMs = now.nowMs - state.finishedAtMs
  // The clock went back.
  if (sinceMs < 0 || sinceMs >= timing.everyMs) return true
  if (state.mark !== now.mark) return true
  // No more than a fifth of the time goes into walks that leave the same thing again and again.
  return state.isIncomplete && sinceMs >= Math.max(timing.retryMs, 4 * (state.finishedAtMs - state.startedAtMs))
}
