import type { Counter, Metrics } from '#observe/metrics.ts'

/** What the replicated store counts. */
export interface ReplicationMetrics {
  readonly hedges: Counter
  readonly failovers: Counter
  readonly incompleteWrites: Counter
}

const NOTHING: Counter = { add() {} }

export function replicationMetrics(metrics: Metrics | undefined): ReplicationMetrics {
  if (metrics === undefined) return { hedges: NOTHING, failovers: NOTHING, incompleteWrites: NOTHING }
  return {
    hedges: metrics.counter({
      name: 'shoal_replication_hedged_reads_total',
      help: 'Reads that a second node was asked for because the first one took long',
    }),
    failovers: metrics.counter({
      name: 'shoal_replication_failed_over_reads_total',
      help: 'Reads in which a node failed, whether another one could help or not',
    }),
    incompleteWrites: metrics.counter({
      name: 'shoal_replication_incomplete_writes_total',
      help: 'Writes that were acknowledged, and left to a repair to complete',
    }),
  }
}
