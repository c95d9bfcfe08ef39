import type { ChunkId } from '#foundation/ids.ts'
import type { TaskState } from './task-state.ts'

/** How far a walk is. Ids are spread evenly, so the part of the ids that it has passed is the part of the chunks. */
export interface TaskProgress {
  /** 0 to 1; of a repair, of its present level. */
  readonly fraction: number
  readonly chunksPerSecond: number
  readonly bytesPerSecond: number
  /** How many chunks there are about; `undefined` as long as nobody can say. */
  readonly chunksExpected: number | undefined
  readonly secondsLeft: number | undefined
}

export function progressOf(state: TaskState, nowMs: number): TaskProgress {
  const { isWalking, finishedAtMs, startedAtMs, counters } = state
  const fraction = isWalking ? passedFraction(state.cursor) : finishedAtMs > 0 ? 1 : 0
  const seconds = Math.max(0, (isWalking ? nowMs : finishedAtMs) - startedAtMs) / 1_000
  const bytes = counters.copiedBytes + counters.verifiedBytes
  const isKnown = isWalking && fraction > 0 && seconds > 0
  return {
    fraction,
    chunksPerSecond: seconds > 0 ? counters.chunks / seconds : 0,
    bytesPerSecond: seconds > 0 ? bytes / seconds : 0,
    chunksExpected: isKnown ? Math.round(counters.chunks / fraction) : isWalking ? undefined : counters.chunks,
    secondsLeft: isKnown ? (seconds / fraction) * (1 - fraction) : undefined,
  }
}

function passedFraction(cursor: ChunkId | undefined): number {
  return cursor === undefined ? 0 : Number.parseInt(cursor.slice(0, 12), 16) / 2 ** 48
}
