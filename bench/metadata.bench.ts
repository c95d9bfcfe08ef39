import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { Path } from '#foundation/path.ts'
import { openLmdbStore } from '#kv/lmdb.ts'
import { putFile } from '#metadata/files.ts'
import { Metadata } from '#metadata/metadata.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { StrongVolumes } from '#volume/strong-volumes.ts'
import type { Volume } from '#volume/volume.ts'

// What the namespace does in a second on LMDB, and whether it costs more with many files than with few. Makes 1,000,000
// files in the temporary folder, which takes a few minutes; another number of files as the argument: npm run bench metadata 100000

const FILES = Number(process.argv[2] ?? 1_000_000)
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
const random = new SeededRandom(1)

/** 100 files a directory, 100 directories in the one above. */
function pathOf(file: number): Path {
  const directory = Math.floor(file / FILES_PER_DIRECTORY)
  return [`part-${Math.floor(directory / 100)}`, `directory-${directory % 100}`, `file-${file % FILES_PER_DIRECTORY}.txt`]
}

async function createFiles(metadata: Metadata, volume: Volume, { from, to }: { from: number; to: number }): Promise<number> {
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

/** Microseconds an operation, 64 under way at a time, on files chosen at random between two: the best of a few rounds. */
async function measureOperations(
  volume: Volume,
  { from, to }: { from: number; to: number },
): Promise<Record<OperationName, number>> {
  const operations: Record<OperationName, (path: Path) => Promise<unknown>> = {
    create: ([part = '', directory = '', name = '']) =>
      volume.writeFile([part, directory, `new-${name}`], once(CONTENTS), { caller }),
    stat: (path) => volume.stat(path),
    read: (path) => readFile(volume, path),
    remove: ([part = '', directory = '', name = '']) => volume.remove([part, directory, `new-${name}`], { caller }),
  }
  const best = { create: Infinity, stat: Infinity, read: Infinity, remove: Infinity }
  for (let round = 0; round < ROUNDS; round += 1) {
    const chosen = new Set<number>()
    while (chosen.size < OPERATIONS) chosen.add(from + Math.floor(random.fraction() * (to - from)))
    const paths = [...chosen].map(pathOf)
    for (const name of OPERATION_NAMES) {
      const beginMs = performance.now()
      await inFlight(paths, operations[name])
      best[name] = Math.min(best[name], ((performance.now() - beginMs) / paths.length) * 1_000)
    }
  }
  return best
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

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-metadata-'))
const kv = await openLmdbStore({ path: folder })
try {
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
  const metadata = new Metadata({ ...common, isOpen: () => false })
  await volumes.create('bench', {}, caller)
  const volume = await volumes.open('bench')
  const few = Math.min(FILES_FEW, FILES)
  await createFiles(metadata, volume, { from: 0, to: few })
  await measureOperations(volume, { from: 0, to: few })
  const costFew = await measureOperations(volume, { from: 0, to: few })
  report(
    `files made, ${FILES_PER_TRANSACTION} a transaction`,
    await createFiles(metadata, volume, { from: few, to: FILES }),
    '/s',
  )
  await listAll(volume)
  const { entries, perSecond } = await listAll(volume)
  report(
    `entries listed, the whole tree of ${entries.toLocaleString('en')}`,
    perSecond,
    '/s',
    `at least ${LISTED_PER_SECOND_MIN.toLocaleString('en')}`,
  )
  // The listing has warmed the pages up, as those of the few files are.
  const middle = Math.floor((FILES - few) / 2)
  const costNear = await measureOperations(volume, { from: middle, to: middle + few })
  const costFar = await measureOperations(volume, { from: 0, to: FILES })
  for (const name of OPERATION_NAMES) {
    const ratio = (cost: typeof costFew): string => `ratio ${(cost[name] / costFew[name]).toFixed(2)}`
    report(`${name} with ${few.toLocaleString('en')} files`, costFew[name], 'µs')
    const many = `${name} with ${FILES.toLocaleString('en')} files`
    report(`${many}, among as many`, costNear[name], 'µs', `${ratio(costNear)}, at most ${RATIO_MAX}`)
    // Here hardly two changes of a commit share a page, as they do among fewer files: the difference is what the disk writes.
    report(`${many}, all over`, costFar[name], 'µs', ratio(costFar))
  }
  await volumes.close()
} finally {
  await kv.close()
  await rm(folder, { recursive: true })
}
