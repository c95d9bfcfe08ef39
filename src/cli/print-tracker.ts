import type { RemoteTracker, RemoteTrackerTask, TrackerBudget } from '#client/wire.ts'
import { columns } from './output.ts'
import type { Output } from './output.ts'
import { humanDuration, humanSize, plural, shortTime } from './units.ts'
import { usageError } from './usage-error.ts'

const TASKS = ['repair', 'drain', 'rebalance', 'collect', 'scrub', 'trim']

/** @throws a usage error that names the tasks */
export function checkTask(task: string | undefined): string | undefined {
  if (task === undefined || TASKS.includes(task)) return task
  throw usageError(`"${task}" is no task of the tracker: ${TASKS.join(', ')} are`)
}

export async function printTracker(output: Output, tracker: RemoteTracker): Promise<void> {
  if (output.json) {
    await output.value(tracker)
    return
  }
  const header = ['TASK', 'STATE', 'DONE', 'LEFT', 'HAS DONE', 'MAY USE']
  for (const line of columns([header, ...tracker.tasks.map(rowOf)], '<<>><<')) await output.line(line)
  if (tracker.waitingRepairs > 0)
    await output.line(`${plural(tracker.waitingRepairs, 'chunk waits', 'chunks wait')} for a repair`)
}

export async function printDecisions(output: Output, { decisions }: RemoteTracker): Promise<void> {
  const rows = decisions.map(({ time, task, dryRun, kind, chunk, from, to, layout }) => [
    shortTime(time),
    dryRun ? `${task} (dry run)` : task,
    kind,
    chunk ?? layout ?? '',
    [from === undefined ? '' : `from ${from}`, to === undefined ? '' : `to ${to}`].filter((part) => part !== '').join(' '),
  ])
  if (rows.length === 0) return
  await output.line()
  for (const line of columns([['TIME', 'TASK', 'WHAT', 'CHUNK OR LAYOUT', 'WHERE'], ...rows], '<<<<<')) await output.line(line)
}

function rowOf({ task, dryRun, activity, finished, started, progress, counters, budget }: RemoteTrackerTask): string[] {
  const isBegun = started !== null || finished !== null
  return [
    dryRun ? `${task} (dry run)` : task,
    activity,
    isBegun ? `${Math.floor(progress.fraction * 100)}%` : '-',
    progress.secondsLeft === null ? '-' : humanDuration(progress.secondsLeft * 1000),
    describeCounters(counters),
    describeBudget(budget),
  ]
}

function describeCounters(counters: RemoteTrackerTask['counters']): string {
  const count = (name: string): number => counters[name] ?? 0
  const parts = [plural(count('chunks'), 'chunk')]
  if (count('copies') > 0) parts.push(`${plural(count('copies'), 'copy', 'copies')} made (${humanSize(count('copiedBytes'))})`)
  if (count('verified') > 0) parts.push(`${count('verified')} verified (${humanSize(count('verifiedBytes'))})`)
  if (count('removed') > 0) parts.push(`${count('removed')} removed (${humanSize(count('removedBytes'))})`)
  for (const name of ['corrupt', 'lost', 'failed']) if (count(name) > 0) parts.push(`${count(name)} ${name}`)
  return parts.join(', ')
}

function describeBudget({ bytesPerSecond, opsPerSecond, share }: TrackerBudget): string {
  const parts = [
    ...(bytesPerSecond === undefined ? [] : [`${humanSize(bytesPerSecond)}/s`]),
    ...(opsPerSecond === undefined ? [] : [`${opsPerSecond} calls/s`]),
    ...(share === undefined ? [] : [`${Math.round(share * 100)}% of the time`]),
  ]
  return parts.length === 0 ? 'no limit' : parts.join(', ')
}
