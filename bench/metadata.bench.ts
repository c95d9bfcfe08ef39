import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { Path } from '#foundation/path.ts'
import { openLmdbStore } from '#kv/lmdb.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { putFile } from '#metadata/files.ts'
import { Metadata } from '#metadata/metadata.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { StrongVolumes } from '#volume/strong-volumes.ts'
import type { Volume } from '#volume/volume.ts'

// What the namespace does in a second on the store that a node has, LMDB behind a journal, and whether it costs more with
// many files than with few. Makes 1,000,000 files in the temporary folder, which takes a minute or more; another number of files as the
// argument: npm run bench metadata 100000. With "bare" behind it LMDB is without the journal, as on a disk that is nearly full.

const FILES = Number(process.argv[2] ?? 1_000_000)
const IS_BARE = process.argv[3] === 'bare'
const FILES_FEW = 10_000
const FILES_PER_DIRECTORY = 100
const FILES_PER_TRANSACTION = 1_000
const OPERATIONS = 4_000
const ROUNDS = 5
const IN_FLIGHT = 64
const RATIO_MAX = 1.3
const LISTED_PER_SECOND_MIN = 200_000

const caller = { principal: 'bench' }
const CONTENTS = Buffer.alloc(100, 'c')
const EMPTY = Buffer.alloc(0)
/** Behind all keys of the namespace. */
const LAST_KEY = Buffer.of(0xff)
const random = new SeededRandom(1)

/** 100 files a directory, 100 directories in the one above. */
function pathOf(file: number): Path {
  const directory = Math.floor(file / FILES_PER_DIRECTORY)
  return [`part-${Math.floor(directory / 100)}`, `directory-${directory % 100}`, `file-${file % FILES_PER_DIRECTORY}.txt`]
}

async function createFiles({ metadata, volume }: Tree, { from, to }: { from: number; to: number }): Promise<number> {
  const beginMs = performance.now()
  for (let at = from; at < to; at += FILES_PER_TRANSACTION) {
    await metadata.transact(volume.info, caller.principal, (t) => {
      for (let file = at; file < Math.min(at + FILES_PER_TRANSACTION, to); file += 1)
        putFile(t, pathOf(file), { contents: { kind: 'inline', bytes: CONTENTS }, sha256: undefined, createParents: true })
    })
  }
  return Math.round(((to - from) / (performance.now() - beginMs)) * 1_000)
}

/** Entries of the whole tree a second, page by page. */
async function listAll(volume: Volume): Promise<{ entries: number; perSecond: number }> {
  const beginMs = performance.now()
  let entries = 0
  for (let cursor: string | undefined, isLast = false; !isLast; isLast = cursor === undefined) {
    const page = await volume.list([], { recursive: true, limit: 10_000, ...(cursor === undefined ? {} : { cursor }) })
    entries += page.entries.length
    cursor = page.next
  }
  return { entries, perSecond: Math.round((entries / (performance.now() - beginMs)) * 1_000) }
}

const OPERATION_NAMES = ['create', 'stat', 'read', 'remove'] as const
type OperationName = (typeof OPERATION_NAMES)[number]
type Cost = Record<OperationName, number>

/** A volume of its own store, and the files there to choose from. */
interface Place {
  readonly tree: Tree
  readonly from: number
  readonly to: number
}

/** Microseconds an operation, 64 under way at a time, on files chosen at random: for each place the best of a few rounds, in
 *  which the places take turns. */
async function measureOperations(places: readonly Place[]): Promise<Cost[]> {
  const best = places.map((): Cost => ({ create: Infinity, stat: Infinity, read: Infinity, remove: Infinity }))
  for (const place of places) await measureRound(place)
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, place] of places.entries()) {
      const cost = await measureRound(place)
      for (const name of OPERATION_NAMES) (best[index] as Cost)[name] = Math.min((best[index] as Cost)[name], cost[name])
    }
  }
  return best
}

