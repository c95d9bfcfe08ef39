import { ShoalError } from '#foundation/errors.ts'
import { HOME_ID, OTHER_ID } from './memory-cluster.suite.ts'
import type { BudgetDocument, DrainDocument, TrackerDocument, TrackerTask } from './tracker-schemas.ts'
import type { TrackerAdmin } from './tracker-admin.ts'

/** A tracker of two tasks that has everything done at once. */
export class MemoryTracker implements TrackerAdmin {
  readonly #activities = new Map<TrackerTask, string>([
    ['repair', 'idle'],
    ['scrub', 'idle'],
  ])
  #dryRun: { readonly task: TrackerTask; readonly budget: BudgetDocument | undefined } | undefined

  async status(): Promise<TrackerDocument> {
    const states = [...this.#activities].map(([task, activity]) => statusOf(task, activity))
    const dryRun =
      this.#dryRun === undefined
        ? []
        : [{ ...statusOf(this.#dryRun.task, 'idle'), dryRun: true, budget: this.#dryRun.budget ?? {} }]
    return {
      since: '2026-11-20T12:00:00.000000000Z',
      waitingRepairs: 3,
      tasks: [...states, ...dryRun],
      decisions: [
        {
          time: '2026-11-20T12:00:01.000000000Z',
          task: 'repair',
          dryRun: false,
          kind: 'copy',
          chunk: 'ab'.repeat(32),
          to: 'cd'.repeat(16),
        },
      ],
    }
  }

  async drain(node: string): Promise<DrainDocument> {
    if (node === HOME_ID) throw new ShoalError('CONFLICT', 'It is not to be drained')
    if (node !== OTHER_ID) throw new ShoalError('NOT_FOUND', `There is no node "${node}"`)
    return {
      node,
      chunks: 10,
      bytes: 1_000,
      left: { chunks: 4, bytes: 400 },
      activity: 'running',
      bytesPerSecond: 100,
      secondsLeft: 4,
      hindrances: ['There are too few nodes'],
    }
  }

  async pause(task: TrackerTask | undefined): Promise<void> {
    this.#set(task, 'paused')
  }

  async resume(task: TrackerTask | undefined): Promise<void> {
    this.#set(task, 'idle')
  }

  async run(task: TrackerTask, { isDryRun, budget }: { isDryRun: boolean; budget: BudgetDocument | undefined }): Promise<void> {
    if (isDryRun) this.#dryRun = { task, budget }
    else this.#set(task, 'running')
  }

  #set(task: TrackerTask | undefined, activity: string): void {
    for (const known of this.#activities.keys()) if (task === undefined || known === task) this.#activities.set(known, activity)
  }
}

function statusOf(task: TrackerTask, activity: string): TrackerDocument['tasks'][number] {
  return {
    task,
    dryRun: false,
    activity,
    walk: 2,
    complete: true,
    started: '2026-11-20T12:00:00.000000000Z',
    finished: activity === 'running' ? null : '2026-11-20T12:10:00.000000000Z',
    progress: {
      fraction: activity === 'running' ? 0.25 : 1,
      chunksPerSecond: 10,
      bytesPerSecond: 2_000_000,
      chunks: 1_000,
      secondsLeft: activity === 'running' ? 90 : null,
    },
    counters: {
      chunks: 1_000,
      copies: 4,
      copiedBytes: 4_000,
      verified: 0,
      verifiedBytes: 0,
      removed: 0,
      removedBytes: 0,
      corrupt: 0,
      lost: 0,
      failed: 0,
    },
    budget: task === 'scrub' ? { bytesPerSecond: 1_048_576, share: 0.5 } : {},
  }
}
