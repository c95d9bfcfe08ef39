import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { openMemoryStore } from '#kv/memory.ts'
import { silentLog } from '#observe/log.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import { simulatePair } from '#wire/wire-fixture.suite.ts'
import { createClass } from './classes.ts'
import { NodeSettings } from './node-settings.ts'
import { RemoteRecords } from './remote-records.ts'
import { systemMethods } from './system-methods.ts'
import { SystemRecords } from './system-records.ts'
import { LayoutCache } from './system-rows.ts'
import type { SystemView } from './system-view.ts'
import { decodeView, encodeView } from './view-codec.ts'

const A = 'a'.repeat(32) as NodeId
const NODES = [{ id: A, zone: 'z', capacityBytes: 1, weight: 1 }]

async function pairOf() {
  const records = await SystemRecords.open(openMemoryStore())
  const stopping = new AbortController()
  const methods: Record<string, ReturnType<typeof systemMethods>[string]> = {}
  const pair = await simulatePair(methods)
  Object.assign(methods, systemMethods(records, { clock: pair.clock, stopping: stopping.signal }))
  let isKnown = true
  const leader = () => (isKnown ? pair.address : undefined)
  const remote = new RemoteRecords({ wire: pair.peers, leader, clock: pair.clock, log: silentLog })
  return { records, remote, pair, stopping, lose: () => (isKnown = false), find: () => (isKnown = true) }
}

test('a node that doesn’t lead the records has each change of them as soon as it is made', async () => {
  const { records, remote, pair } = await pairOf()
  await records.change((view) => createClass(view, 'archive', { copies: 3 }))
  await records.change(() => ({ layouts: new Map([['3/1', new LayoutPair(computeLayout({ nodes: NODES, copies: 3 }))]]) }))
  remote.start()
  await pair.settle()
  assert.equal(remote.view.version, 2)
  assert.equal(remote.view.classes.get('archive')?.copies, 3)
  assert.deepEqual(remote.view.layouts.get('3/1')?.next.nodes, NODES)
  const seen: SystemView[] = []
  const stop = remote.onChange((view) => seen.push(view))
  await new NodeSettings(records).set(A, { state: 'draining' })
  await pair.settle()
  assert.equal(seen.length, 1, 'it doesn’t wait for its next question')
  assert.equal(seen[0]?.nodes.get(A)?.state, 'draining')
  assert.equal(remote.view.layouts.get('3/1')?.next, seen[0]?.layouts.get('3/1')?.next)
  stop()
  await pair.pass(60_000)
  await records.change((view) => createClass(view, 'other', { copies: 1 }))
  await pair.settle()
  assert.equal(remote.view.version, 4)
  assert.equal(seen.length, 1)
  await remote.stop()
})

test('a node keeps what it heard last while nobody leads, and asks on', async () => {
  const { records, remote, pair, lose, find } = await pairOf()
  await records.change((view) => createClass(view, 'archive', { copies: 3 }))
  lose()
  remote.start()
  await pair.pass(5_000)
  assert.equal(remote.view.version, 0)
  find()
  await pair.pass(1_000)
  assert.equal(remote.view.version, 1)
  await remote.stop()
})

test('a node that stops keeps nobody waiting for changes', async () => {
  const { remote, pair, stopping } = await pairOf()
  remote.start()
  await pair.settle()
  const call = pair.peers.call(pair.address, 'system.view', { header: { after: 0, waitMs: 20_000 } })
  const failed = assert.rejects(call, (error) => isShoalError(error, 'UNAVAILABLE'))
  await pair.settle()
  stopping.abort()
  await pair.settle()
  await failed
  await remote.stop()
})

test('a question or an answer that makes no sense is refused', async () => {
  const { pair, records } = await pairOf()
  await assert.rejects(
    async () => {
      const call = pair.peers.call(pair.address, 'system.view', { header: { after: 'x', waitMs: 0 } })
      await Promise.all([call, pair.settle()])
    },
    (error) => isShoalError(error, 'INVALID_ARGUMENT'),
  )
  await records.change((view) => createClass(view, 'archive', { copies: 3 }))
  const bytes = Buffer.concat(encodeView(records.view))
  const { decode } = new LayoutCache()
  assert.deepEqual(decodeView(bytes, decode), records.view)
  for (const cut of [1, 5, bytes.length - 1]) {
    assert.throws(
      () => decodeView(bytes.subarray(0, cut), decode),
      (error) => isShoalError(error, 'DATA_FORMAT'),
    )
  }
})
