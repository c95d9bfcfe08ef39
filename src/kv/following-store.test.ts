import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { openBlockingFile } from '#platform/node-blocking-file.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { CommitSignals } from './commit-signals.ts'
import { writeAll } from './following-store.child.ts'
import { isForTheWriter } from './following-store.ts'
import { openLmdbFollower, openLmdbStore } from './lmdb.ts'
import type { StoreFixture } from './store-fixture.suite.ts'
import { bytes, hasCode } from './store-fixture.suite.ts'
import { storeSuite } from './store.suite.ts'
import type { KeyValueStore } from './store.ts'

/** A store whose reads are those of a follower. */
interface Pair extends KeyValueStore {
  readonly follower: KeyValueStore
}

async function openPair(path: string, onCommit?: () => void): Promise<Pair> {
  const signals = new CommitSignals()
  const writer = await openLmdbStore({ path, journal: { files: nodeFiles, clock: nodeClock, signals }, onCommit })
  const follower = await openLmdbFollower({ path, signals, openFile: openBlockingFile, clock: nodeClock })
  return {
    follower,
    get: (key) => follower.get(key),
    read: (fn) => follower.read(fn),
    openSnapshot: () => follower.openSnapshot(),
    range: (options) => follower.range(options),
    transact: (fn, options) => writer.transact(fn, options),
    async close() {
      await Promise.all([follower.close(), writer.close()])
    },
  }
}

const makeFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'shoal-kv-'))

storeSuite('followed lmdb', async (): Promise<StoreFixture> => {
  const path = await makeFolder()
  let commits = 0
  const open = (): Promise<Pair> => openPair(path, () => (commits += 1))
  let store = await open()
  return {
    store,
    commits: () => commits,
    async reopen() {
      await store.close()
      store = await open()
      return store
    },
    async dispose() {
      await store.close()
      await rm(path, { recursive: true })
    },
  }
})

test('a follower changes nothing, and says who would; a store without a journal has none', async () => {
  const path = await makeFolder()
  const store = await openPair(path)
  await store.transact((transaction) => transaction.put(bytes('a'), bytes('1')))
  await assert.rejects(
    store.follower.transact(() => {}),
    isForTheWriter,
  )
  assert.deepEqual(await store.get(bytes('a')), bytes('1'))
  await store.close()
  const options = { path, signals: new CommitSignals(), openFile: openBlockingFile, clock: nodeClock }
  await assert.rejects(openLmdbFollower(options), hasCode('UNAVAILABLE'))
  await rm(path, { recursive: true })
})

/** What a thread has seen when it is told to stop. */
interface Seen {
  readonly reads: number
  readonly values: number
  readonly wrong: readonly string[]
}

// Short files are sealed, and written over, every few commits.
for (const [name, segmentBytes] of [
  ['files of the journal that are soon full', 64 * 1024],
  ['files as they are', 4 * 1024 * 1024],
] as const)
  test(`threads that follow a store see each change at once, whole and in order: ${name}`, async () => {
    const path = await makeFolder()
    const signals = new CommitSignals()
    const store = await openLmdbStore({ path, journal: { files: nodeFiles, clock: nodeClock, signals, segmentBytes } })
    const acknowledged = new BigInt64Array(new SharedArrayBuffer(16))
    const threads = [1, 2].map(
      () =>
        new Worker(new URL('following-store.child.ts', import.meta.url), {
          workerData: { path, signals: signals.memory, acknowledged: acknowledged.buffer },
        }),
    )
    const seen = Promise.all(
      threads.map((thread) => new Promise<Seen>((resolve, reject) => thread.once('message', resolve).once('error', reject))),
    )
    const endMs = performance.now() + 3_000
    for (let value = 1n; performance.now() < endMs; value += 1n) {
      const dice = Math.random()
      // Past the journal, too long for a short file, or as a burst of small ones that share commits.
      const options = dice < 0.03 ? { direct: true } : {}
      const fillBytes = dice > 0.97 ? 60_000 : 10
      await store.transact((transaction) => writeAll(transaction, value, fillBytes), options)
      Atomics.store(acknowledged, 0, value)
      if (dice > 0.5 && dice < 0.52) await delay(2)
      if (dice > 0.52 && dice < 0.523) await delay(300)
    }
    Atomics.store(acknowledged, 1, 1n)
    for (const { reads, values, wrong } of await seen) {
      assert.deepEqual(wrong, [])
      assert.ok(reads > 100 && values > 5, `${reads} reads that saw ${values} values`)
    }
    await store.close()
    await rm(path, { recursive: true })
  })
