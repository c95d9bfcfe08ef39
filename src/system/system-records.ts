import type { KeyValueStore, Snapshot } from '#kv/store.ts'
import { LayoutCache, SYSTEM_ROWS, readRows, rowsOf } from './system-rows.ts'
import { EMPTY_VIEW } from './system-view.ts'
import type { SystemEdit, SystemSource, SystemView } from './system-view.ts'

/** The cluster's own records in the key-value store, all of them held in memory too.
 *
 *  Where others may write to the same store (a replica of it), `refresh` takes over what they wrote. */
export class SystemRecords implements SystemSource {
  readonly #kv: KeyValueStore
  readonly #layouts = new LayoutCache()
  readonly #listeners = new Set<(view: SystemView) => void>()
  #view: SystemView = EMPTY_VIEW

  /** Those that are in `kv`. @throws DATA_FORMAT, UNAVAILABLE */
  static async open(kv: KeyValueStore): Promise<SystemRecords> {
    const records = new SystemRecords(kv)
    await records.refresh()
    return records
  }

  /** None, until `refresh`: for a store that can't be read yet. */
  constructor(kv: KeyValueStore) {
    this.#kv = kv
  }

  get view(): SystemView {
    return this.#view
  }

  onChange(listener: (view: SystemView) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Writes what `edit` makes of the records as they are in its transaction; nothing if it is `undefined`. `edit` is pure.
   *  @returns the records afterwards
   *  @throws what `edit` throws; what `KeyValueStore.transact` throws */
  async change(edit: (view: SystemView) => SystemEdit | undefined): Promise<SystemView> {
    const after = await this.#kv.transact((tx) => {
      const before = this.#read(tx)
      const made = edit(before)
      if (made === undefined) return before
      for (const { key, value } of rowsOf(made, before.version + 1)) {
        if (value === undefined) tx.delete(key)
        else tx.put(key, value)
      }
      return this.#read(tx)
    })
    this.#adopt(after)
    return after
  }

  /** Takes over what others have written to the store. @throws DATA_FORMAT, UNAVAILABLE */
  async refresh(): Promise<void> {
    this.#adopt(await this.#kv.read((snapshot) => this.#read(snapshot)))
  }

  #read(snapshot: Snapshot): SystemView {
    return readRows(snapshot.range(SYSTEM_ROWS), this.#layouts.decode)
  }

  #adopt(view: SystemView): void {
    if (view.version <= this.#view.version) return
    this.#view = view
    for (const listener of this.#listeners) listener(view)
  }
}
