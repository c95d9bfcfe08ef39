import type { VolumeId } from '#foundation/ids.ts'
import type { Transaction } from '#kv/store.ts'
import { TransactionChanges } from './change-feed.ts'
import type { KeyPrefix } from './keys.ts'
import type { VolumePolicy } from './policy.ts'
import { type IsOpen, VolumeTransaction } from './transaction.ts'
import type { VolumeHandle } from './volume-handle.ts'

export interface GroupSetting {
  readonly nowNs: bigint
  readonly ringEntries: number
  readonly isOpen: IsOpen
  /** @throws VOLUME_NOT_FOUND */
  readonly find: (tx: Transaction, volume: VolumeHandle) => { readonly prefix: KeyPrefix; readonly policy: VolumePolicy }
}

/** One transaction of the store with changes that know nothing of each other: each takes effect as a whole or not at all,
 *  and what all of them touch (counters, the number of the next change, directories) is read and written once. */
export class ChangeGroup {
  readonly #tx: Transaction
  readonly #setting: GroupSetting
  readonly #changes: TransactionChanges
  readonly #opened = new Map<VolumeId, VolumeTransaction>()

  constructor(tx: Transaction, setting: GroupSetting) {
    this.#tx = tx
    this.#setting = setting
    this.#changes = new TransactionChanges(tx, setting.ringEntries)
  }

  /** Whether the change feed shows any of it. */
  get isReported(): boolean {
    return this.#changes.count > 0
  }

  /** Runs one change. @throws VOLUME_NOT_FOUND, QUOTA_EXCEEDED, and what `fn` throws; nothing of it stays then */
  run<T>(volume: VolumeHandle, principal: string, fn: (t: VolumeTransaction) => T): T {
    const { count } = this.#changes
    try {
      return this.#open(volume).run(principal, fn)
    } catch (error) {
      this.#changes.rewind(count)
      throw error
    }
  }

  /** The last call. */
  finish(): void {
    // A part of its own: what the changes wrote doesn't count against its limit.
    this.#tx.attempt(() => {
      for (const opened of this.#opened.values()) opened.finish()
      this.#changes.finish()
    })
  }

  #open(volume: VolumeHandle): VolumeTransaction {
    const known = this.#opened.get(volume.id)
    if (known !== undefined) return known
    const { nowNs, isOpen, find } = this.#setting
    const { prefix, policy } = find(this.#tx, volume)
    const setting = { volumeName: volume.name, policy, principal: '', nowNs, changes: this.#changes, isOpen }
    const opened = new VolumeTransaction(this.#tx, prefix, setting)
    this.#opened.set(volume.id, opened)
    return opened
  }
}
