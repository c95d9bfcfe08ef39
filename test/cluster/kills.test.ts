import { test } from 'node:test'
import { FAULTS, runKills } from './kills.ts'
import { ProcessCluster } from './process-cluster.ts'

test('the node that leads killed, stopped dead, and its etcd killed, under load: no acknowledged write is lost, and writes go on', async (t) => {
  const cluster = await ProcessCluster.start({ nodes: 3, mode: 'cluster' })
  try {
    const ofLeader = FAULTS.filter(({ what }) => what.includes('node that leads'))
    await runKills(cluster, ofLeader, (line) => t.diagnostic(line))
  } finally {
    await cluster.dispose()
  }
})
