import type { ChunkStore } from '#chunk/store.ts'
import type { ChunkId, TenantId } from '#foundation/ids.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import type { Random } from '#platform/random.ts'
import type { SharedStamp } from '#platform/shared-stamp.ts'
import type { ReaderStores } from './content-reader.ts'
import type { ContentKeys } from './content-cipher.ts'
import type { LifecycleOptions } from './lifecycle.ts'
import type { Pins } from './pins.ts'
import type { ReadBuffers } from './read-buffers.ts'
import type { ClassChunks } from './locations.ts'

/** The replication classes that volumes can have. */
export interface VolumeClasses {
  has(name: string): boolean
  /** The chunks of a class; of one that is gone, those of `default`. */
  chunksOf(name: string): ClassChunks
}

export interface StrongVolumesOptions {
  readonly kv: KeyValueStore
  /** All chunks, whichever class they are of. */
  readonly chunks: ChunkStore
  /** What there is of classes; one without a name but `default`, whose chunks are `chunks`, unless given. */
  readonly classes?: VolumeClasses | undefined
  readonly clock: Clock
  readonly random: Random
  readonly digests: Digests
  readonly log: Log
  readonly nodeId: string
  readonly tenant?: TenantId
  /** How many changes the feed keeps at least. */
  readonly changeRingEntries: number
  readonly uploadExpiryMs: number
  /** How long chunks and replaced contents stay after nothing uses them. */
  readonly gcGraceMs: number
  readonly gcIntervalMs: number
  readonly sweepIntervalMs: number
  /** Whether others remove the chunks that nothing refers to, as the tracker of a cluster does; nobody unless given. */
  readonly isSweptByOthers?: () => boolean
  /** Bytes of chunks that may be in memory on their way to the store, for all writers together. */
  readonly writeBufferBytes: number
  /** For contents that are to be encrypted; without, none can be. */
  readonly contentKeys?: ContentKeys | undefined
  /** Of the changes to volumes themselves; shared with threads that keep volumes too. */
  readonly volumesStamp?: SharedStamp
  /** What is in use, also by others. */
  readonly pins?: Pins
  readonly readBuffers?: ReadBuffers
  /** Of a thread that only reads: see `ReaderStores`. */
  readonly settle?: ReaderStores['settle']
  /** Of a node that only follows: see `ReaderStores`. */
  readonly copiesTables?: ReaderStores['copiesTables']
  /** Whether a volume of another kind has the name: none can be made with it. */
  readonly isTaken?: ((name: string) => boolean) | undefined
  /** False while another node may have changed the volumes since they were read here. */
  readonly isCurrent?: (() => boolean) | undefined
  /** A volume has got a class, and it is noted of all that it has: copies may be missing now, or in other places than they should be. */
  readonly onClassChange?: (() => void) | undefined
  /** Whether something else has use for a chunk: it is no garbage then. */
  readonly isUsedElsewhere?: ((id: ChunkId) => Promise<boolean>) | undefined
  /** How often lifecycle rules are applied, and how long their days are; hourly, and a day, unless given. */
  readonly lifecycle?: Pick<LifecycleOptions, 'intervalMs' | 'dayMs'>
}
