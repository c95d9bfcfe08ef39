import type { TenantId, VolumeId } from '#foundation/ids.ts'
import type { KeyValueStore, LongSnapshot, Snapshot, Transaction, TransactOptions } from '#kv/store.ts'
import type { Clock } from '#platform/clock.ts'
import { appendChange, type ChangeFields } from './change-feed.ts'
import { type KeyPrefix, policyKey, volumePrefix } from './keys.ts'
import { Repair } from './repair.ts'
import { type IsOpen, VolumeTransaction, VolumeView } from './transaction.ts'
import { decodeVolume, volumeNotFound, type VolumeRecord } from './volumes.ts'

export interface MetadataOptions {
  readonly kv: KeyValueStore
  readonly clock: Clock
  /** How many changes the feed keeps at least. */
  readonly changeRingEntries: number
  /** Tables of extents that somebody is reading are not changed in place. */
  readonly isOpen: IsOpen
}

/** Which volume, for as long as it exists: a volume made anew under the same name is another. */
export interface VolumeHandle {
  readonly tenant: TenantId
  readonly id: VolumeId
  readonly name: string
}

/** Runs the namespace's operations (the functions in this folder) in transactions of the key-value store. */
export class Metadata {
  readonly #kv: KeyValueStore
  readonly #clock: Clock
  readonly #changeRingEntries: number
  readonly #isOpen: IsOpen
  readonly #followers = new Set<() => void>()
  readonly #volumes = new Map<VolumeId, { row: Buffer; record: VolumeRecord }>()

  constructor({ kv, clock, changeRingEntries, isOpen }: MetadataOptions) {
    this.#kv = kv
    this.#clock = clock
    this.#changeRingEntries = changeRingEntries
    this.#isOpen = isOpen
  }

  /** Reads one volume consistently. @throws VOLUME_NOT_FOUND */
  read<T>(volume: VolumeHandle, fn: (view: VolumeView) => T): Promise<T> {
    const prefix = volumePrefix(volume.tenant, volume.id)
    return this.#kv.read((snapshot) => {
      this.#volume(snapshot, volume, prefix)
      return fn(new VolumeView(snapshot, prefix))
    })
  }

  /** Changes one volume in one durable step. @throws VOLUME_NOT_FOUND, QUOTA_EXCEEDED, and what `fn` throws */
  transact<T>(volume: VolumeHandle, principal: string, fn: (t: VolumeTransaction) => T, options?: TransactOptions): Promise<T> {
    const prefix = volumePrefix(volume.tenant, volume.id)
    return this.transactSystem((tx, onAppend) => {
      const { policy } = this.#volume(tx, volume, prefix)
      const changes = { ringEntries: this.#changeRingEntries, onAppend }
      const t = new VolumeTransaction(tx, prefix, {
        volumeName: volume.name,
        policy,
        principal,
        nowNs: this.#clock.nowNs(),
        changes,
        isOpen: this.#isOpen,
      })
      const result = fn(t)
      t.finish()
      return result
    }, options)
  }

  /** Reads what belongs to no single volume. */
  readSystem<T>(fn: (snapshot: Snapshot) => T): Promise<T> {
    return this.#kv.read(fn)
  }

  /** Changes what belongs to no single volume. `onAppend` must be called for each change to the feed. */
  async transactSystem<T>(fn: (tx: Transaction, onAppend: () => void) => T, options?: TransactOptions): Promise<T> {
    let hasChanges = false
    const result = await this.#kv.transact(
      (tx) =>
        fn(tx, () => {
          hasChanges = true
        }),
      options,
    )
    if (hasChanges) for (const tell of this.#followers) tell()
    return result
  }

  /** One moment of everything, for a check. */
  openSnapshot(): Promise<LongSnapshot> {
    return this.#kv.openSnapshot()
  }

  /** Mends something in one durable step. */
  repair(principal: string, mend: (repair: Repair) => void): Promise<void> {
    return this.transactSystem(
      (tx, onAppend) => {
        const changes = { ringEntries: this.#changeRingEntries, onAppend }
        const repair = new Repair(tx, { nowNs: this.#clock.nowNs(), principal, changes })
        mend(repair)
        repair.finish()
      },
      { frees: true },
    )
  }

  /** Tells the feed of a change to a volume itself. */
  reportVolume(tx: Transaction, change: ChangeFields & { volume: string; principal: string }, onAppend: () => void): void {
    appendChange(tx, { ...change, timeNs: this.#clock.nowNs() }, { ringEntries: this.#changeRingEntries, onAppend })
  }

  /** Calls `tell` after each commit that the change feed shows, until the returned function is called. */
  onChange(tell: () => void): () => void {
    this.#followers.add(tell)
    return () => this.#followers.delete(tell)
  }

  /** The volume's record; parsed again only when its row has changed. */
  #volume(snapshot: Snapshot, volume: VolumeHandle, prefix: KeyPrefix): VolumeRecord {
    const row = snapshot.get(policyKey(prefix))
    if (row === undefined) {
      this.#volumes.delete(volume.id)
      throw volumeNotFound(volume.name)
    }
    const known = this.#volumes.get(volume.id)
    if (known !== undefined && known.row.equals(row)) return known.record
    const record = decodeVolume(row)
    this.#volumes.set(volume.id, { row: Buffer.from(row), record })
    return record
  }
}
