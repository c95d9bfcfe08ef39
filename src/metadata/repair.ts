import type { Transaction } from '#kv/store.ts'
import { appendChange, type ChangeLog, type ChangeSettings } from './change-feed.ts'
import type { KeyPrefix } from './keys.ts'
import { VolumeTransaction } from './transaction.ts'
import type { VolumeRecord } from './volumes.ts'

export interface RepairSetting {
  readonly nowNs: bigint
  readonly principal: string
  readonly changes: ChangeSettings
}

/** One transaction that mends something, in any volume and beside them. Quotas don't hold it up. */
export class Repair {
  readonly tx: Transaction
  readonly nowMs: number
  readonly nowNs: bigint
  readonly #setting: RepairSetting
  readonly #opened: VolumeTransaction[] = []
  /** Each change by itself: a repair may set the counter of changes. */
  readonly #changes: ChangeLog = {
    append: (change, origin) => appendChange(this.tx, { change, origin }, this.#setting.changes),
  }

  constructor(tx: Transaction, setting: RepairSetting) {
    this.tx = tx
    this.nowNs = setting.nowNs
    this.nowMs = Number(setting.nowNs / 1_000_000n)
    this.#setting = setting
  }

  /** The volume inside this transaction. */
  open(prefix: KeyPrefix, record: Pick<VolumeRecord, 'name' | 'policy'>): VolumeTransaction {
    const policy = { ...record.policy, quotaBytes: undefined, quotaFiles: undefined }
    const { principal, nowNs } = this.#setting
    const setting = { principal, nowNs, volumeName: record.name, policy, changes: this.#changes }
    const opened = new VolumeTransaction(this.tx, prefix, setting)
    this.#opened.push(opened)
    return opened
  }

  /** The last call. */
  finish(): void {
    for (const opened of this.#opened) opened.finish()
  }
}
