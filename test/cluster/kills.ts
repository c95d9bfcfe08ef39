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
  readonly how: 'kill' | 'pause' | 'kill-etcd' | 'pause-etcd'
}

type Choose = Fault['choose']

const leader: Choose = async (cluster) => [await cluster.leader()]
const follower: Choose = async (cluster) => pick(cluster.running, { not: await leader(cluster), count: 1 })
const leaderAndAnother: Choose = async (cluster) => [...(await leader(cluster)), ...(await follower(cluster))]
const otherVoters =
  (count: number): Choose =>
  async (cluster) =>
    pick(await cluster.voters(), { not: await leader(cluster), count })

const KILL_LEADER: Fault = { what: 'kill -9 of the node that leads', choose: leader, how: 'kill' }
const STOP_FOLLOWER: Fault = { what: 'SIGSTOP of another node', choose: follower, how: 'pause' }
const KILL_ETCD: Fault = { what: 'kill -9 of the etcd of another node', choose: otherVoters(1), how: 'kill-etcd' }

/** What there is time for in every run of the tests. */
export const FEW_FAULTS: readonly Fault[] = [KILL_LEADER, STOP_FOLLOWER, KILL_ETCD]

/** The node that leads need not have an etcd: with seven nodes, five have one. */
export const FAULTS: readonly Fault[] = [
  KILL_LEADER,
  { what: 'kill -9 of another node', choose: follower, how: 'kill' },
  { what: 'SIGSTOP of the node that leads', choose: leader, how: 'pause' },
  STOP_FOLLOWER,
  KILL_ETCD,
  { what: 'SIGSTOP of the etcd of another node', choose: otherVoters(1), how: 'pause-etcd' },
  { what: 'kill -9 of an etcd', choose: async (cluster) => pick(await cluster.voters(), { count: 1 }), how: 'kill-etcd' },
]

/** Needs five nodes or more. */
export const DOUBLE_FAULTS: readonly Fault[] = [
  { what: 'kill -9 of the node that leads and another one at once', choose: leaderAndAnother, how: 'kill' },
  { what: 'SIGSTOP of the node that leads and another one at once', choose: leaderAndAnother, how: 'pause' },
  { what: 'kill -9 of the etcds of two other nodes at once', choose: otherVoters(2), how: 'kill-etcd' },
  { what: 'SIGSTOP of the etcds of two other nodes at once', choose: otherVoters(2), how: 'pause-etcd' },
]

export interface KillsReport {
  readonly acknowledged: number
  /** From the fault to the next write that was acknowledged, for each fault. */
  readonly gapsMs: readonly number[]
}

const PROGRESS_MS = 30_000

export interface KillsOptions {
  readonly faults: readonly Fault[]
  /** How long each of them lasts, after a write has been acknowledged in spite of it. */
  readonly faultMs: number
  readonly say: (line: string) => void
}

/** @throws if a request failed for good, or an acknowledged write is lost */
export async function runKills(cluster: ProcessCluster, { faults, faultMs, say }: KillsOptions): Promise<KillsReport> {
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
      await delay(faultMs)
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
  else await cluster.signalEtcd(at, how === 'kill-etcd' ? 'SIGKILL' : 'SIGSTOP')
}

/** An etcd that was killed is started again by its node. */
async function restore(cluster: ProcessCluster, at: number, how: Fault['how']): Promise<void> {
  if (how === 'kill') await cluster.restart(at)
  else if (how === 'pause') cluster.resume(at)
  else if (how === 'pause-etcd') await cluster.signalEtcd(at, 'SIGCONT')
}

/** Some of them, at random. */
function pick(
  of: readonly number[],
  { not = [], count }: { readonly not?: readonly number[]; readonly count: number },
): number[] {
  const drawn = of.filter((at) => !not.includes(at)).map((at) => ({ at, order: Math.random() }))
  const chosen = drawn.toSorted((a, b) => a.order - b.order).slice(0, count)
  assert.equal(chosen.length, count, 'there are as many')
  return chosen.map(({ at }) => at)
}
