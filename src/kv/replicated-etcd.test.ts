import { after, before } from 'node:test'
import { nodeClock } from '#platform/node-clock.ts'
import { EtcdLog } from '#sharedlog/etcd.ts'
import { startEtcdProcess } from '../../test/support/etcd-process.ts'
import type { EtcdProcess } from '../../test/support/etcd-process.ts'
import { leadingFixture } from './replicated-fixture.suite.ts'
import { storeSuite } from './store.suite.ts'

let etcd: EtcdProcess
before(async () => {
  etcd = await startEtcdProcess()
})
after(() => etcd.dispose())

let logs = 0
storeSuite('replicated, over a log in etcd,', () => {
  logs += 1
  const prefix = `log-${logs}/`
  return leadingFixture(() => new EtcdLog({ endpoints: [etcd.endpoint], prefix, clock: nodeClock }))
})
