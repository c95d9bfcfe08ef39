import { after, before, describe, test } from 'node:test'
import { FEW_FAULTS, runKills } from './kills.ts'
import { ProcessCluster } from './process-cluster.ts'
import { runRolling } from './rolling.ts'

describe('three nodes under the load of a stock S3 client: no request fails, and no acknowledged write is lost', () => {
  let cluster: ProcessCluster
  before(async () => {
    cluster = await ProcessCluster.start({ nodes: 3, mode: 'cluster' })
  })
  after(() => cluster.dispose())

  test('while they are restarted one after the other', async (t) => {
    await runRolling(cluster, (line) => t.diagnostic(line))
  })

  test('while the one that leads is killed, another one stands still, and an etcd is killed', async (t) => {
    await runKills(cluster, { faults: FEW_FAULTS, faultMs: 500, say: (line) => t.diagnostic(line) })
  })
})
