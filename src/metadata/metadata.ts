import type { KeyValueStore, LongSnapshot, Snapshot, Transaction, TransactOptions } from '#kv/store.ts'
import type { Clock } from '#platform/clock.ts'
import { appendChange, type ChangeFields } from './change-feed.ts'
import { ChangeGroup } from './change-group.ts'
import { ChangeQueue } from './change-queue.ts'
import { type KeyPrefix, policyKey, volumePrefix } from './keys.ts'
import { Repair } from './repair.ts'
import { type IsOpen, type VolumeTransaction, VolumeView } from './transaction.ts'
import type { VolumeHandle } from './volume-handle.ts'
import { decodeVolume, volumeNotFound, type VolumeRecord } from './volumes.ts'

export type { VolumeHandle } from './volume-handle.ts'

export interface MetadataOptions {
  readonly kv: KeyValueStore
  readonly clock: Clock
  /** How many changes the feed keeps at least. */
  readonly changeRingEntries: number
  /** Tables of extents that somebody is reading are not changed in place. */
  readonly isOpen: IsOpen
}

/** Runs the namespace's operations (the functions in this folder) in transactions of the key-value store. */
export class Metadata {
  readonly #kv: KeyValueStore
  readonly #clock: Clock
  readonly #changeRingEntries: number
  readonly #isOpen: IsOpen
  readonly #queue: ChangeQueue
  readonly #followers = new Set<() => void>()
  /** Of volumes that are in use: each read needs them. */
  readonly #keys = new WeakMap<VolumeHandle, { readonly prefix: KeyPrefix; readonly policy: Buffer }>()

  constructor({ kv, clock, changeRingEntries, isOpen }: MetadataOptions) {
    this.#kv = kv
    this.#clock = clock
    this.#changeRingEntries = changeRingEntries
    this.#isOpen = isOpen
    this.#queue = new ChangeQueue({ kv, begin: (tx) => this.#begin(tx), onReported: () => this.#tellFollowers() })
  }

  /** Reads one volume consistently. @throws VOLUME_NOT_FOUND */
  read<T>(volume: VolumeHandle, fn: (view: VolumeView) => T): Promise<T> {
    return this.#kv.read((snapshot) => {
      const { prefix } = this.#volume(snapshot, volume)
      return fn(new VolumeView(snapshot, prefix))
    })
  }

  /** Changes one volume in one durable step. Changes of one turn of the event loop share a transaction and its time, but for
   *  those that free room; each still takes effect or fails by itself, in the order of the calls.
   *  @throws VOLUME_NOT_FOUND, QUOTA_EXCEEDED, and what `fn` throws */
  transact<T>(volume: VolumeHandle, principal: string, fn: (t: VolumeTransaction) => T, options?: TransactOptions): Promise<T> {
    if (options?.frees === true) return this.#queue.runAlone({ volume, principal, fn }, options)
    return this.#queue.add(volume, principal, fn)
  }

  /** As the store's: whoever is told so and then reads sees what there will be until then. */
  promiseQuiet(): number {
    return this.#kv.promiseQuiet?.() ?? 0
  }

  /** Reads what belongs to no single volume. */
  readSystem<T>(fn: (snapshot: Snapshot) => T): Promise<T> {
    return this.#kv.read(fn)
  }

  /** Changes what belongs to no single volume. `onAppend` must be called for each change to the feed. */
  async transactSystem<T>(fn: (tx: Transaction, onAppend: () => void) => T, options?: TransactOptions): Promise<T> {
    this.#queue.flush()
    let hasChanges = false
    const result = await this.#kv.transact(
      (tx) =>
        fn(tx, () => {
          hasChanges = true
        }),
      options,
    )
    if (hasChanges) this.#tellFollowers()
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
    const { volume, principal, ...fields } = change
    const origin = { volume, principal, timeNs: this.#clock.nowNs() }
    appendChange(tx, { change: fields, origin }, { ringEntries: this.#changeRingEntries, onAppend })
  }

  /** Calls `tell` after each commit that the change feed shows, until the returned function is called. */
  onChange(tell: () => void): () => void {
    this.#followers.add(tell)
    return () => this.#followers.delete(tell)
  }

  #tellFollowers(): void {
    for (const tell of this.#followers) tell()
  }

  #begin(tx: Transaction): ChangeGroup {
    return new ChangeGroup(tx, {
      nowNs: this.#clock.nowNs(),
      ringEntries: this.#changeRingEntries,
      isOpen: this.#isOpen,
      find: (snapshot, volume) => {
        const { prefix, record } = this.#volume(snapshot, volume)
        return { prefix, policy: record.policy }
      },
    })
  }

  #volume(snapshot: Snapshot, volume: VolumeHandle): { readonly prefix: KeyPrefix; readonly record: VolumeRecord } {
    let keys = this.#keys.get(volume)
    if (keys === undefined) {
      const prefix = volumePrefix(volume.tenant, volume.id)
      keys = { prefix, policy: policyKey(prefix) }
      this.#keys.set(volume, keys)
    }
    const record = snapshot.getDecoded(keys.policy, decodeVolume)
    if (record === undefined) throw volumeNotFound(volume.name)
    return { prefix: keys.prefix, record }
  }
}