async function measureRound({ tree: { volume, kv }, from, to }: Place): Promise<Cost> {
  const operations: Record<OperationName, (path: Path) => Promise<unknown>> = {
    create: ([part = '', directory = '', name = '']) =>
      volume.writeFile([part, directory, `new-${name}`], once(CONTENTS), { caller }),
    stat: (path) => volume.stat(path),
    read: (path) => readFile(volume, path),
    remove: ([part = '', directory = '', name = '']) => volume.remove([part, directory, `new-${name}`], { caller }),
  }
  const chosen = new Set<number>()
  while (chosen.size < OPERATIONS) chosen.add(from + Math.floor(random.fraction() * (to - from)))
  const paths = [...chosen].map(pathOf)
  const cost: Cost = { create: 0, stat: 0, read: 0, remove: 0 }
  for (const name of OPERATION_NAMES) {
    const beginMs = performance.now()
    await inFlight(paths, operations[name])
    // Changes count when they are in LMDB, not only in the journal: this one passes by it, after all before it.
    if (name === 'create' || name === 'remove') await kv.transact((tx) => tx.put(LAST_KEY, EMPTY), { direct: true })
    cost[name] = ((performance.now() - beginMs) / paths.length) * 1_000
  }
  return cost
}

async function inFlight(paths: readonly Path[], operation: (path: Path) => Promise<unknown>): Promise<void> {
  let next = 0
  const client = async (): Promise<void> => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) await operation(path)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, client))
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function readFile(volume: Volume, path: Path): Promise<number> {
  const file = await volume.openFile(path)
  let lengthBytes = 0
  for await (const piece of file?.read({ offset: 0, length: CONTENTS.length }) ?? []) lengthBytes += piece.length
  file?.close()
  if (lengthBytes !== CONTENTS.length) throw new Error(`/${path.join('/')} has ${lengthBytes} bytes`)
  return lengthBytes
}

function report(what: string, figure: number, unit: string, note = ''): void {
  console.log(
    `${what.padEnd(54)} ${figure.toLocaleString('en', { maximumFractionDigits: 2 }).padStart(12)} ${unit.padEnd(5)} ${note}`,
  )
}

interface Tree {
  readonly kv: KeyValueStore
  readonly metadata: Metadata
  readonly volume: Volume
  close(): Promise<void>
}

async function openTree(path: string): Promise<Tree> {
  const kv = await openLmdbStore({ path, ...(IS_BARE ? {} : { journal: { files: nodeFiles, clock: nodeClock } }) })
  const common = { kv, clock: nodeClock, changeRingEntries: 100_000 }
  const volumes = new StrongVolumes({
    ...common,
    chunks: openMemoryChunkStore({ clock: nodeClock }),
    random: nodeRandom,
    digests: nodeDigests,
    log: silentLog,
    nodeId: 'bench',
    uploadExpiryMs: 3_600_000,
    gcGraceMs: 60_000,
    gcIntervalMs: 60_000,
    sweepIntervalMs: 3_600_000,
    writeBufferBytes: 64 * 1024 * 1024,
  })
  await volumes.create('bench', {}, caller)
  const close = async (): Promise<void> => {
    await volumes.close()
    await kv.close()
  }
  return { kv, metadata: new Metadata({ ...common, isOpen: () => false }), volume: await volumes.open('bench'), close }
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-metadata-'))
const few = Math.min(FILES_FEW, FILES)
const fewTree = await openTree(join(folder, 'few'))
const manyTree = await openTree(join(folder, 'many'))
try {
  await createFiles(fewTree, { from: 0, to: few })
  report(`files made, ${FILES_PER_TRANSACTION} a transaction`, await createFiles(manyTree, { from: 0, to: FILES }), '/s')
  // The listing warms the pages up, as those of the few files are.
  await listAll(manyTree.volume)
  const { entries, perSecond } = await listAll(manyTree.volume)
  report(
    `entries listed, the whole tree of ${entries.toLocaleString('en')}`,
    perSecond,
    '/s',
    `at least ${LISTED_PER_SECOND_MIN.toLocaleString('en')}`,
  )
  const middle = Math.floor((FILES - few) / 2)
  const [costFew, costNear, costFar] = (await measureOperations([
    { tree: fewTree, from: 0, to: few },
    { tree: manyTree, from: middle, to: middle + few },
    { tree: manyTree, from: 0, to: FILES },
  ])) as [Cost, Cost, Cost]
  for (const name of OPERATION_NAMES) {
    const ratio = (cost: Cost): string => `ratio ${(cost[name] / costFew[name]).toFixed(2)}, at most ${RATIO_MAX}`
    report(`${name} with ${few.toLocaleString('en')} files`, costFew[name], 'µs')
    const many = `${name} with ${FILES.toLocaleString('en')} files`
    report(`${many}, among as many`, costNear[name], 'µs', ratio(costNear))
    // Here hardly two changes share a page of LMDB, and what is read is in no cache of the processor.
    report(`${many}, all over`, costFar[name], 'µs', ratio(costFar))
  }
} finally {
  await fewTree.close()
  await manyTree.close()
  await rm(folder, { recursive: true })
}
