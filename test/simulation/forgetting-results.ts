import type { KeyValueStore, Snapshot } from '#kv/store.ts'
import { KIND } from '#metadata/keys.ts'
import { replacing } from './defects.ts'

/** Rows of results are written and never found. */
export function forgettingResults(kv: KeyValueStore): KeyValueStore {
  const blind = <S extends Snapshot>(snapshot: S): S =>
    replacing<Snapshot>(snapshot, {
      get: (key) => (key[8] === KIND.remembered ? undefined : snapshot.get(key)),
      getDecoded: (key, decode) => (key[8] === KIND.remembered ? undefined : snapshot.getDecoded(key, decode)),
    }) as S
  return replacing<KeyValueStore>(kv, {
    read: (fn) => kv.read((snapshot) => fn(blind(snapshot))),
    transact: (fn, options) => kv.transact((tx) => fn(blind(tx)), options),
  })
}
