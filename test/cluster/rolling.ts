// Restarts all nodes one after the other under load.

import assert from 'node:assert/strict'
import type { ProcessCluster } from './process-cluster.ts'
import { S3Load } from './s3-load.ts'
import type { LoadReport } from './s3-load.ts'

export interface RollingReport extends LoadReport {
  readonly acknowledged: number
  readonly slowestStopMs: number
}

/** @throws if a request failed, or an acknowledged write is lost */
export async function runRolling(cluster: ProcessCluster, say: (line: string) => void): Promise<RollingReport> {
  const load = await S3Load.start(cluster.running.map((at) => cluster.s3Of(at)))
  try {
    let slowestStopMs = 0
    for (const at of cluster.running) {
      const isLeader = at === (await cluster.leader())
      const tookMs = await cluster.stop(at)
      slowestStopMs = Math.max(slowestStopMs, tookMs)
      await cluster.restart(at)
      await cluster.healthy()
      const { done, moved, failed, slowestMs } = load.report()
      say(
        `node ${at}${isLeader ? ', which led,' : ''} stopped in ${Math.round(tookMs)} ms; so far ${done} requests, ` +
          `${moved} went on at another endpoint, ${failed.length} failed, the slowest took ${slowestMs} ms`,
      )
    }
    const report = await load.stop()
    for (const [reason, times] of load.reasons) say(`  ${times} × ${reason}`)
    assert.deepEqual(report.failed, [])
    return { ...report, acknowledged: await load.verify(), slowestStopMs }
  } finally {
    await load.stop()
    load.close()
  }
}
