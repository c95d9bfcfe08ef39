import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLmdbStore } from '#kv/lmdb.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore } from '#kv/store.ts'

// What the key-value stores do in a second: prints a table, takes under 20 s. The LMDB store works in the temporary folder.

const SECONDS_EACH = 0.9
const ENTRIES = 200_000

interface Row {
  readonly what: string
  readonly perSecond: number
  readonly note: string
}

const value = Buffer.alloc(100, 'v')
const keyOf = (at: number): Buffer => Buffer.from(`entry/${String(at).padStart(14, '0')}`)

async function timed(what: string, work: (isOver: () => boolean) => Promise<number>, note = (): string => ''): Promise<Row> {
  const begin = performance.now()
  const end = begin + SECONDS_EACH * 1_000
  const count = await work(() => performance.now() >= end)
  return { what, perSecond: Math.round((count / (performance.now() - begin)) * 1_000), note: note() }
}

async function transactions(store: KeyValueStore, inFlight: number, isOver: () => boolean): Promise<number> {
  let count = 0
  const client = async (): Promise<void> => {
    while (!isOver()) {
      count += 1
      const at = (count * 7_919) % 1_000_003
      await store.transact((transaction) => {
        transaction.get(keyOf(at))
        for (let key = 0; key < 5; key += 1) transaction.put(keyOf(at * 5 + key), value)
      })
    }
  }
  await Promise.all(Array.from({ length: inFlight }, client))
  return count
}

async function measure(name: string, store: KeyValueStore, commits: () => number): Promise<Row[]> {
  const rows: Row[] = []
  for (const inFlight of [1, 64, 1_000]) {
    const before = commits()
    const note = (): string => `${commits() - before} commits`
    rows.push(
      await timed(
        `${name}: durable transactions of 5 puts, ${inFlight} in flight`,
        (isOver) => transactions(store, inFlight, isOver),
        note,
      ),
    )
  }
  for (let at = 0; at < ENTRIES; at += 10_000) {
    await store.transact((transaction) => {
      for (let key = at; key < at + 10_000; key += 1) transaction.put(keyOf(key), value)
    })
  }
  rows.push(
    await timed(`${name}: gets, each awaited`, async (isOver) => {
      let count = 0
      for (; count % 1_000 !== 0 || !isOver(); count += 1) await store.get(keyOf((count * 7_919) % ENTRIES))
      return count
    }),
  )
  for (const reverse of [false, true]) {
    rows.push(
      await timed(`${name}: entries of a range ${reverse ? 'in reverse ' : ''}in one snapshot`, (isOver) =>
        wholeRanges(store, reverse, isOver),
      ),
    )
  }
  rows.push(
    await timed(`${name}: entries of a paged range`, async (isOver) => {
      let count = 0
      while (!isOver()) for await (const _ of store.range({ limit: ENTRIES })) count += 1
      return count
    }),
  )
  return rows
}

async function wholeRanges(store: KeyValueStore, reverse: boolean, isOver: () => boolean): Promise<number> {
  let count = 0
  while (!isOver()) {
    count += await store.read((snapshot) => {
      let entries = 0
      for (const _ of snapshot.range({ limit: ENTRIES, reverse })) entries += 1
      return entries
    })
  }
  return count
}

const path = await mkdtemp(join(tmpdir(), 'shoal-bench-kv-'))
let commits = 0
const onCommit = (): void => {
  commits += 1
}
for (const [name, store] of [
  ['lmdb', await openLmdbStore({ path, onCommit })],
  ['memory', openMemoryStore({ onCommit })],
] as const) {
  for (const { what, perSecond, note } of await measure(name, store, () => commits)) {
    console.log(`${what.padEnd(62)} ${perSecond.toLocaleString('en').padStart(12)}/s  ${note}`)
  }
  await store.close()
}
await rm(path, { recursive: true })
