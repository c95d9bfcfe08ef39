// A process for `lmdb.test.ts` to kill, and to break the disk of: lmdb.child.ts load|journaled-load|no-space|io-error FOLDER [FIRST].
import { closeSync, openSync, readdirSync, readlinkSync, writeSync } from 'node:fs'
import { isShoalError } from '#foundation/errors.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { openLmdbStore } from './lmdb.ts'
import type { KeyValueStore } from './store.ts'

const [mode = 'load', folder = '', first = '0'] = process.argv.slice(2)

/** How many keys the transaction `number` writes; now and then there are thousands. */
export function keysOf(number: number): number {
  return number % 97 === 96 ? 4_000 : (number % 7) + 1
}

export function keyOf(number: number, at: number): Buffer {
  return Buffer.from(`t/${String(number).padStart(9, '0')}/${String(at).padStart(6, '0')}`)
}

/** Runs numbered transactions, 64 at a time, until it is killed, and appends the number of each acknowledged one to a file. */
async function load(store: KeyValueStore): Promise<never> {
  const acknowledged = openSync(`${folder}/acknowledged`, 'a')
  let next = Number(first)
  const client = async (): Promise<void> => {
    for (;;) {
      const number = next
      next += 1
      await store.transact((transaction) => {
        for (let at = 0; at < keysOf(number); at += 1) transaction.put(keyOf(number, at), Buffer.alloc(100, String(number)))
        transaction.put(Buffer.from('last'), Buffer.from(String(number)))
      })
      writeSync(acknowledged, `${number}\n`)
    }
  }
  await Promise.all(Array.from({ length: 64 }, client))
  throw new Error('unreachable')
}

/** Writes until an error comes, and tells its code. */
async function failureOf(store: KeyValueStore, name: string): Promise<string> {
  for (let at = 0; at < 1_000; at += 1) {
    try {
      await store.transact((transaction) => transaction.put(Buffer.from(`${name}${at}`), Buffer.alloc(50_000)))
    } catch (error) {
      return isShoalError(error) ? error.code : String(error)
    }
  }
  return 'none'
}

async function countOf(store: KeyValueStore): Promise<number> {
  return store.read((snapshot) => [...snapshot.range({})].length)
}

/** Fills the disk, makes room by removing all, and writes again. */
async function noSpace(store: KeyValueStore): Promise<object> {
  const failure = await failureOf(store, 'a')
  const kept = await countOf(store)
  const again = await failureOf(store, 'b')
  const stillKept = await countOf(store)
  const freeing: string[] = []
  for (let at = 0; at < kept; at += 1) {
    await store
      .transact((transaction) => transaction.delete(Buffer.from(`a${at}`)))
      .then(() => freeing.push('done'))
      .catch((error: unknown) => freeing.push(String(error)))
  }
  await store.transact((transaction) => transaction.put(Buffer.from('c'), Buffer.alloc(50_000)))
  const value = await store.get(Buffer.from('c'))
  await store.close()
  return { failure, kept, again, stillKept, freed: freeing.filter((word) => word === 'done').length, after: value?.length }
}

/** Takes the file away from under the store: whatever it writes then fails. */
async function ioError(store: KeyValueStore): Promise<object> {
  await store.transact((transaction) => transaction.put(Buffer.from('before'), Buffer.from('1')))
  for (const fd of readdirSync('/proc/self/fd')) {
    if (targetOf(fd) === `${folder}/data.mdb`) closeSync(Number(fd))
  }
  const failure = await failureOf(store, 'a')
  const again = await failureOf(store, 'b')
  return { failure, again, before: (await store.get(Buffer.from('before')))?.toString(), count: await countOf(store) }
}

function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}

if (import.meta.main) {
  const journal = { files: nodeFiles, clock: nodeClock }
  const store = await openLmdbStore({ path: `${folder}`, ...(mode === 'journaled-load' ? { journal } : {}) })
  const report = mode.endsWith('load') ? await load(store) : mode === 'no-space' ? await noSpace(store) : await ioError(store)
  process.stdout.write(JSON.stringify(report))
}
