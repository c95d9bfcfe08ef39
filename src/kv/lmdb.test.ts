import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { isShoalError } from '#foundation/errors.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { keyOf, keysOf } from './lmdb.child.ts'
import { drainLmdbJournal, openLmdbBase, openLmdbStore } from './lmdb.ts'
import type { LmdbStoreOptions } from './lmdb.ts'
import type { StoreFixture } from './store-fixture.suite.ts'
import { storeSuite } from './store.suite.ts'

const run = promisify(execFile)
const CHILD = fileURLToPath(new URL('lmdb.child.ts', import.meta.url))

const journal = { files: nodeFiles, clock: nodeClock }

for (const [name, options] of [
  ['lmdb', {}],
  ['journaled lmdb', { journal }],
] as const)
  storeSuite(name, () => freshStore(options))

async function freshStore(options: Omit<LmdbStoreOptions, 'path'>): Promise<StoreFixture> {
  const path = await makeFolder()
  let commits = 0
  const open = () => openLmdbStore({ path, onCommit: () => (commits += 1), ...options })
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
}

function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'shoal-kv-'))
}

test('a missing folder is made, with those above it, even if its name has a dot', async () => {
  const root = await makeFolder()
  const path = join(root, 'a', 'b.c', 'kv.d')
  const store = await openLmdbStore({ path })
  await store.transact((transaction) => transaction.put(Buffer.from('a'), Buffer.from('1')))
  await store.close()
  assert.ok(existsSync(join(path, 'data.mdb')))
  await rm(root, { recursive: true })
})

test('a folder that cannot be opened is refused with STORAGE_FAILED, naming it', async () => {
  const root = await makeFolder()
  await writeFile(join(root, 'file'), '')
  const path = join(root, 'file', 'kv')
  await assert.rejects(openLmdbStore({ path }), (error) => isShoalError(error, 'STORAGE_FAILED') && error.message.includes(path))
  await rm(root, { recursive: true })
})

test('the file grows by itself far beyond its first size, while walks are open', async () => {
  const path = await makeFolder()
  const store = await openLmdbStore({ path })
  for (let at = 0; at < 24; at += 1) {
    const writing = store.transact((transaction) => transaction.put(Buffer.from(`k${at}`), Buffer.alloc(4_000_000, at)))
    const count = await store.read((snapshot) => [...snapshot.range({})].length)
    assert.ok(count <= at)
    await writing
  }
  const sound = await store.read((snapshot) =>
    [...snapshot.range({})].every(({ key, value }) => value.equals(Buffer.alloc(4_000_000, Number(key.subarray(1).toString())))),
  )
  assert.ok(sound)
  await store.close()
  await rm(path, { recursive: true })
})

test('after a kill at any moment every acknowledged transaction is there, and each is there whole or not at all', () =>
  killAgainAndAgain('load'))

test('with a journal, after a kill at any moment every acknowledged transaction is there, whole', () =>
  killAgainAndAgain('journaled-load'))

async function killAgainAndAgain(mode: 'load' | 'journaled-load'): Promise<void> {
  const path = await makeFolder()
  let first = 0
  for (let round = 0; round < 6; round += 1) {
    const child = spawn(process.execPath, [CHILD, mode, path, String(first)], { stdio: ['ignore', 'ignore', 'inherit'] })
    const exit = once(child, 'exit')
    while (!(await isUnderLoad(path, first))) await delay(5)
    await delay(Math.random() * 250)
    child.kill('SIGKILL')
    assert.deepEqual(await exit, [null, 'SIGKILL'])
    first = (await checkAfterKill(path, mode === 'load' ? {} : { journal })) + 1
  }
  assert.ok(first > 500, `only ${first} transactions were run`)
  await rm(path, { recursive: true })
}

async function acknowledgedIn(path: string): Promise<number[]> {
  const text = existsSync(join(path, 'acknowledged')) ? await readFile(join(path, 'acknowledged'), 'utf8') : ''
  return text.split('\n').slice(0, -1).map(Number)
}

