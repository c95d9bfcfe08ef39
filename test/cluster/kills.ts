// Kills and stops nodes under load, one fault after the other, each over before the next.

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from './process-cluster.ts'
import type { ProcessCluster } from './process-cluster.ts'
import { S3Load } from './s3-load.ts'

export interface Fault {
  readonly what: string
  /** Nodes to do it to. */
  readonly choose: (cluster: ProcessCluster) => Promise<readonly number[]>
  readonly how: 'kill' | 'pause' | 'kill-etcd'
}

const leader = async (cluster: ProcessCluster): Promise<readonly number[]> => [await cluster.leader()]
const anyFollower = async (cluster: ProcessCluster): Promise<readonly number[]> => {
  const led = await cluster.leader()
  return shuffled(cluster.running.filter((at) => at !== led)).slice(0, 1)
}
const leaderAndAnother = async (cluster: ProcessCluster): Promise<readonly number[]> => [
  ...(await leader(cluster)),
  ...(await anyFollower(cluster)),
]

export const FAULTS: readonly Fault[] = [
  { what: 'kill -9 of the node that leads', choose: leader, how: 'kill' },
  { what: 'kill -9 of another node', choose: anyFollower, how: 'kill' },
  { what: 'SIGSTOP of the node that leads', choose: leader, how: 'pause' },
  { what: 'SIGSTOP of another node', choose: anyFollower, how: 'pause' },
  { what: 'kill -9 of the etcd on the node that leads', choose: leader, how: 'kill-etcd' },
  { what: 'kill -9 of the etcd on another node', choose: anyFollower, how: 'kill-etcd' },
]

/** Needs five nodes or more. */
export const DOUBLE_FAULTS: readonly Fault[] = [
  { what: 'kill -9 of the node that leads and another one at once', choose: leaderAndAnother, how: 'kill' },
  { what: 'SIGSTOP of the node that leads and another one at once', choose: leaderAndAnother, how: 'pause' },
]

export interface KillsReport {
  readonly acknowledged: number
  /** From the fault to the next write that was acknowledged, for each fault. */
  readonly gapsMs: readonly number[]
}

/** How long a fault lasts, after a write has been acknowledged in spite of it. */
const FAULT_MS = 3_000
const PROGRESS_MS = 30_000

/** @throws if a request failed for good, or an acknowledged write is lost */
export async function runKills(
  cluster: ProcessCluster,
  faults: readonly Fault[],
  say: (line: string) => void,
): Promise<KillsReport> {
  const load = await S3Load.start(cluster.running.map((at) => cluster.s3Of(at)))
  const gapsMs: number[] = []
  try {
    for (const { what, choose, how } of faults) {
      const victims = await choose(cluster)
      const beganMs = performance.now()
      await Promise.all(victims.map((at) => strike(cluster, at, how)))
      // What was answered in the moment of the fault says nothing.
      await delay(50)
      const before = load.acknowledged
      await until(`a write after ${what}`, async () => load.acknowledged > before, PROGRESS_MS)
      gapsMs.push(Math.round(performance.now() - beganMs))
      await delay(FAULT_MS)
      await Promise.all(victims.map((at) => restore(cluster, at, how)))
      await cluster.healthy()
      const { done, moved, failed } = load.report()
      say(
        `${what} (${victims.join(' and ')}): the next write after ${gapsMs.at(-1)} ms; so far ${done} requests, ` +
          `${moved} went on at another endpoint, ${failed.length} failed`,
      )
    }
    const { failed } = await load.stop()
    for (const [reason, times] of load.reasons) say(`  ${times} × ${reason}`)
    assert.deepEqual(failed, [])
    return { acknowledged: await load.verify(), gapsMs }
  } finally {
    await load.stop()
    load.close()
  }
}

async function strike(cluster: ProcessCluster, at: number, how: Fault['how']): Promise<void> {
  if (how === 'kill') await cluster.kill(at)
  else if (how === 'pause') cluster.pause(at)
  else await cluster.killEtcd(at)
}

async function restore(cluster: ProcessCluster, at: number, how: Fault['how']): Promise<void> {
  if (how === 'kill') await cluster.restart(at)
  else if (how === 'pause') cluster.resume(at)
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ item }) => item)
}
