// Volumes as the thread that writes has them, and as a reader thread has them beside it; here both in one thread, so that a
// test says what comes after what.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ChunkFollower } from '#chunk/chunk-follower.ts'
import { openDiskChunkStore } from '#chunk/disk.ts'
import type { DiskChunkStore } from '#chunk/disk.ts'
import { CommitSignals } from '#kv/commit-signals.ts'
import { openLmdbFollower, openLmdbStore } from '#kv/lmdb.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { silentLog } from '#observe/log.ts'
import { openBlockingFile } from '#platform/node-blocking-file.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests, threadDigests } from '#platform/node-digests.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { SharedStamp } from '#platform/shared-stamp.ts'
import { Pins } from '#volume/pins.ts'
import { SharedPins } from '#volume/shared-pins.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import { assembleVolumes } from './node-volumes.ts'
import { withheldChunks } from './withheld-chunks.ts'
import { withTransact } from './wrapped-stores.ts'

const SETTINGS = {
  changes: { ringEntries: 1_000 },
  uploads: { expiryMs: 60_000 },
  // Negative: what is let go of goes at once, though the clock hasn't moved since.
  gc: { graceMs: -1_000, intervalMs: 60_000, sweepIntervalMs: 60_000 },
  limits: { writeBufferBytes: 64 * 1024 * 1024 },
}

export interface WriterAndReader {
  readonly writer: StrongVolumes
  readonly reader: StrongVolumes
  readonly disk: DiskChunkStore
  /** How often the writer was asked. */
  readonly asked: { places: number; settled: number }
  /** Called once, after the reader has looked for the first time since. */
  afterLook: (() => Promise<void>) | undefined
  /** Resolves when the writer's next transaction has run, and isn't durable. */
  transacted(): Promise<void>
  /** All that the writer can let go of. */
  collect(): Promise<void>
  /** As a reader does now and then. */
  releaseFiles(): Promise<void>
  close(): Promise<void>
}

export async function openWriterAndReader(): Promise<WriterAndReader> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-readers-'))
  const path = join(folder, 'meta')
  const signals = new CommitSignals()
  const kv = await openLmdbStore({ path, journal: { files: nodeFiles, clock: nodeClock, signals } })
  const follower = await openLmdbFollower({ path, signals, openFile: openBlockingFile, clock: nodeClock })
  const chunksPath = join(folder, 'chunks')
  const ports = { clock: nodeClock, random: nodeRandom, log: silentLog, volumesStamp: new SharedStamp() }
  const files = { path: chunksPath, files: nodeFiles }
  const disk = await openDiskChunkStore({ ...files, ...ports, digests: nodeDigests, packBytes: 1024 * 1024 })
  const asked = { places: 0, settled: 0 }
  const chunks = new ChunkFollower({
    ...files,
    digests: threadDigests,
    readBytes: { add() {} },
    placeOf: async (id) => {
      asked.places += 1
      return disk.placeOf(id)
    },
  })
  const shared = new SharedPins()
  const own = { folder: { nodeId: 'node-1' } }
  let onTransact = (): void => {}
  const told = withTransact(kv, (fn, options) => {
    const durable = kv.transact(fn, options)
    onTransact()
    return durable
  })
  const writer = assembleVolumes({ ...own, kv: told, chunks: disk }, SETTINGS, { ...ports, pins: new Pins(shared) })
  const hooked: KeyValueStore = {
    get: (key) => follower.get(key),
    async read(fn) {
      const result = await follower.read(fn)
      const then = both.afterLook
      both.afterLook = undefined
      await then?.()
      return result
    },
    openSnapshot: () => follower.openSnapshot(),
    range: (options) => follower.range(options),
    transact: (fn, options) => follower.transact(fn, options),
    close: () => follower.close(),
  }
  const reader = assembleVolumes({ ...own, kv: hooked, chunks: withheldChunks(chunks) }, SETTINGS, {
    ...ports,
    pins: new SharedPins(shared.memory),
    settle: (volume) => {
      asked.settled += 1
      return writer.settle(volume)
    },
  })
  const both: WriterAndReader = {
    writer,
    reader,
    disk,
    asked,
    afterLook: undefined,
    transacted: () =>
      new Promise((resolve) => {
        onTransact = resolve
      }),
    async collect() {
      await writer.collect()
      while (!(await disk.compact({ budgetBytes: 1024 * 1024, maxLiveShare: 0.99 })).idle);
    },
    releaseFiles: () => chunks.releaseFiles(),
    async close() {
      await chunks.releaseFiles()
      await follower.close()
      await kv.close()
      await disk.close()
      await rm(folder, { recursive: true })
    },
  }
  return both
}
