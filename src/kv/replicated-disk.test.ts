import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import { MemoryBase, MemoryDisk } from './memory.ts'
import type { ReplicatedStore } from './replicated.ts'
import type { ReplicatedStoreOptions } from './replicated-options.ts'
import { openReplica, until } from './replicated-fixture.suite.ts'
import { bytes, collect, fill, hasCode, show } from './store-fixture.suite.ts'

const MIB = 1024 * 1024

let log: MemoryLog
const ends: (() => Promise<void>)[] = []
beforeEach(() => {
  log = new MemoryLog({ clock: nodeClock, leaseMs: 30_000 })
})
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

function open(id: string, options: Partial<ReplicatedStoreOptions> & { readonly disk?: MemoryDisk } = {}): ReplicatedStore {
  const client = log.client({ clock: nodeClock })
  const store = openReplica(id, { log: client, ...options })
  ends.push(async () => {
    await store.close()
    await client.close()
  })
  return store
}

async function openLeader(id: string, options: Parameters<typeof open>[1]): Promise<ReplicatedStore> {
  const store = open(id, options)
  await until(() => store.isLeading, `${id} leads`)
  return store
}

/** Takes nothing, and tells of it. */
function failing(): { base: MemoryBase; disk: MemoryDisk; onFailure: (error: ShoalError) => void; told: string[] } {
  const disk = new MemoryDisk()
  const base = new MemoryBase(disk, () => {
    throw new Error('EIO')
  })
  const told: string[] = []
  return { base, disk, told, onFailure: ({ code }) => void told.push(code) }
}

const contents = async (store: ReplicatedStore): Promise<string[]> => show(await collect(store.range({})))

test('a full disk refuses changes before they are in the log, and they go on when there is room', async () => {
  const disk = new MemoryDisk()
  let isFull = false
  const base = new MemoryBase(disk, () => {
    if (isFull) throw new ShoalError('NO_SPACE', 'full')
  })
  const store = await openLeader('a', { base, disk })
  isFull = true
  await fill(store, ['a'])
  await until(
    () =>
      fill(store, ['b']).then(
        () => false,
        (error: unknown) => isShoalError(error, 'NO_SPACE'),
      ),
    'it is full',
  )
  const { last } = log.bounds
  await assert.rejects(fill(store, ['c']), hasCode('NO_SPACE'))
  assert.equal(log.bounds.last, last)
  assert.deepEqual(await store.get(bytes('a')), bytes('va'))
  isFull = false
  await fill(store, ['d'])
  assert.deepEqual(await contents(store), ['a=va', 'b=vb', 'd=vd'])
})

test('a node whose disk fails tells of it, keeps what the log has in memory until another one leads, and leads no more', async () => {
  const { told, ...options } = failing()
  const [store, next] = [await openLeader('a', options), open('b')]
  await fill(store, ['a'])
  await until(() => told.length > 0, 'it is told')
  await fill(store, ['b'])
  assert.deepEqual(await contents(store), ['a=va', 'b=vb'])
  await store.resign()
  await until(() => next.isLeading, 'the other one leads')
  store.campaignAgain()
  await fill(next, ['c'])
  assert.deepEqual(await contents(store), ['a=va', 'b=vb', 'c=vc'])
  await next.resign()
  await until(() => !next.isLeading, 'nobody leads')
  await assert.rejects(fill(store, ['d']), hasCode('UNAVAILABLE'))
  assert.equal(store.isLeading, false)
  assert.deepEqual(told, ['STORAGE_FAILED'])
})

test('a node whose disk has failed leads no more once what it keeps in memory has its limit, though nobody told it to', async () => {
  const { told, ...options } = failing()
  const [store, next] = [await openLeader('a', options), open('b')]
  const add = (index: number): Promise<void> =>
    store.transact((transaction) => transaction.put(bytes(`large ${index}`), Buffer.alloc(4 * MIB)))
  await fill(store, ['a'])
  await until(() => told.length > 0, 'it is told')
  let added = 0
  await assert.rejects(
    async () => {
      for (; added < 40; added += 1) await add(added)
    },
    (error: unknown) => isShoalError(error, 'STORAGE_FAILED'),
  )
  assert.ok(added >= 15 && added <= 17, `${added} times 4 MiB`)
  await until(() => next.isLeading, 'the other one leads')
  assert.deepEqual(await next.get(bytes('a')), bytes('va'))
  assert.equal((await next.get(bytes(`large ${added - 1}`)))?.length, 4 * MIB)
})
