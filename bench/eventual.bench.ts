import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventualNode } from '#eventual/eventual-node.ts'
import type { EntryValue } from '#eventual/entry.ts'
import { decodeMessage, encodeMessage } from '#eventual/message-codec.ts'
import { entryKey } from '#eventual/keys.ts'
import { EventualNamespace } from '#eventual/namespace.ts'
import { Replica } from '#eventual/replica.ts'
import type { NodeId } from '#foundation/ids.ts'
import { openLmdbStore } from '#kv/lmdb.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'

// What eventual volumes cost on LMDB: writes to one node, and anti-entropy between two nodes of one process with many equal entries and few
// that differ. `npm run bench eventual -- ENTRIES [FOLDER]` (1,000,000 unless told: some minutes and 2 GB of room); 100 differ. A folder that is
// named is kept, and a later run finds its entries there.

const ENTRIES = Number(process.argv[2] ?? 1_000_000)
const DIFFERENCES = 100
const WRITE_SECONDS = 2
const BATCH = 10_000

const IDS = ['a', 'b'].map((letter) => letter.repeat(32) as NodeId)

function valueOf(text: string): EntryValue {
  const bytes = Buffer.from(text)
  const rest = { sha256: undefined, mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, btimeNs: 0n, tags: new Map<string, Buffer>() }
  return { type: 'file', sizeBytes: bytes.length, ...rest, content: { kind: 'inline', bytes } }
}

const pathOf = (at: number): string => `folder-${at % 1000}/some-file-of-ours-${at}.txt`
const kept = process.argv[3]
const folder = kept ?? (await mkdtemp(join(tmpdir(), 'shoal-bench-eventual-')))
const stores = await Promise.all(
  IDS.map((id) => openLmdbStore({ path: join(folder, id.slice(0, 1)), journal: { files: nodeFiles, clock: nodeClock } })),
)
const replicas = await Promise.all(
  IDS.map((node, at) => Replica.open({ node, store: stores[at] as (typeof stores)[0], clock: nodeClock, isFounder: true })),
)
const [first, second] = replicas as [Replica, Replica]
let traffic = 0
let calls = 0
const nodes: EventualNode[] = replicas.map(
  (replica) =>
    new EventualNode({
      replica,
      clock: nodeClock,
      random: nodeRandom,
      log: silentLog,
      peers: {
        running: () => IDS.filter((id) => id !== replica.node),
        async call(to, message) {
          const request = encodeMessage(message)
          const answer = encodeMessage(await (nodes[IDS.indexOf(to)] as EventualNode).answer(decodeMessage(request)))
          calls += 2
          traffic += request.length + answer.length
          return decodeMessage(answer)
        },
      },
    }),
)
const knowEachOther = { members: new Map(), removed: [] }
for (const replica of replicas) {
  await replica.learn(knowEachOther)
  for (const id of IDS) await replica.admit(id)
}

async function writes(inFlight: number): Promise<void> {
  const docs = new EventualNamespace(first, 'bench')
  const begin = performance.now()
  let count = 0
  const client = async (): Promise<void> => {
    while (performance.now() < begin + WRITE_SECONDS * 1000) await docs.put(`w/${(count += 1)}`, valueOf('x'.repeat(100)))
  }
  await Promise.all(Array.from({ length: inFlight }, client))
  console.log(
    `durable writes, ${inFlight} in flight: ${Math.round((count / (performance.now() - begin)) * 1000).toLocaleString('en')}/s`,
  )
}

/** The same entries on both, as if they had come by rumours long ago. */
async function fill(): Promise<void> {
  const begin = performance.now()
  for (let from = 0; from < ENTRIES; from += BATCH) {
    const last = entryKey({ volume: 'docs', path: pathOf(Math.min(from + BATCH, ENTRIES) - 1) })
    if ((await second.store.get(last)) !== undefined) continue
    const entries = await first.store.transact((transaction) =>
      Array.from({ length: Math.min(BATCH, ENTRIES - from) }, (_, at) => {
        const place = { volume: 'docs', path: pathOf(from + at) }
        first.table.write(transaction, place, { value: valueOf(`contents of ${from + at}`) })
        return { ...place, state: first.table.read(transaction, place) }
      }),
    )
    await second.store.transact((transaction) => {
      for (const entry of entries) second.table.merge(transaction, entry, { state: entry.state, floor: 0 as never })
    })
  }
  console.log(`${ENTRIES.toLocaleString('en')} entries on two nodes: filled in ${seconds(begin)} s`)
}

async function exchange(what: string): Promise<void> {
  traffic = 0
  calls = 0
  const begin = performance.now()
  const { received, sent } = await (nodes[0] as EventualNode).exchangeWith(IDS[1] as NodeId)
  const took = seconds(begin)
  console.log(
    `${what}: ${took} s, ${traffic.toLocaleString('en')} bytes in ${calls} messages, ${received} entries received, ${sent} sent`,
  )
}

const seconds = (begin: number): string => ((performance.now() - begin) / 1000).toFixed(2)

await fill()
await exchange('to begin with')
await exchange('equal')
for (let at = 0; at < DIFFERENCES; at += 1) {
  const replica = at % 2 === 0 ? first : second
  await new EventualNamespace(replica, 'docs').put(pathOf(at * 7919), valueOf(`changed ${at}`))
}
await exchange(`${DIFFERENCES} differ`)
await exchange('equal again')
for (const inFlight of [1, 64, 256]) await writes(inFlight)
for (const store of stores) await store.close()
if (kept === undefined) await rm(folder, { recursive: true })
