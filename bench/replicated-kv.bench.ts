import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLmdbBase } from '#kv/lmdb.ts'
import { ReplicatedStore } from '#kv/replicated.ts'
import type { KeyValueReader } from '#kv/store.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { EtcdLog } from '#sharedlog/etcd.ts'
import { startEtcdProcess } from '../test/support/etcd-process.ts'

// What a leader and a follower of the replicated key-value store do in a second, in one process over a real etcd of one member in
// the temporary folder: prints a table, takes under 30 s. A mutation is what a small file's publication writes: 5 rows of 100 bytes.

const SECONDS_EACH = 2
const ENTRIES = 100_000
const value = Buffer.alloc(100, 'v')
const keyOf = (at: number): Buffer => Buffer.from(`entry/${String(at).padStart(14, '0')}`)

async function timed(what: string, work: (isOver: () => boolean) => Promise<number>, note = (): string => ''): Promise<void> {
  const begin = performance.now()
  const count = await work(() => performance.now() >= begin + SECONDS_EACH * 1_000)
  const perSecond = Math.round((count / (performance.now() - begin)) * 1_000)
  console.log(`${what.padEnd(62)} ${perSecond.toLocaleString('en').padStart(12)}/s  ${note()}`)
}

async function many(inFlight: number, isOver: () => boolean, once: (at: number) => Promise<unknown>): Promise<number> {
  let count = 0
  const client = async (): Promise<void> => {
    while (!isOver()) {
      count += 1
      await once(count)
      // Whoever is answered at once must let others have their turn.
      if (count % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await Promise.all(Array.from({ length: inFlight }, client))
  return count
}

async function open(id: string, etcd: string, onCommit?: () => void) {
  const folder = await mkdtemp(join(tmpdir(), `shoal-bench-${id}-`))
  const log = new EtcdLog({ endpoints: [etcd], prefix: 'bench/', clock: nodeClock })
  const store = new ReplicatedStore({
    base: await openLmdbBase(folder),
    log,
    clock: nodeClock,
    random: nodeRandom,
    ...(id === 'leader' ? { candidate: { id, address: id } } : {}),
    ...(onCommit === undefined ? {} : { onCommit }),
  })
  const close = async (): Promise<void> => {
    await store.close()
    await log.close()
    await rm(folder, { recursive: true })
  }
  return { store, close }
}

async function reads(what: string, reader: KeyValueReader, inFlight: number): Promise<void> {
  await timed(`${what}, ${inFlight} in flight`, (isOver) =>
    many(inFlight, isOver, (at) => reader.get(keyOf((at * 7_919) % ENTRIES))),
  )
}

const etcd = await startEtcdProcess(['--auto-compaction-mode', 'revision', '--auto-compaction-retention', '1000'])
let commits = 0
const { store: leader, close: closeLeader } = await open('leader', etcd.endpoint, () => (commits += 1))
while (!leader.isLeading) await new Promise((resolve) => setTimeout(resolve, 10))

async function mutations(inFlight: number, rest: string): Promise<void> {
  const before = commits
  await timed(
    `leader: mutations of 5 rows, ${inFlight} in flight${rest}`,
    (isOver) =>
      many(inFlight, isOver, (count) =>
        leader.transact((transaction) => {
          const at = (count * 7_919) % 1_000_003
          transaction.get(keyOf(at))
          for (let key = 0; key < 5; key += 1) transaction.put(keyOf(at * 5 + key), value)
        }),
      ),
    () => `${commits - before} appends`,
  )
}

for (const inFlight of [1, 64, 256, 1_000]) await mutations(inFlight, '')
for (let at = 0; at < ENTRIES; at += 5_000) {
  await leader.transact((transaction) => {
    for (let key = at; key < at + 5_000; key += 1) transaction.put(keyOf(key), value)
  })
}
const { store: follower, close: closeFollower } = await open('follower', etcd.endpoint)
const begin = performance.now()
await follower.get(keyOf(0))
console.log(`follower: caught up with ${follower.position} entries in ${Math.round(performance.now() - begin)} ms`)
await reads('leader: reads under its lease', leader, 256)
await reads('follower: stale reads', follower.stale, 256)
for (const inFlight of [1, 256, 1_000]) await reads('follower: linearizable reads', follower, inFlight)
await mutations(256, ', with a follower')
await closeFollower()
await closeLeader()
await etcd.dispose()
