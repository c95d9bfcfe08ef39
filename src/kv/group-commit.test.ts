import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import type { CommitFacts } from './group-commit.ts'
import { MemoryDisk, openMemoryStore } from './memory.ts'
import type { KeyValueStore } from './store.ts'

const bytes = (text: string): Buffer => Buffer.from(text)
const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isShoalError(error, code)

/** A disk whose commits wait to be let through, or to be failed, one by one. */
class SlowDisk {
  readonly #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = []
  begun = 0

  readonly beforeCommit = (): Promise<void> => {
    this.begun += 1
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ resolve, reject })
    return promise
  }

  async finish(error?: unknown): Promise<void> {
    await turn()
    const commit = this.#waiting.shift()
    assert.ok(commit !== undefined, 'no commit is under way')
    if (error === undefined) commit.resolve()
    else commit.reject(error)
    await turn()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function openSlow(): { store: KeyValueStore; disk: SlowDisk; facts: CommitFacts[] } {
  const disk = new SlowDisk()
  const facts: CommitFacts[] = []
  const onCommit = (fact: CommitFacts): void => void facts.push(fact)
  return { store: openMemoryStore({ beforeCommit: disk.beforeCommit, onCommit }), disk, facts }
}

function put(store: KeyValueStore, key: string, value = 'v'): Promise<void> {
  return store.transact((transaction) => transaction.put(bytes(key), bytes(value)))
}

/** What became of each promise so far. */
function watch(promises: readonly Promise<unknown>[]): string[] {
  const states = promises.map(() => 'pending')
  for (const [at, promise] of promises.entries()) {
    promise.then(
      () => (states[at] = 'done'),
      (error: unknown) => (states[at] = isShoalError(error) ? error.code : 'failed'),
    )
  }
  return states
}

test('while one batch is flushed the next one collects, and each is acknowledged with its own commit', async () => {
  const { store, disk, facts } = openSlow()
  const states = watch([put(store, 'a'), put(store, 'b')])
  await turn()
  const later = watch([put(store, 'c'), put(store, 'd'), put(store, 'd')])
  await turn()
  assert.equal(disk.begun, 1)
  assert.deepEqual([...states, ...later], ['pending', 'pending', 'pending', 'pending', 'pending'])
  await disk.finish()
  assert.equal(disk.begun, 2)
  assert.deepEqual([...states, ...later], ['done', 'done', 'pending', 'pending', 'pending'])
  await disk.finish()
  assert.deepEqual(later, ['done', 'done', 'done'])
  assert.deepEqual(
    facts.map(({ transactions, writes }) => [transactions, writes]),
    [
      [2, 2],
      [3, 2],
    ],
  )
})

test('a read sees only what is flushed, a transaction also what is being flushed and what waits', async () => {
  const { store, disk } = openSlow()
  const first = put(store, 'a', 'flushing')
  await turn()
  const second = put(store, 'b', 'waiting')
  const look = (): Promise<unknown> =>
    store.transact((transaction) => [
      transaction.get(bytes('a'))?.toString(),
      [...transaction.range({})].map(({ value }) => value.toString()),
    ])
  const third = look()
  assert.equal(await store.get(bytes('a')), undefined)
  assert.deepEqual(await store.read((snapshot) => [...snapshot.range({})]), [])
  assert.ok((await store.range({}).next()).done)
  const states = watch([first, second, third])
  await disk.finish()
  assert.deepEqual(states, ['done', 'pending', 'pending'])
  assert.equal((await store.get(bytes('a')))?.toString(), 'flushing')
  assert.equal(await store.get(bytes('b')), undefined)
  await disk.finish()
  assert.deepEqual(await third, ['flushing', ['flushing', 'waiting']])
})

test('a result or an error that may rest on unflushed writes waits for them, and fails if they fail', async () => {
  const { store, disk } = openSlow()
  const complain = (): Promise<unknown> =>
    store.transact(() => {
      throw new Error('exists already')
    })
  await assert.rejects(complain(), /exists already/, 'with nothing to wait for it comes at once')
  const states = watch([put(store, 'a'), store.transact(() => 'seen'), complain()])
  await turn()
  assert.deepEqual(states, ['pending', 'pending', 'pending'])
  await disk.finish()
  assert.deepEqual(states, ['done', 'done', 'failed'])
  const lost = watch([put(store, 'a'), store.transact(() => 'seen'), complain()])
  await disk.finish(new ShoalError('NO_SPACE', 'full'))
  assert.deepEqual(lost, ['NO_SPACE', 'NO_SPACE', 'NO_SPACE'])
})

test('NO_SPACE fails the batch and all that may have read it, and leaves the store as it was and usable', async () => {
  const { store, disk } = openSlow()
  const before = put(store, 'kept', 'old')
  await disk.finish()
  await before
  const flushing = put(store, 'kept', 'new')
  await turn()
  const states = watch([flushing, put(store, 'b')])
  await disk.finish(new ShoalError('NO_SPACE', 'full'))
  assert.deepEqual(states, ['NO_SPACE', 'NO_SPACE'])
  assert.equal(disk.begun, 2, 'the batch that collected is not tried')
  const after = store.transact((transaction) => {
    const seen = [...transaction.range({})].map(({ key, value }) => `${key.toString()}=${value.toString()}`)
    transaction.put(bytes('c'), bytes('v'))
    return seen
  })
  await disk.finish()
  assert.deepEqual(await after, ['kept=old'])
  assert.equal((await store.get(bytes('kept')))?.toString(), 'old')
  assert.equal(await store.get(bytes('b')), undefined)
})

test('after any other failure every transaction is refused with STORAGE_FAILED for ever, and reads go on', async () => {
  const { store, disk } = openSlow()
  const before = put(store, 'a', 'old')
  await disk.finish()
  await before
  const flushing = put(store, 'a', 'new')
  await turn()
  const states = watch([flushing, put(store, 'b')])
  await disk.finish(new Error('EIO'))
  assert.deepEqual(states, ['STORAGE_FAILED', 'STORAGE_FAILED'])
  let ran = false
  await assert.rejects(
    store.transact(() => {
      ran = true
    }),
    hasCode('STORAGE_FAILED'),
  )
  assert.equal(ran, false)
  assert.equal((await store.get(bytes('a')))?.toString(), 'old')
  await store.close()
})

test('when changes are taken elsewhere, what is in flight fails with what the base knows of it, and what is behind it was not made', async () => {
  const { store, disk } = openSlow()
  const why = async (promise: Promise<unknown>): Promise<unknown> => {
    const error: unknown = await promise.catch((reason: unknown) => reason)
    return isShoalError(error, 'UNAVAILABLE') ? error.details['ambiguous'] : error
  }
  const flushing = why(put(store, 'a'))
  await turn()
  const behind = [why(put(store, 'b')), why(store.transact(() => 'seen'))]
  await disk.finish(new ShoalError('UNAVAILABLE', 'another node leads', { details: { ambiguous: true } }))
  assert.deepEqual([await flushing, ...(await Promise.all(behind))], [true, false, false])
  assert.equal(await why(put(store, 'c')), false)
  assert.equal(disk.begun, 1)
})

test('a batch that is full is followed by another, and all of them are seen and kept', async () => {
  const { store, disk, facts } = openSlow()
  const size = 5 * 1024 * 1024
  const writes = Array.from({ length: 10 }, (_, at) =>
    store.transact((transaction) => transaction.put(bytes(`k${at}`), Buffer.alloc(size, at))),
  )
  const looked = store.transact((transaction) =>
    [...transaction.range({})].map(({ key, value }) => `${key.toString()}=${value[0]}`),
  )
  for (let batch = 0; batch < 4; batch += 1) await disk.finish()
  await Promise.all(writes)
  assert.deepEqual(
    await looked,
    writes.map((_, at) => `k${at}=${at}`),
  )
  assert.deepEqual(
    facts.map((fact) => fact.writes),
    [3, 3, 3, 1],
  )
  assert.ok(facts.every((fact) => fact.bytes <= 16 * 1024 * 1024))
})

test('when too many bytes wait for the disk, transactions are answered BUSY until it catches up', async () => {
  const { store, disk } = openSlow()
  const value = Buffer.alloc(16 * 1024 * 1024 - 1)
  const writes = Array.from({ length: 16 }, (_, at) => store.transact((transaction) => transaction.put(bytes(`k${at}`), value)))
  await assert.rejects(put(store, 'one too many'), hasCode('BUSY'))
  await disk.finish()
  const after = put(store, 'again')
  for (let batch = 1; batch <= 16; batch += 1) await disk.finish()
  await Promise.all([...writes, after])
  assert.equal(await store.get(bytes('one too many')), undefined)
})

test('when too many transactions wait for the disk, the next is answered BUSY', async () => {
  const { store, disk } = openSlow()
  const writes = Array.from({ length: 100_000 }, () => put(store, 'same'))
  await assert.rejects(put(store, 'one too many'), hasCode('BUSY'))
  await disk.finish()
  await Promise.all(writes)
})

test('a crash keeps what was acknowledged and drops what was not, and the old store writes no more', async () => {
  const disk = new MemoryDisk()
  const slow = new SlowDisk()
  const store = openMemoryStore({ disk, beforeCommit: slow.beforeCommit })
  const acknowledged = put(store, 'a')
  await slow.finish()
  await acknowledged
  const flushing = put(store, 'b')
  await turn()
  const collecting = put(store, 'c')
  const states = watch([flushing, collecting])
  const reopened = openMemoryStore({ disk })
  await put(reopened, 'd')
  await slow.finish()
  assert.deepEqual(states, ['STORAGE_FAILED', 'STORAGE_FAILED'])
  assert.deepEqual(await reopened.read((snapshot) => [...snapshot.range({})].map(({ key }) => key.toString())), ['a', 'd'])
})

test('closing waits for every batch, the one that collects included', async () => {
  const { store, disk } = openSlow()
  const first = put(store, 'a')
  await turn()
  const states = watch([first, put(store, 'b'), store.close()])
  await disk.finish()
  assert.deepEqual(states, ['done', 'pending', 'pending'])
  await disk.finish()
  assert.deepEqual(states, ['done', 'done', 'done'])
})
