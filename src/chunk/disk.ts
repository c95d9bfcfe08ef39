import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'
import { checkSize, chunkMissing, storeClosed } from './arguments.ts'
import { chunksFolder, packsFolder } from './chunk-follower.ts'
import { diskMetrics } from './disk-metrics.ts'
import type { DiskMetrics } from './disk-metrics.ts'
import { FileStore } from './file-store.ts'
import { IdTurns } from './id-turns.ts'
import type { CompactionOptions, CompactionStep } from './pack-compaction.ts'
import { MAX_PACKED_BYTES } from './pack-format.ts'
import type { PackPlace } from './pack-reader.ts'
import { PackStore } from './pack-store.ts'
import { StorageHealth } from './storage-health.ts'
import type { ByteRange, ChunkInfo, ChunkStore, ChunkUsage } from './store.ts'

const DEFAULT_PACK_BYTES = 64 * 1024 * 1024
const VERIFY_STEP_BYTES = 1024 * 1024
/** How many damaged chunks are remembered, so that a write of one stores it anew. */
const MAX_SUSPECTS = 10_000

export interface DiskChunkStoreOptions {
  /** The folder of the store; made if it isn't there. One store at a time may have it open: see `openDataFolder`. */
  readonly path: string
  readonly files: Files
  /** Checksums large chunks. */
  readonly digests: Digests
  readonly clock: Clock
  readonly random: Random
  readonly log?: Log
  readonly metrics?: Metrics
  /** 64 MiB unless given. */
  readonly packBytes?: number
}

/** A chunk store in a folder: chunks up to 256 KiB in packs, larger ones in files of their own. docs/formats/chunks.md
 *  describes the bytes.
 *
 *  Every chunk counts as touched when the store is opened. A write of a chunk that a read has found damaged stores it
 *  anew. Forgetting a small chunk appends to a pack, and so can fail with NO_SPACE. */
export interface DiskChunkStore extends ChunkStore {
  /** One step of giving back the dead space in packs. Whoever calls it paces it. @throws CANCELLED, NO_SPACE,
   *  STORAGE_FAILED, CORRUPT */
  compact(options: CompactionOptions): Promise<CompactionStep>
  /** Where the chunk lies in a pack at this moment, for `ChunkFollower`; `undefined` if it has a file of its own, or isn't here. */
  placeOf(id: ChunkId): PackPlace | undefined
}

/** @throws NO_SPACE, STORAGE_FAILED */
export async function openDiskChunkStore(options: DiskChunkStoreOptions): Promise<DiskChunkStore> {
  const { path, log = silentLog } = options
  const health = new StorageHealth(log)
  const turns = new IdTurns()
  const metrics = diskMetrics(options.metrics)
  const shared = { ...options, log, health, turns, metrics, packBytes: options.packBytes ?? DEFAULT_PACK_BYTES }
  try {
    await options.files.makeFolder(path)
    const packs = await PackStore.open({ ...shared, folder: packsFolder(path), checkpointPath: join(path, 'packs.index') })
    const chunkFiles = await FileStore.open({ ...shared, folder: chunksFolder(path), incoming: join(path, 'incoming') })
    return new DiskStore(options, { packs, chunkFiles, health, turns, metrics })
  } catch (cause) {
    throw storageError(cause, `open the chunk store "${path}"`)
  }
}

interface Parts {
  readonly packs: PackStore
  readonly chunkFiles: FileStore
  readonly health: StorageHealth
  readonly turns: IdTurns
  readonly metrics: DiskMetrics
}

class DiskStore implements DiskChunkStore {
  readonly #path: string
  readonly #files: Files
  readonly #clock: Clock
  readonly #packs: PackStore
  readonly #chunkFiles: FileStore
  readonly #health: StorageHealth
  readonly #turns: IdTurns
  readonly #metrics: DiskMetrics
  readonly #log: Log
  readonly #suspects = new Set<ChunkId>()
  #closed: Promise<void> | undefined

  constructor({ path, files, clock, log = silentLog }: DiskChunkStoreOptions, parts: Parts) {
    this.#log = log
    this.#path = path
    this.#files = files
    this.#clock = clock
    this.#packs = parts.packs
    this.#chunkFiles = parts.chunkFiles
    this.#health = parts.health
    this.#turns = parts.turns
    this.#metrics = parts.metrics
  }

  async write(id: ChunkId, bytes: Uint8Array, checksums?: Buffer): Promise<void> {
    this.#checkOpen()
    this.#health.check()
    checkSize(id, bytes.length)
    const touchedAtMs = this.#clock.nowMs()
    if (!this.#turns.isBusy(id) && this.#touchPacked(id, touchedAtMs)) return
    await this.#turns.run(id, async () => {
      if (this.#touchPacked(id, touchedAtMs)) return
      this.#health.check()
      if (bytes.length <= MAX_PACKED_BYTES) await this.#packs.write(id, bytes, touchedAtMs)
      else await this.#writeFile(id, bytes, { touchedAtMs, checksums })
      this.#suspects.delete(id)
    })
  }

