import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import { FollowedCopy } from './followed-copy.ts'
import { isForTheWriter } from './following-store.ts'
import { openMemoryStore } from './memory.ts'
import { openReplica, until } from './replicated-fixture.suite.ts'
import { bytes, collect, fill, hasCode, show } from './store-fixture.suite.ts'

test('a copy is read in every way, and changed in none', async () => {
  const store = openMemoryStore()
  await fill(store, ['a', 'b'])
  const copy = new FollowedCopy(store)
  assert.deepEqual(await copy.get(bytes('a')), bytes('va'))
  assert.deepEqual(show(await collect(copy.range({ start: bytes('b') }))), ['b=vb'])
  const snapshot = await copy.openSnapshot()
  assert.deepEqual(snapshot.get(bytes('b')), bytes('vb'))
  snapshot.close()
  await assert.rejects(copy.transact(), isForTheWriter)
  await copy.close()
  assert.deepEqual(await store.get(bytes('a')), bytes('va'), 'it belongs to whoever made it')
  await store.close()
  await assert.rejects(copy.get(bytes('a')), isForTheWriter)
  await assert.rejects(copy.openSnapshot(), isForTheWriter)
})

test('what a reader throws comes out as it is', async () => {
  const copy = new FollowedCopy(openMemoryStore())
  const failing = copy.read(() => {
    throw new ShoalError('NOT_FOUND', 'There is no such thing')
  })
  await assert.rejects(failing, hasCode('NOT_FOUND'))
})

test('changes of keys with a prefix are told before anybody can be sure to see them, and others are not', async () => {
  const log = new MemoryLog({ clock: nodeClock, leaseMs: 30_000 })
  const [one, two] = [log.client({ clock: nodeClock }), log.client({ clock: nodeClock })]
  const leader = openReplica('a', { log: one })
  await until(() => leader.isLeading, 'it leads')
  const follower = openReplica('b', { log: two })
  let told = 0
  follower.onWrites(bytes('key/'), () => (told += 1))
  await fill(leader, ['key', 'other'])
  await follower.confirm()
  assert.equal(told, 0)
  await fill(leader, ['key/1', 'key/2', 'other'])
  await follower.confirm()
  assert.equal(told, 1)
  await leader.transact((tx) => tx.delete(bytes('key/1')))
  await follower.confirm()
  assert.equal(told, 2)
  await Promise.all([leader.close(), follower.close()])
  await Promise.all([one.close(), two.close()])
})
