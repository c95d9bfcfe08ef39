import { test } from 'node:test'
import { ProcessCluster } from './process-cluster.ts'
import { runRolling } from './rolling.ts'

test('three nodes restarted one after the other under load: no request of a stock S3 client fails, and no acknowledged write is lost', async (t) => {
  const cluster = await ProcessCluster.start({ nodes: 3, mode: 'cluster' })
  try {
    await runRolling(cluster, (line) => t.diagnostic(line))
  } finally {
    await cluster.dispose()
  }
})
