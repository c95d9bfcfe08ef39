import { join } from 'node:path'
import { openDiskChunkStore } from '#chunk/disk.ts'
import type { DiskChunkStore } from '#chunk/disk.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { CommitSignals } from '#kv/commit-signals.ts'
import { openLmdbStore } from '#kv/lmdb.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import { openDataFolder } from '#platform/data-folder.ts'
import type { DataFolder } from '#platform/data-folder.ts'
import type { Files } from '#platform/files.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import type { Random } from '#platform/random.ts'
import { readMetadataMode } from './metadata-mode.ts'
import type { MetadataMode } from './metadata-mode.ts'
import { SpaceReserve } from './space-reserve.ts'
import { StorageLatch } from './storage-latch.ts'
import { StoreSlot } from './store-slot.ts'

export interface StoragePorts {
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics?: Metrics
  /** Of Shoal, written into a new data folder. */
  readonly version: string
}

/** The store of a cluster's metadata, and what ends it together with all that it needs. */
export interface ClusterKeys {
  readonly store: KeyValueStore
  close(): Promise<void>
}

/** A node's data folder, locked, with its stores open. */
export interface Storage {
  readonly folder: DataFolder
  readonly kv: KeyValueStore
  readonly chunks: ChunkStore
  /** What this node has of eventual volumes; never replicated otherwise than by them. */
  readonly eventualKv: KeyValueStore
  /** The chunk store itself, for what the port doesn't have: compaction. */
  readonly disk: DiskChunkStore
  readonly latch: StorageLatch
  readonly reserve: Pick<SpaceReserve, 'roomBytes'>
  /** Where the metadata is agreed on; with another mode than `home` there is none here before `replaceKeys`. */
  readonly mode: MetadataMode
  /** Puts the metadata of a cluster in the place of what `kv` has been, which is closed first. It is closed with the storage. */
  replaceKeys(open: () => Promise<ClusterKeys>): Promise<void>
  /** For threads that follow `kv`. */
  readonly signals: CommitSignals
  /** Closes the stores, then lets go of the folder. Repeating it is harmless. */
  close(): Promise<void>
}

/** Opens everything that a node keeps. If any of it fails, what was opened before is closed again.
 *  @throws DATA_IN_USE, DATA_FORMAT, NO_SPACE, STORAGE_FAILED */
export async function openStorage(dataPath: string, ports: StoragePorts): Promise<Storage> {
  const { files, clock, random, log, metrics, version } = ports
  const opened: { close(): Promise<void> }[] = []
  const close = async () => {
    for (const part of opened.splice(0).toReversed()) await part.close()
  }
  try {
    const folder = await openDataFolder(dataPath, { files, random, version })
    opened.push(folder)
    const reserve = await SpaceReserve.open(join(folder.path, 'reserve'), { files, clock, random, log })
    const signals = new CommitSignals()
    const mode = await readMetadataMode(files, folder.path)
    const slot = new StoreSlot(
      mode.kind === 'home'
        ? await openLmdbStore({ path: join(folder.path, 'meta'), journal: { files, clock, signals } })
        : undefined,
    )
    opened.push(slot)
    const eventualKv = await openLmdbStore({ path: join(folder.path, 'eventual'), journal: { files, clock } })
    opened.push(eventualKv)
    const disk = await openDiskChunkStore({
      path: join(folder.path, 'chunks'),
      files,
      digests: nodeDigests,
      clock,
      random,
      log,
      ...(metrics === undefined ? {} : { metrics }),
    })
    opened.push(disk)
    const latch = new StorageLatch(log)
    let isOfCluster = false
    return {
      folder,
      kv: reserve.guardKeys(latch.watchKeys(slot, () => isOfCluster)),
      eventualKv: reserve.guardKeys(latch.watchKeys(eventualKv)),
      chunks: reserve.guardChunks(latch.watchChunks(disk)),
      disk,
      latch,
      reserve,
      mode,
      signals,
      replaceKeys: (open) =>
        slot.replace(async () => {
          const keys = await open()
          opened.push(keys)
          isOfCluster = true
          return keys.store
        }),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
