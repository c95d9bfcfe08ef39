import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { nodeClock } from '#platform/node-clock.ts'
import { EtcdLog } from '#sharedlog/etcd.ts'
import { startEtcdProcess } from '../../test/support/etcd-process.ts'
import type { EtcdProcess } from '../../test/support/etcd-process.ts'
import type { ReplicatedStore } from './replicated.ts'
import { leadingFixture, openReplica, until } from './replicated-fixture.suite.ts'
import { contradictions, listOf, SharedList } from './shared-list.suite.ts'
import { bytes, collect, fill, hasCode, numbered } from './store-fixture.suite.ts'
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

test('when the process that leads has gone, another one leads within five seconds, with all that was acknowledged', async () => {
  const connect = () => new EtcdLog({ endpoints: [etcd.endpoint], prefix: 'failover/', clock: nodeClock })
  const logs = [connect(), connect(), connect()]
  const stores = logs.map((log, at) => openReplica(`node-${at}`, { log }))
  await until(() => stores.some(({ isLeading }) => isLeading), 'one leads')
  const at = stores.findIndex(({ isLeading }) => isLeading)
  const [leader, others] = [stores[at] as ReplicatedStore, stores.toSpliced(at, 1)]
  await Promise.all(numbered(500).map((name) => fill(leader, [name])))
  const goneMs = Date.now()
  await logs[at]?.close()
  await until(() => others.some(({ isLeading }) => isLeading), 'another one leads')
  assert.ok(Date.now() - goneMs < 5_000, `it took ${Date.now() - goneMs} ms`)
  for (const store of others) assert.equal((await collect(store.range({}))).length, 500)
  await assert.rejects(leader.get(bytes('n000001')), hasCode('UNAVAILABLE'))
  for (const store of stores) await store.close()
  for (const log of logs) await log.close()
})

test('what was acknowledged while etcd was killed again and again is there once, and reads stay linearizable', async () => {
  const own = await startEtcdProcess()
  const logs = [0, 1].map(() => new EtcdLog({ endpoints: [own.endpoint], prefix: 'log/', clock: nodeClock }))
  const stores = logs.map((log, at) => openReplica(`node-${at}`, { log }))
  await until(() => stores.some(({ isLeading }) => isLeading), 'one leads')
  const list = new SharedList(() => performance.now())
  let isOver = false
  const client = async (): Promise<void> => {
    for (let at = 0; !isOver; at += 1) {
      const store = stores[at % 2] as ReplicatedStore
      await (at % 4 === 0 || !store.isLeading ? list.read(store) : list.append(store))
      await delay(2)
    }
  }
  const clients = Array.from({ length: 8 }, client)
  for (let round = 0; round < 2; round += 1) {
    await delay(400)
    await own.kill()
    await delay(100)
    await own.start()
  }
  await until(() => stores.some(({ isLeading }) => isLeading), 'one leads again')
  isOver = true
  await Promise.all(clients)
  const lists = await Promise.all(stores.map((store) => store.read(listOf)))
  assert.deepEqual(lists[1], lists[0])
  assert.deepEqual(contradictions(list.history, lists[0] as string[]), [])
  assert.ok((lists[0] as string[]).length > 50)
  for (const store of stores) await store.close()
  for (const log of logs) await log.close()
  await own.dispose()
})