  async read(id: ChunkId, range?: ByteRange, into?: Buffer): Promise<Buffer> {
    this.#checkOpen()
    try {
      const bytes = (await this.#packs.read(id, range)) ?? (await this.#chunkFiles.read(id, range, into))
      if (bytes === undefined) throw chunkMissing(id)
      this.#metrics.readBytes.add(bytes.length)
      return bytes
    } catch (error) {
      if (isShoalError(error, 'CORRUPT')) this.#suspect(id, error.message)
      throw error
    }
  }

  async locate(id: ChunkId): Promise<ChunkInfo | undefined> {
    this.#checkOpen()
    return translated(this.#find(id), `look for chunk ${id}`)
  }

  async forget(id: ChunkId, options: { untouchedSinceMs?: number } = {}): Promise<boolean> {
    this.#checkOpen()
    const { untouchedSinceMs = Number.POSITIVE_INFINITY } = options
    const forgotten = this.#turns.run(id, async () => {
      const found = await this.#find(id)
      if (found === undefined || found.touchedAtMs >= untouchedSinceMs) return false
      this.#health.check()
      if (this.#packs.find(id) === undefined) await this.#chunkFiles.forget(id)
      else await this.#packs.forget(id)
      this.#suspects.delete(id)
      return true
    })
    return translated(forgotten, `forget chunk ${id}`)
  }

  async verify(id: ChunkId): Promise<'intact' | 'corrupt' | 'missing'> {
    const found = await this.locate(id)
    if (found === undefined) return 'missing'
    const hash = createHash('sha256')
    try {
      for (let offset = 0; offset < found.sizeBytes; offset += VERIFY_STEP_BYTES) {
        const length = Math.min(VERIFY_STEP_BYTES, found.sizeBytes - offset)
        hash.update(await this.read(id, { offset, length }))
      }
    } catch (error) {
      if (isShoalError(error, 'CHUNK_MISSING')) return 'missing'
      // A truncated file seems to be shorter or longer than its trailer says, and so the range may leave the chunk.
      if (isShoalError(error, 'INVALID_ARGUMENT')) this.#suspect(id, error.message)
      else if (!isShoalError(error, 'CORRUPT')) throw error
      return 'corrupt'
    }
    if (hash.digest('hex') === id) return 'intact'
    this.#suspect(id, 'its SHA-256 is another one')
    return 'corrupt'
  }

  async *list(from?: ChunkId): AsyncIterableIterator<ChunkInfo> {
    this.#checkOpen()
    const firstByte = from === undefined ? 0 : Number.parseInt(from.slice(0, 2), 16)
    for (let byte = firstByte; byte < 256; byte += 1) {
      const inFiles = this.#chunkFiles.mayHave(byte) ? await translated(this.#chunkFiles.idsIn(byte), 'list the chunks') : []
      const packed = this.#packs.index.idsIn(byte)
      const ids = inFiles.length === 0 ? packed : [...packed, ...inFiles].toSorted()
      for (const id of ids) {
        const info = from === undefined || id >= from ? await translated(this.#find(id), 'list the chunks') : undefined
        if (info !== undefined) yield info
      }
    }
  }

  async usage(): Promise<ChunkUsage> {
    this.#checkOpen()
    const files = await translated(this.#chunkFiles.usage(), 'count the chunks')
    const { capacityBytes, freeBytes } = await translated(this.#files.space(this.#path), 'ask for the free space')
    return {
      chunks: this.#packs.index.size + files.chunks,
      liveBytes: this.#packs.liveBytes + files.liveBytes,
      storedBytes: this.#packs.storedBytes + files.storedBytes,
      capacityBytes,
      freeBytes,
    }
  }

  async compact(options: CompactionOptions): Promise<CompactionStep> {
    this.#checkOpen()
    return translated(this.#packs.compact(options), 'compact the packs')
  }

  placeOf(id: ChunkId): PackPlace | undefined {
    const packed = this.#closed === undefined ? this.#packs.find(id) : undefined
    return packed === undefined ? undefined : { pack: packed.pack, offset: packed.offset, lengthBytes: packed.lengthBytes }
  }

  close(): Promise<void> {
    this.#closed ??= translated(this.#close(), 'close the chunk store')
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#turns.settle()
    await this.#packs.close()
    await this.#chunkFiles.close()
  }

  async #find(id: ChunkId): Promise<ChunkInfo | undefined> {
    const packed = this.#packs.find(id)
    const found =
      packed === undefined
        ? await this.#chunkFiles.find(id)
        : { id, sizeBytes: packed.lengthBytes, touchedAtMs: packed.touchedAtMs }
    return found !== undefined && this.#suspects.has(id) ? { ...found, isDamaged: true } : found
  }

  async #writeFile(
    id: ChunkId,
    bytes: Uint8Array,
    { touchedAtMs, checksums }: { touchedAtMs: number; checksums: Buffer | undefined },
  ): Promise<void> {
    const replaces = this.#suspects.has(id)
    if (!replaces && (await this.#chunkFiles.touch(id, touchedAtMs))) return
    await this.#chunkFiles.write(id, bytes, { touchedAtMs, checksums, replaces })
  }

  #touchPacked(id: ChunkId, touchedAtMs: number): boolean {
    if (this.#suspects.has(id) || this.#packs.find(id) === undefined) return false
    this.#packs.touch(id, touchedAtMs)
    return true
  }

  #suspect(id: ChunkId, reason: string): void {
    this.#metrics.corruptReads.add(1)
    if (this.#suspects.has(id) || this.#suspects.size >= MAX_SUSPECTS) return
    this.#suspects.add(id)
    this.#log.warn('a chunk on this disk is damaged', { chunk: id, reason })
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw storeClosed()
  }
}

async function translated<T>(promise: Promise<T>, doing: string): Promise<T> {
  try {
    return await promise
  } catch (cause) {
    throw storageError(cause, doing)
  }
}
