import { formatTimestamp } from '#foundation/timestamp.ts'
import type { BudgetDocument, TrackerDocument } from '#gateway/rest/tracker-schemas.ts'
import type { BudgetLimits } from '#tracker/budget.ts'
import type { Decision } from '#tracker/task-store.ts'
import type { TaskStatus, TrackerStatus } from '#tracker/tracker.ts'

/** The tracker as docs/rest.md describes it. */
export function trackerDocument({ startedAtMs, waitingRepairs, tasks, decisions }: TrackerStatus): TrackerDocument {
  return {
    since: timeOf(startedAtMs),
    waitingRepairs,
    tasks: tasks.map(taskDocument),
    decisions: decisions.map(decisionDocument),
  }
}

function taskDocument({ state, activity, progress }: TaskStatus): TrackerDocument['tasks'][number] {
  const { fraction, chunksPerSecond, bytesPerSecond, chunksExpected = null, secondsLeft = null } = progress
  return {
    task: state.task,
    dryRun: state.isDryRun,
    activity,
    walk: state.walk,
    complete: !state.isIncomplete,
    started: state.startedAtMs === 0 ? null : timeOf(state.startedAtMs),
    finished: state.finishedAtMs === 0 ? null : timeOf(state.finishedAtMs),
    progress: { fraction, chunksPerSecond, bytesPerSecond, chunks: chunksExpected, secondsLeft },
    counters: { ...state.counters },
    budget: budgetDocument(state.budget),
  }
}

function budgetDocument({ bytesPerSecond, opsPerSecond, share }: BudgetLimits): BudgetDocument {
  return {
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(opsPerSecond === undefined ? {} : { opsPerSecond }),
    ...(share === undefined ? {} : { share }),
  }
}

function decisionDocument({
  atMs,
  task,
  isDryRun,
  kind,
  chunk,
  from,
  to,
  className,
}: Decision): TrackerDocument['decisions'][number] {
  return {
    time: timeOf(atMs),
    task,
    dryRun: isDryRun,
    kind,
    ...(chunk === undefined ? {} : { chunk }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(className === undefined ? {} : { layout: className }),
  }
}

function timeOf(atMs: number): string {
  return formatTimestamp(BigInt(atMs) * 1_000_000n)
}
