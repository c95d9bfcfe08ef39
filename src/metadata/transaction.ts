import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, InodeId } from '#foundation/ids.ts'
import type { Snapshot, Transaction } from '#kv/store.ts'
import { appendChange, type ChangeFields, type ChangeSettings } from './change-feed.ts'
import { type Counters, decodeCounters, encodeCounters } from './counters.ts'
import { contentBytes, countersKey, type KeyPrefix } from './keys.ts'
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
  readonly changes: ChangeSettings
  /** Whether somebody is reading a table of extents, so that it must stay as it is. */
  readonly isOpen?: IsOpen
}

/** `what`: the number of a content, as bytes. */
export type IsOpen = (prefix: KeyPrefix, what: Buffer) => boolean

/** One volume inside a transaction: gives ids, and keeps the counts that every operation touches, so that they are read
 *  and written once. `finish` must be the last call. */
export class VolumeTransaction extends VolumeView {
  readonly tx: Transaction
  readonly nowNs: bigint
  readonly nowMs: number
  readonly policy: VolumePolicy
  /** Who asks. */
  readonly principal: string
  /** Paths of directories met on the way, for the change feed. */
  readonly paths = new Map<InodeId, string>()
  readonly #setting: TransactionSetting
  #counters: Counters | undefined
  #filesDelta = 0
  #bytesDelta = 0
  #idsTaken = 0

  constructor(tx: Transaction, prefix: KeyPrefix, setting: TransactionSetting) {
    super(tx, prefix)
    this.tx = tx
    this.nowNs = setting.nowNs
    this.nowMs = Number(setting.nowNs / 1_000_000n)
    this.policy = setting.policy
    this.principal = setting.principal
    this.#setting = setting
  }

  /** A number that this volume has never used, for an inode or a content. */
  allocate(): number {
    this.#idsTaken += 1
    return this.#load().nextId + this.#idsTaken - 1
  }

  isOpen(content: number): boolean {
    return this.#setting.isOpen?.(this.prefix, contentBytes(content)) === true
  }

  countFiles(delta: number): void {
    this.#filesDelta += delta
  }

  countBytes(delta: number): void {
    this.#bytesDelta += delta
  }

  retain(chunk: ChunkId): void {
    retainChunk(this.tx, chunk)
  }

  release(chunk: ChunkId): void {
    releaseChunk(this.tx, chunk, this.nowMs)
  }

  change(fields: ChangeFields): void {
    const { changes, volumeName, principal } = this.#setting
    appendChange(this.tx, { ...fields, volume: volumeName, principal, timeNs: this.nowNs }, changes)
  }

  /** Writes the counters and holds the quota. @throws QUOTA_EXCEEDED */
  finish(): void {
    if (this.#idsTaken === 0 && this.#filesDelta === 0 && this.#bytesDelta === 0) return
    const before = this.#load()
    const after = {
      nextId: before.nextId + this.#idsTaken,
      files: before.files + this.#filesDelta,
      bytes: before.bytes + this.#bytesDelta,
    }
    // Beyond it the count would no longer be exact.
    if (after.bytes > Number.MAX_SAFE_INTEGER)
      throw new ShoalError('TOO_LARGE', `A volume holds ${Number.MAX_SAFE_INTEGER} bytes at most, holes included`)
    const { quotaBytes, quotaFiles } = this.policy
    if (this.#bytesDelta > 0 && quotaBytes !== undefined && after.bytes > quotaBytes) {
      throw quotaExceeded(this.#setting.volumeName, { what: 'bytes', allowed: quotaBytes, wanted: after.bytes })
    }
    if (this.#filesDelta > 0 && quotaFiles !== undefined && after.files > quotaFiles) {
      throw quotaExceeded(this.#setting.volumeName, { what: 'files', allowed: quotaFiles, wanted: after.files })
    }
    this.tx.put(countersKey(this.prefix), encodeCounters(after))
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
