import type { Metrics } from '#observe/metrics.ts'
import type { TaskCounters, TaskName, TaskState } from './task-state.ts'

/** What is read when metrics are collected. */
export interface TrackerSight {
  /** Of the tasks that run here, dry runs left out; none on a node that doesn't lead. */
  readonly states: readonly TaskState[]
  /** Chunks that are known to lack copies. */
  readonly lacking: number
}

/** Adds to what a task has done since the process began. */
export type CountWork = (task: TaskName, counts: Partial<TaskCounters>) => void

const BYTES = { copiedBytes: 'copied', verifiedBytes: 'verified', removedBytes: 'removed' } as const

/** The tracker's metrics. Without a registry nothing is counted. */
export function trackerMetrics(metrics: Metrics | undefined, look: () => TrackerSight): CountWork {
  if (metrics === undefined) return () => {}
  const work = metrics.counter({
    name: 'shoal_tracker_work_total',
    help: 'What the tasks of the tracker have done: chunks looked at; copies made, verified and removed; found corrupt or lost; left for later',
    labels: ['task', 'work'],
  })
  const bytes = metrics.counter({
    name: 'shoal_tracker_bytes_total',
    help: 'Bytes that the tasks of the tracker have copied, verified and removed',
    labels: ['task', 'work'],
  })
  const gauge = (name: string, help: string, read: (state: TaskState) => number): void =>
    metrics.gauge({ name, help, labels: ['task'] }, () =>
      look().states.map((state) => ({ labels: { task: state.task }, value: read(state) })),
    )
  metrics.gauge(
    { name: 'shoal_tracker_under_replicated_chunks', help: 'Chunks that are known to lack copies, and wait for a repair' },
    () => look().lacking,
  )
  gauge('shoal_tracker_walking', 'Whether a walk of the task is under way', ({ isWalking }) => Number(isWalking))
  gauge('shoal_tracker_paused', 'Whether the task is paused', ({ isPaused }) => Number(isPaused))
  gauge(
    'shoal_tracker_complete_walk_timestamp_seconds',
    'When a walk of the task last came to its end and left nothing; 0 if none has',
    ({ completedAtMs }) => completedAtMs / 1_000,
  )
  return (task, counts) => {
    for (const [name, amount] of Object.entries(counts)) {
      if (amount === 0) continue
      const of = BYTES[name as keyof typeof BYTES]
      if (of === undefined) work.add(amount, { task, work: name })
      else bytes.add(amount, { task, work: of })
    }
  }
}
