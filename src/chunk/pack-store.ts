import { dirname, join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { storageError, systemErrorCode } from '#platform/files.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'
import { checkRange } from './arguments.ts'
import { BLOCK_BYTES, findDamagedBlock } from './blocks.ts'
import type { DiskMetrics } from './disk-metrics.ts'
import type { IdTurns } from './id-turns.ts'
import { encodeCheckpoint } from './index-checkpoint.ts'
import { OpenFiles } from './open-files.ts'
import { PackCompaction } from './pack-compaction.ts'
import type { CompactionOptions, CompactionStep } from './pack-compaction.ts'
import { RECORD_HEADER_BYTES, decodeRecordHeader, packName, recordPrefixBytes } from './pack-format.ts'
import type { PackIndex, PackedChunk } from './pack-index.ts'
import { INDEX_ENTRY_BYTES } from './pack-index.ts'
import { PackLog } from './pack-log.ts'
import { recoverPacks } from './pack-recovery.ts'
import type { PackSet } from './pack-set.ts'
import type { StorageHealth } from './storage-health.ts'
import type { ByteRange } from './store.ts'

/** After this many bytes the index is written out, so that a restart after a crash reads no more than that again.. */
const MIN_CHECKPOINT_INTERVAL_BYTES = 64 * 1024 * 1024
/** ..and as many times the size of the checkpoint, so that checkpoints stay a small part of all writing. */
const CHECKPOINT_INTERVAL_FACTOR = 4
const MAX_OPEN_PACKS = 64
/** A read that finds its chunk moved looks again; compaction can't move it faster than this many times. */
const MAX_READ_TRIES = 8

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
  readonly #openPacks: OpenFiles<OpenFile>
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
    const { files, folder, metrics } = options
    const { set } = state
    this.#options = options
    this.#set = set
    this.#bytesSinceCheckpoint = state.scannedBytes
    this.#openPacks = new OpenFiles((path) => files.open(path, 'read'), MAX_OPEN_PACKS)
    const onFlush = (records: number, bytes: number): void => {
      metrics.flushedRecords.observe(records)
      metrics.writtenBytes.add(bytes, { kind: 'pack' })
      this.#bytesSinceCheckpoint += bytes
      this.#checkpointIfDue()
    }
    this.#packLog = new PackLog({ ...options, set, onFlush }, state.lastNumber)
    const release = (path: string): Promise<void> => this.#openPacks.evict(path)
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
      const outcome = await this.#readAt(id, chunk, { offset, length })
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
    await this.#openPacks.close()
  }

  async #readAt(id: ChunkId, chunk: PackedChunk, { offset, length }: ByteRange): Promise<Buffer | ShoalError> {
    const path = join(this.#options.folder, packName(chunk.pack))
    const prefix = recordPrefixBytes(chunk.lengthBytes)
    const lastBlockEnd = Math.ceil((offset + length) / BLOCK_BYTES) * BLOCK_BYTES
    const record = Buffer.allocUnsafe(prefix + Math.min(chunk.lengthBytes, lastBlockEnd))
    try {
      const got = await this.#openPacks.use(path, (file) => file.read(record, chunk.offset))
      if (got < record.length) return corrupt(id, path, chunk.offset + got, 'the pack ends too early')
    } catch (cause) {
      if (systemErrorCode(cause) === 'ENOENT') return corrupt(id, path, chunk.offset, 'the pack is missing')
      return storageError(cause, `read chunk ${id} from "${path}"`)
    }
    const salt = this.#set.find(chunk.pack)?.salt
    const header = decodeRecordHeader(record, 0, { salt, offset: chunk.offset })
    if (header === undefined || header.id !== id || header.lengthBytes !== chunk.lengthBytes) {
      return corrupt(id, path, chunk.offset, "the record's header is damaged")
    }
    const firstBlock = Math.floor(offset / BLOCK_BYTES)
    const blocks = record.subarray(prefix + firstBlock * BLOCK_BYTES)
    const damaged = findDamagedBlock(blocks, record, RECORD_HEADER_BYTES + 4 * firstBlock)
    if (damaged !== -1) {
      return corrupt(id, path, chunk.offset + prefix + (firstBlock + damaged) * BLOCK_BYTES, 'a checksum is wrong')
    }
    return record.subarray(prefix + offset, prefix + offset + length)
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

export function corrupt(id: ChunkId, path: string, offset: number, reason: string): ShoalError {
  return new ShoalError('CORRUPT', `Chunk ${id} is damaged in "${path}" at byte ${offset}: ${reason}`, {
    details: { chunk: id, path, offset },
  })
}
