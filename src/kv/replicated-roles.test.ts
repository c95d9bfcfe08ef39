import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isShoalError, LEADERLESS } from '#foundation/errors.ts'
import type { ErrorDetails } from '#foundation/errors.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import type { MemoryLogCall, MemoryLogClient } from '#sharedlog/memory.ts'
import { LeapingClock } from './leaping-clock.suite.ts'
import { MemoryBase, MemoryDisk, openMemoryStore } from './memory.ts'
import type { ReplicatedStore } from './replicated.ts'
import type { ReplicatedStoreOptions } from './replicated-options.ts'
import { openReplica, until } from './replicated-fixture.suite.ts'
import { bytes, collect, fill, hasCode, numbered, show } from './store-fixture.suite.ts'

/** Nobody is elected while a test is held up; and where somebody is to be. */
const LONG_LEASE_MS = 30_000
const LEASE_MS = 600
const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

interface Replica {
  readonly store: ReplicatedStore
  readonly log: MemoryLogClient
  readonly disk: MemoryDisk
}

type Options = Partial<ReplicatedStoreOptions> & {
  disk?: MemoryDisk
  fault?: (call: MemoryLogCall) => Promise<undefined> | 'answer-lost' | undefined
}

class Cluster {
  readonly log: MemoryLog
  readonly clock = new LeapingClock()
  readonly #leaseMs: number

  constructor(leaseMs = LONG_LEASE_MS) {
    this.#leaseMs = leaseMs
    this.log = new MemoryLog({ clock: this.clock, leaseMs })
  }