async function isUnderLoad(path: string, first: number): Promise<boolean> {
  return ((await acknowledgedIn(path)).at(-1) ?? -1) >= first
}

/** Checks the store and gives the number of its last transaction: those before it must all be there, since they came first. */
async function checkAfterKill(path: string, options: Omit<LmdbStoreOptions, 'path'>): Promise<number> {
  const acknowledged = await acknowledgedIn(path)
  const store = await openLmdbStore({ path, ...options })
  const last = Number(await store.get(Buffer.from('last')))
  assert.ok(last >= Math.max(...acknowledged), `${Math.max(...acknowledged)} was acknowledged, ${last} is the last one kept`)
  const found = await store.read((snapshot) => [...snapshot.range({ start: Buffer.from('t/') })])
  await store.close()
  let at = 0
  for (let number = 0; number <= last; number += 1) {
    for (let key = 0; key < keysOf(number); key += 1) {
      const entry = found[at]
      at += 1
      assert.ok(entry !== undefined && entry.key.equals(keyOf(number, key)), `key ${key} of transaction ${number} is missing`)
      assert.ok(entry.value.equals(Buffer.alloc(100, String(number))))
    }
  }
  assert.equal(at, found.length, 'a part of a later transaction is there')
  return last
}

test('a full disk fails the transaction with NO_SPACE, keeps what was there, and when there is room the store goes on', async (t) => {
  const path = await makeFolder()
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', path])
  } catch {
    await rm(path, { recursive: true })
    t.skip('mounting a small file system needs rights that this user lacks')
    return
  }
  try {
    const { stdout } = await run(process.execPath, [CHILD, 'no-space', path])
    const { failure, kept, again, stillKept, freed, after } = JSON.parse(stdout) as Record<string, unknown>
    assert.deepEqual([failure, again, after], ['NO_SPACE', 'NO_SPACE', 50_000])
    assert.ok((kept as number) > 10)
    assert.equal(stillKept, kept)
    assert.ok((freed as number) > 0)
  } finally {
    await run('umount', [path])
    await rm(path, { recursive: true })
  }
})

test('when the file cannot be written, the store refuses further transactions with STORAGE_FAILED and still reads', async (t) => {
  if (!existsSync('/proc/self/fd')) {
    t.skip('needs /proc')
    return
  }
  const path = await makeFolder()
  const { stdout } = await run(process.execPath, [CHILD, 'io-error', path])
  assert.deepEqual(JSON.parse(stdout), { failure: 'STORAGE_FAILED', again: 'STORAGE_FAILED', before: '1', count: 1 })
  await rm(path, { recursive: true })
})

test('what a journal holds goes into the store when the store is to do without one, also after a crash, and cut off on the way', async (t) => {
  const path = await makeFolder()
  const store = await openLmdbStore({ path, journal })
  const put = (at: number) => store.transact((transaction) => transaction.put(Buffer.from(`k${at}`), Buffer.of(at)))
  for (let at = 0; at < 20; at += 1) await put(at)
  // As a crash leaves it: the store itself has nothing yet.
  const crashed = await makeFolder()
  await cp(path, crashed, { recursive: true })
  await store.close()
  const removing = t.mock.method(nodeFiles, 'remove')
  const powerGoes = (): Promise<never> => Promise.reject(new Error('cut off'))
  for (const at of [0, 1]) {
    removing.mock.resetCalls()
    removing.mock.mockImplementationOnce(powerGoes, at)
    await assert.rejects(drainLmdbJournal(crashed, { files: nodeFiles }), /cut off/)
  }
  await drainLmdbJournal(crashed, { files: nodeFiles })
  assert.equal(existsSync(join(crashed, 'journal.0')) || existsSync(join(crashed, 'journal.1')), false)
  const base = await openLmdbBase(crashed)
  for (let at = 0; at < 20; at += 1) assert.deepEqual(base.get(Buffer.from(`k${at}`)), Buffer.of(at))
  await base.close()
  for (const folder of [path, crashed]) await rm(folder, { recursive: true })
})
