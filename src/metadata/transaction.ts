import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, InodeId } from '#foundation/ids.ts'
import type { Snapshot, Transaction } from '#kv/store.ts'
import type { ChangeFields, ChangeLog } from './change-feed.ts'
import { type Counters, decodeCounters, encodeCounters } from './counters.ts'
import { discardRows } from './garbage.ts'
import { contentBytes, countersKey, type KeyPrefix } from './keys.ts'
import type { Located } from './located.ts'
import type { VolumePolicy } from './policy.ts'
import { releaseChunk, retainChunk } from './references.ts'

/** One volume as one snapshot shows it. */
export class VolumeView {
  readonly snapshot: Snapshot
  readonly prefix: KeyPrefix

  constructor(snapshot: Snapshot, prefix: KeyPrefix) {
    this.snapshot = snapshot
    this.prefix = prefix
  }
}

export interface TransactionSetting {
  readonly volumeName: string
  readonly policy: VolumePolicy
  readonly principal: string
  readonly nowNs: bigint
  readonly changes: ChangeLog
  /** Whether somebody is reading a table of extents, so that it must stay as it is. */
  readonly isOpen?: IsOpen
}

/** `what`: the number of a content, as bytes. */
export type IsOpen = (prefix: KeyPrefix, what: Buffer) => boolean

/** Given so far, and counted. */
interface Taken {
  readonly ids: number
  readonly files: number
  readonly bytes: number
}

/** One volume inside a transaction, for one change after another: gives ids, and keeps what every change touches (the
 *  counts, the directories that paths lead through), so that it is read and written once. `finish` must be the last call. */
export class VolumeTransaction extends VolumeView {
  readonly tx: Transaction
  readonly nowNs: bigint
  readonly nowMs: number
  readonly policy: VolumePolicy
  /** Paths of directories met on the way, for the change feed. */
  readonly paths = new Map<InodeId, string>()
  /** The same directories by path, without symbolic links. Their records may be older than what is stored by now. */
  readonly directories = new Map<string, Located>()
  /** Directories whose times are those of this transaction already. */
  readonly touched = new Set<InodeId>()
  readonly #setting: TransactionSetting
  #principal: string
  #counters: Counters | undefined
  #ids = 0
  #files = 0
  #bytes = 0

  constructor(tx: Transaction, prefix: KeyPrefix, setting: TransactionSetting) {
    super(tx, prefix)
    this.tx = tx
    this.nowNs = setting.nowNs
    this.nowMs = Number(setting.nowNs / 1_000_000n)
    this.policy = setting.policy
    this.#principal = setting.principal
    this.#setting = setting
  }

  /** Who asks for the change that is under way. */
  get principal(): string {
    return this.#principal
  }

  /** Runs one change, which takes effect as a whole or not at all, and holds the quota.
   *  @throws what `fn` throws, QUOTA_EXCEEDED */
  run<T>(principal: string, fn: (t: VolumeTransaction) => T): T {
    const before = { ids: this.#ids, files: this.#files, bytes: this.#bytes }
    this.#principal = principal
    try {
      return this.tx.attempt(() => {
        const result = fn(this)
        this.#checkQuota(before)
        return result
      })
    } catch (error) {
      this.#ids = before.ids
      this.#files = before.files
      this.#bytes = before.bytes
      this.forgetDirectories()
      throw error
    }
  }

  /** A number that this volume has never used, for an inode or a content. */
  allocate(): number {
    this.#ids += 1
    return this.#load().nextId + this.#ids - 1
  }

  isOpen(content: number): boolean {
    return this.#setting.isOpen?.(this.prefix, contentBytes(content)) === true
  }

  countFiles(delta: number): void {
    this.#files += delta
  }

  countBytes(delta: number): void {
    this.#bytes += delta
  }

  retain(chunk: ChunkId): void {
    retainChunk(this.tx, chunk, this.policy.class)
  }

  release(chunk: ChunkId): void {
    releaseChunk(this.tx, chunk, this.nowMs)
  }

  /** Puts rows onto the garbage list: see `ContentGarbage`. */
  discard(what: Buffer, options: { readonly ownsChunks?: boolean } = {}): Buffer {
    return discardRows(this.tx, { ...options, what, prefix: this.prefix, nowMs: this.nowMs })
  }

  change(change: ChangeFields): void {
    const { changes, volumeName } = this.#setting
    changes.append(change, { volume: volumeName, principal: this.#principal, timeNs: this.nowNs })
  }

  /** Where directories are and what was done to them is no longer what it was: a directory has moved or gone. */
  forgetDirectories(): void {
    this.paths.clear()
    this.directories.clear()
    this.touched.clear()
  }

  /** Writes the counters. */
  finish(): void {
    if (this.#ids === 0 && this.#files === 0 && this.#bytes === 0) return
    this.tx.put(countersKey(this.prefix), encodeCounters(this.#after()))
  }

  #after(): Counters {
    const before = this.#load()
    return { nextId: before.nextId + this.#ids, files: before.files + this.#files, bytes: before.bytes + this.#bytes }
  }

  #checkQuota(before: Taken): void {
    const addsFiles = this.#files > before.files
    const addsBytes = this.#bytes > before.bytes
    if (!addsFiles && !addsBytes) return
    const { files, bytes } = this.#after()
    // Beyond it the count would no longer be exact.
    if (bytes > Number.MAX_SAFE_INTEGER)
      throw new ShoalError('TOO_LARGE', `A volume holds ${Number.MAX_SAFE_INTEGER} bytes at most, holes included`)
    const { quotaBytes, quotaFiles } = this.policy
    if (addsBytes && quotaBytes !== undefined && bytes > quotaBytes) {
      throw quotaExceeded(this.#setting.volumeName, { what: 'bytes', allowed: quotaBytes, wanted: bytes })
    }
    if (addsFiles && quotaFiles !== undefined && files > quotaFiles) {
      throw quotaExceeded(this.#setting.volumeName, { what: 'files', allowed: quotaFiles, wanted: files })
    }
  }

  #load(): Counters {
    this.#counters ??= decodeCounters(this.tx.get(countersKey(this.prefix)))
    return this.#counters
  }
}

function quotaExceeded(volume: string, { what, allowed, wanted }: { what: string; allowed: number; wanted: number }): ShoalError {
  return new ShoalError(
    'QUOTA_EXCEEDED',
    `Volume "${volume}" may hold ${allowed} ${what}, and this would make it ${wanted}: remove something or raise the quota`,
    {
      details: { volume, what, allowed, wanted },
    },
  )
}