  /** Leases that were begun or renewed before this are over. */
  endLeases(): void {
    this.clock.leap(this.#leaseMs)
  }

  async open(id: string, { fault, disk = new MemoryDisk(), ...options }: Options = {}): Promise<Replica> {
    const log = this.log.client({ clock: this.clock, ...(fault === undefined ? {} : { fault }) })
    const store = openReplica(id, { log, disk, ...options })
    ends.push(async () => {
      log.partition(false)
      await store.close()
      await log.close()
    })
    return { store, log, disk }
  }

  async openLeader(id: string, options: Options = {}): Promise<Replica> {
    const replica = await this.open(id, options)
    await until(() => replica.store.isLeading, `${id} leads`)
    return replica
  }

  /** From now on nothing of it reaches its disk or the log, which isn't told. */
  async crash({ store, log, disk }: Replica): Promise<void> {
    new MemoryBase(disk)
    await log.close()
    await store.close()
  }
}

async function failure(promise: Promise<unknown>): Promise<{ code: string; details: ErrorDetails }> {
  const error: unknown = await promise.then(
    () => assert.fail('it succeeded'),
    (reason: unknown) => reason,
  )
  assert.ok(isShoalError(error), String(error))
  return { code: error.code, details: error.details }
}

const contents = async (store: ReplicatedStore): Promise<string[]> => show(await collect(store.range({})))

test('a follower refuses transactions, and names the leader and its address', async () => {
  const cluster = new Cluster()
  const { store } = await cluster.open('alone', { candidate: undefined })
  assert.deepEqual(await failure(store.transact(() => {})), { code: 'UNAVAILABLE', details: LEADERLESS })
  await cluster.openLeader('a')
  await until(async () => (await failure(store.transact(() => {}))).details['leader'] === 'a', 'it knows')
  assert.deepEqual(await failure(store.transact(() => {})), { code: 'UNAVAILABLE', details: { leader: 'a', address: 'a:7402' } })
})

test('a follower reads what was acknowledged before, and stale what it has', async () => {
  const cluster = new Cluster()
  const leader = await cluster.openLeader('a')
  let isHeld = false
  const hold = async (call: MemoryLogCall): Promise<undefined> => {
    while (isHeld && call === 'read') await delay(1)
  }
  const follower = await cluster.open('b', { fault: hold })
  for (let at = 0; at < 50; at += 1) {
    await fill(leader.store, [`k${at}`])
    assert.deepEqual(await follower.store.get(bytes(`k${at}`)), bytes(`vk${at}`))
  }
  isHeld = true
  await fill(leader.store, ['late'])
  const fresh = follower.store.get(bytes('late'))
  await delay(20)
  assert.equal(await follower.store.stale.get(bytes('late')), undefined)
  isHeld = false
  assert.deepEqual(await fresh, bytes('vlate'))
})

test('when the leader is cut off another one goes on with all that was acknowledged; the old one acknowledges and answers nothing any more, and follows when it is back', async () => {
  const cluster = new Cluster(LEASE_MS)
  const [old, next] = [await cluster.openLeader('old'), await cluster.open('next')]
  await Promise.all(numbered(100).map((name) => fill(old.store, [name])))
  // So that the next commit waits for nobody.
  await delay(20)
  old.log.partition(true)
  const lost = [fill(old.store, ['first']), fill(old.store, ['second'])]
  await delay(5)
  const behind = fill(old.store, ['behind'])
  const whys = await Promise.all([...lost, behind].map(failure))
  assert.deepEqual(
    whys.map(({ code, details }) => [code, details['ambiguous']]),
    [
      ['UNAVAILABLE', true],
      ['UNAVAILABLE', true],
      ['UNAVAILABLE', false],
    ],
  )
  await until(() => next.store.isLeading, 'the next one leads')
  await fill(next.store, ['new'])
  await assert.rejects(old.store.get(bytes('new')), hasCode('UNAVAILABLE'))
  await assert.rejects(fill(old.store, ['never']), hasCode('UNAVAILABLE'))
  old.log.partition(false)
  assert.deepEqual(await old.store.get(bytes('new')), bytes('vnew'))
  assert.deepEqual(
    await contents(old.store),
    [...numbered(100), 'new'].toSorted().map((name) => `${name}=v${name}`),
  )
  assert.deepEqual(await contents(next.store), await contents(old.store))
})

test('a change whose answer was lost is acknowledged once it was found in the log, and made once', async () => {
  const cluster = new Cluster()
  let left = 3
  const fault = (call: MemoryLogCall) =>
    call === 'append' && (left -= 1) < 0 ? undefined : call === 'append' ? ('answer-lost' as const) : undefined
  const { store } = await cluster.openLeader('a', { fault })
  left = 2
  await fill(store, ['a'])
  await fill(store, ['b'])
  assert.deepEqual(await contents(store), ['a=va', 'b=vb'])
  assert.equal(cluster.log.bounds.last, 3)
})

test('a leader that does not know whether it still leads answers what only reads with the word of the log', async () => {
  const cluster = new Cluster(LEASE_MS)
  const { store, log } = await cluster.openLeader('a')
  await fill(store, ['a'])
  log.partition(true)
  await until(
    () =>
      store
        .transact((transaction) => transaction.get(bytes('a')))
        .then(
          () => false,
          () => true,
        ),
    'its lease is over',
  )
  await assert.rejects(store.get(bytes('a')), hasCode('UNAVAILABLE'))
  assert.deepEqual(await store.stale.get(bytes('a')), bytes('va'))
})

test('after a crash in the middle of applying, what the log has and the disk has not is there again, once', async () => {
  const cluster = new Cluster(LEASE_MS)
  const disk = new MemoryDisk()
  let commits = 0
  const stuck = Promise.withResolvers<void>()
  const base = new MemoryBase(disk, () => ((commits += 1) > 3 ? stuck.promise : undefined))
  const first = await cluster.openLeader('a', { base, disk })
  for (let round = 0; round < 5; round += 1) {
    await first.store.transact((transaction) => {
      const count = Number(transaction.get(bytes('count'))?.toString() ?? 0)
      transaction.put(bytes('count'), bytes(String(count + 1)))
    })
    await delay(270)
  }
  assert.ok(commits > 3)
  const crash = cluster.crash(first)
  stuck.resolve()
  await crash
  const again = await cluster.openLeader('a', { disk })
  assert.equal((await again.store.get(bytes('count')))?.toString(), '5')
  await again.store.close()
  const reopened = openMemoryStore({ disk })
  assert.equal((await reopened.get(bytes('count')))?.toString(), '5')
})

test('a large transaction is several entries, and shows whole or not at all, also when its leader fails in the middle', async () => {
  const cluster = new Cluster()
  let allowed = Infinity
  const fault = (call: MemoryLogCall): 'answer-lost' | undefined => {
    if (call === 'append' && (allowed -= 1) < 0) old.log.partition(true)
    return undefined
  }
  const old: Replica = await cluster.openLeader('old', { fault })
  const next = await cluster.open('next')
  const write = (store: ReplicatedStore, name: string): Promise<void> =>
    store.transact((transaction) => {
      for (const part of ['x', 'y', 'z']) transaction.put(bytes(name + part), Buffer.alloc(900_000, name))
    })
  await write(old.store, 'whole')
  allowed = 1
  const half = failure(write(old.store, 'half'))
  await until(() => allowed < 0, 'one of its entries is in the log, and it is cut off')
  cluster.endLeases()
  assert.deepEqual(await half, { code: 'UNAVAILABLE', details: { ambiguous: false } })
  await until(() => next.store.isLeading, 'the next one leads')
  await write(next.store, 'after')
  const keys = (await collect(next.store.range({}))).map(({ key }) => key.toString())
  assert.deepEqual(keys, ['afterx', 'aftery', 'afterz', 'wholex', 'wholey', 'wholez'])
})

test('the leader trims the log, and who is too far behind gets a snapshot, also after a crash in the middle of it', async () => {
  const cluster = new Cluster()
  const leader = await cluster.openLeader('a', { keep: { entries: 10, bytes: 1e9 } })
  await leader.store.transact((transaction) => {
    for (const name of numbered(10_000)) transaction.put(bytes(name), bytes(`v${name}`))
  })
  for (const name of numbered(40)) await fill(leader.store, [`later ${name}`])
  await delay(300)
  for (const name of numbered(10)) await fill(leader.store, [`last ${name}`])
  await until(() => cluster.log.bounds.first > 20, 'it is trimmed')
  const disk = new MemoryDisk()
  let pagesLeft = 2
  const snapshots = {
    async fetchSnapshot() {
      const { pages, ...rest } = leader.store.snapshot()
      const some = async function* () {
        for await (const page of pages) {
          if ((pagesLeft -= 1) < 0) await new Promise(() => {})
          yield page
        }
      }
      return { ...rest, pages: some() }
    },
  }
  const cut = await cluster.open('cut', { disk, snapshots, candidate: undefined })
  await until(() => pagesLeft < 0, 'half of it is there')
  await assert.rejects(cut.store.stale.get(bytes('n000001')), hasCode('UNAVAILABLE'))
  ends.pop()
  const alone = await cluster.open('alone', { disk, candidate: undefined })
  await assert.rejects(alone.store.stale.get(bytes('n000001')), hasCode('UNAVAILABLE'), 'half a snapshot is shown')
  await alone.store.close()
  pagesLeft = Infinity
  const whole = await cluster.open('whole', { disk, snapshots, candidate: undefined })
  assert.deepEqual(await contents(whole.store), await contents(leader.store))
  await fill(leader.store, ['on'])
  assert.deepEqual(await whole.store.get(bytes('on')), bytes('von'))
})

test('who founds the log keeps the state that it had, also after a crash just then, and others get it as a snapshot', async () => {
  const cluster = new Cluster(LEASE_MS)
  const disk = new MemoryDisk()
  const single = openMemoryStore({ disk })
  await fill(single, ['before'])
  await single.close()
  await cluster.crash(await cluster.openLeader('founder', { disk }))
  const founder = await cluster.openLeader('founder', { disk })
  await fill(founder.store, ['after'])
  const { store } = await cluster.open('b', {
    candidate: undefined,
    snapshots: { fetchSnapshot: async () => founder.store.snapshot() },
  })
  assert.deepEqual(await contents(store), ['after=vafter', 'before=vbefore'])
})

test('a folder with metadata of its own, or of another cluster, does not join, and keeps what it has', async () => {
  const [cluster, other] = [new Cluster(), new Cluster()]
  const leader = await cluster.openLeader('a')
  await fill(leader.store, ['ours'])
  const own = new MemoryDisk()
  const single = openMemoryStore({ disk: own })
  await fill(single, ['mine'])
  await single.close()
  const foreign = new MemoryDisk()
  const elsewhere = await other.openLeader('b', { disk: foreign })
  await fill(elsewhere.store, ['theirs'])
  await elsewhere.store.close()
  for (const [disk, key] of [
    [own, 'mine'],
    [foreign, 'theirs'],
  ] as const) {
    const { store } = await cluster.open('joining', { disk })
    await until(async () => (await failure(store.transact(() => {}))).code === 'DATA_IN_USE', 'it is refused')
    await assert.rejects(store.get(bytes(key)), hasCode('DATA_IN_USE'))
    assert.deepEqual(await store.stale.get(bytes(key)), bytes(`v${key}`))
  }
})

test('a log that has lost its end is not gone on with', async () => {
  const disk = new MemoryDisk()
  const first = await new Cluster().openLeader('a', { disk })
  await fill(first.store, ['a'])
  await first.store.close()
  const { store } = await new Cluster().open('a', { disk })
  await until(async () => (await failure(store.transact(() => {}))).code === 'DATA_IN_USE', 'it is refused')
})

test('who listens is told when this copy begins to lead, when it no longer does, and who leads then', async () => {
  const cluster = new Cluster(LEASE_MS)
  const { store, log } = await cluster.open('one')
  const seen: string[] = []
  const stopTelling = store.onLeadership(() => seen.push(`${store.isLeading} ${store.leader?.id}`))
  await until(() => seen.includes('true one'), 'one leads')
  const other = await cluster.open('two')
  log.partition(true)
  await until(() => other.store.isLeading, 'two leads')
  await until(() => seen.at(-1)?.startsWith('false') === true, 'one was told that it leads no longer')
  log.partition(false)
  await until(() => seen.at(-1) === 'false two', 'one was told who leads')
  stopTelling()
  const told = seen.length
  await other.store.close()
  await until(() => store.isLeading, 'one leads again')
  assert.equal(seen.length, told)
})

test('a leader that resigns ends what is under way, lets another one lead at once, and follows', async () => {
  const cluster = new Cluster()
  const one = await cluster.openLeader('one')
  const two = await cluster.open('two')
  const writing = Array.from({ length: 20 }, (_, at) =>
    one.store.transact((transaction) => transaction.put(bytes(`key-${at}`), bytes('value'))),
  )
  const resigning = one.store.resign()
  await Promise.all(writing)
  await resigning
  assert.equal((await failure(one.store.transact(() => {}))).code, 'UNAVAILABLE')
  // Leases are longer than this waits.
  await until(() => two.store.isLeading, 'two leads')
  assert.equal((await contents(two.store)).length, 20)
  await two.store.transact((transaction) => transaction.put(bytes('key-of-two'), bytes('value')))
  assert.deepEqual(await one.store.get(bytes('key-of-two')), bytes('value'))
  await two.store.close()
  await delay(50)
  assert.equal(one.store.isLeading, false)
})
