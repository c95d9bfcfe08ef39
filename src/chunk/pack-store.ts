import { dirname } from 'node:path'
import type { ChunkId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'
import { checkRange } from './arguments.ts'
import type { DiskMetrics } from './disk-metrics.ts'
import type { IdTurns } from './id-turns.ts'
import { encodeCheckpoint } from './index-checkpoint.ts'
import { PackCompaction } from './pack-compaction.ts'
import type { CompactionOptions, CompactionStep } from './pack-compaction.ts'
import type { PackIndex, PackedChunk } from './pack-index.ts'
import { INDEX_ENTRY_BYTES } from './pack-index.ts'
import { PackLog } from './pack-log.ts'
import { MAX_READ_TRIES, PackReader } from './pack-reader.ts'
import { recoverPacks } from './pack-recovery.ts'
import type { PackSet } from './pack-set.ts'
import type { StorageHealth } from './storage-health.ts'
import type { ByteRange } from './store.ts'

/** After this many bytes the index is written out, so that a restart after a crash reads no more than that again.. */
const MIN_CHECKPOINT_INTERVAL_BYTES = 64 * 1024 * 1024
/** ..and as many times the size of the checkpoint, so that checkpoints stay a small part of all writing. */
const CHECKPOINT_INTERVAL_FACTOR = 4

export interface PackStoreOptions {
  readonly folder: string
  readonly checkpointPath: string
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly health: StorageHealth
  readonly turns: IdTurns
  readonly metrics: DiskMetrics
  readonly packBytes: number
}

/** Chunks in packs. What changes one chunk must hold its turn: see `IdTurns`. */
export class PackStore {
  readonly #options: PackStoreOptions
  readonly #set: PackSet
  readonly #packLog: PackLog
  readonly #compaction: PackCompaction
  readonly #reader: PackReader
  #bytesSinceCheckpoint: number
  #checkpoint: Promise<void> | undefined

  static async open(options: PackStoreOptions): Promise<PackStore> {
    const { files, folder, log, clock } = options
    await files.makeFolder(folder)
    const startMs = clock.monotonicMs()
    const recovered = await recoverPacks({ ...options, nowMs: clock.nowMs() })
    const { set, lastNumber, active, scannedBytes } = recovered
    const store = new PackStore(options, { set, lastNumber, scannedBytes })
    if (active !== undefined) store.#packLog.resume(active.pack, active.file)
    const tookMs = Math.round(clock.monotonicMs() - startMs)
    log.info('packs are open', { chunks: set.index.size, packs: [...set.packs].length, scannedBytes, tookMs })
    store.#checkpointIfDue()
    return store
  }

  private constructor(options: PackStoreOptions, state: { set: PackSet; lastNumber: number; scannedBytes: number }) {
    const { folder, metrics } = options
    const { set } = state
    this.#options = options
    this.#set = set
    this.#bytesSinceCheckpoint = state.scannedBytes
    this.#reader = new PackReader(options)
    const onFlush = (records: number, bytes: number): void => {
      metrics.flushedRecords.observe(records)
      metrics.writtenBytes.add(bytes, { kind: 'pack' })
      this.#bytesSinceCheckpoint += bytes
      this.#checkpointIfDue()
    }
    this.#packLog = new PackLog({ ...options, set, onFlush }, state.lastNumber)
    const release = (path: string): Promise<void> => this.#reader.release(path)
    this.#compaction = new PackCompaction({ ...options, folder, set, packLog: this.#packLog, release })
  }

  get index(): PackIndex {
    return this.#set.index
  }

  get liveBytes(): number {
    return this.#set.liveBytes
  }

  get storedBytes(): number {
    return this.#set.storedBytes
  }

  find(id: ChunkId): PackedChunk | undefined {
    return this.#set.index.find(id)
  }

  touch(id: ChunkId, touchedAtMs: number): void {
    this.#set.touch(id, touchedAtMs)
  }

  /** Stores the chunk, in place of what there may be. */
  async write(id: ChunkId, payload: Uint8Array, touchedAtMs: number): Promise<void> {
    await this.#packLog.append({ id, payload, kills: this.find(id) }, touchedAtMs)
  }

  async forget(id: ChunkId): Promise<void> {
    const kills = this.find(id)
    if (kills !== undefined) await this.#packLog.append({ id, payload: undefined, kills }, 0)
  }

  /** `undefined` if there is no such chunk. @throws CORRUPT, INVALID_ARGUMENT */
  async read(id: ChunkId, range: ByteRange | undefined): Promise<Buffer | undefined> {
    for (let tries = 1; ; tries += 1) {
      const chunk = this.find(id)
      if (chunk === undefined) return undefined
      const { offset, length } = checkRange(id, chunk.lengthBytes, range)
      if (length === 0) return Buffer.alloc(0)
      const outcome = await this.#reader.read(id, chunk, { offset, length })
      if (Buffer.isBuffer(outcome)) return outcome
      const now = this.find(id)
      const moved = now === undefined || now.pack !== chunk.pack || now.offset !== chunk.offset
      if (!moved || tries >= MAX_READ_TRIES) throw outcome
    }
  }

  compact(options: CompactionOptions): Promise<CompactionStep> {
    return this.#compaction.step(options)
  }

  async close(): Promise<void> {
    await this.#compaction.settle()
    await this.#packLog.close()
    await this.#checkpoint
    if (this.#bytesSinceCheckpoint > 0 && !this.#options.health.failed) await this.#writeCheckpoint()
    await this.#reader.close()
  }

  #checkpointIfDue(): void {
    const checkpointBytes = this.#set.index.size * INDEX_ENTRY_BYTES
    const interval = Math.max(MIN_CHECKPOINT_INTERVAL_BYTES, CHECKPOINT_INTERVAL_FACTOR * checkpointBytes)
    if (this.#bytesSinceCheckpoint < interval || this.#checkpoint !== undefined) return
    this.#checkpoint = this.#writeCheckpoint().finally(() => {
      this.#checkpoint = undefined
    })
  }

  /** Without it the next start takes longer, no more: a failure is logged, and that's all. */
  async #writeCheckpoint(): Promise<void> {
    const { files, checkpointPath, log } = this.#options
    this.#bytesSinceCheckpoint = 0
    try {
      await files.publish(checkpointPath, encodeCheckpoint(this.#set))
    } catch (cause) {
      log.warn('index of packs could not be written', {
        error: storageError(cause, `write "${checkpointPath}" in ${dirname(checkpointPath)}`),
      })
    }
  }
}
