import type { IncomingMessage, ServerResponse } from 'node:http'
import { json, readAll } from './fake-wire.suite.ts'
import type { RemoteTracker, RemoteTrackerTask } from './wire.ts'

const MIB = 1024 * 1024

const REPAIR: RemoteTrackerTask = {
  task: 'repair',
  dryRun: false,
  activity: 'running',
  walk: 4,
  complete: true,
  started: '2026-11-20T12:00:00.000000000Z',
  finished: null,
  progress: { fraction: 0.256, chunksPerSecond: 10, bytesPerSecond: 2 * MIB, chunks: 1_000, secondsLeft: 90 },
  counters: { chunks: 256, copies: 4, copiedBytes: 32 * MIB, verified: 0, removed: 0, corrupt: 1, lost: 0, failed: 2 },
  budget: { bytesPerSecond: 50 * MIB, share: 0.5 },
}

/** A tracker that is told things over REST. */
export class FakeTracker {
  document: RemoteTracker = {
    since: '2026-11-20T11:00:00.000000000Z',
    waitingRepairs: 7,
    tasks: [
      REPAIR,
      {
        ...REPAIR,
        task: 'trim',
        activity: 'idle',
        started: null,
        counters: {},
        budget: {},
        progress: { ...REPAIR.progress, secondsLeft: null },
      },
    ],
    decisions: [
      {
        time: '2026-11-20T12:00:01.000000000Z',
        task: 'repair',
        dryRun: false,
        kind: 'copy',
        chunk: 'ab'.repeat(32),
        to: 'cd'.repeat(16),
      },
      { time: '2026-11-20T12:00:00.000000000Z', task: 'rebalance', dryRun: false, kind: 'settle', layout: '3/1' },
    ],
  }
  /** What it was told, oldest first. */
  readonly told: unknown[] = []

  async answer(request: IncomingMessage, response: ServerResponse, what: string | undefined): Promise<void> {
    const body = (await readAll(request)).toString()
    if (what !== undefined) this.told.push([what, JSON.parse(body)])
    json(response, 200, this.document)
  }
}
