import type { ChunkStore } from '#chunk/store.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { KeyValueStore } from '#kv/store.ts'

/** The same store with another way of changing it. */
export function withTransact(store: KeyValueStore, transact: KeyValueStore['transact']): KeyValueStore {
  return {
    transact,
    get: (key) => store.get(key),
    read: (fn) => store.read(fn),
    openSnapshot: () => store.openSnapshot(),
    range: (options) => store.range(options),
    promiseQuiet: () => store.promiseQuiet?.() ?? 0,
    close: () => store.close(),
  }
}

/** The same store with another way of writing chunks. */
export function withWrite(store: ChunkStore, write: ChunkStore['write']): ChunkStore {
  return {
    write,
    read: (...args) => store.read(...args),
    locate: (id) => store.locate(id),
    forget: (id, options) => store.forget(id, options),
    verify: (id) => store.verify(id),
    list: (from) => store.list(from),
    usage: () => store.usage(),
    close: () => store.close(),
  }
}

/** The same store, which forgets no chunk that `isUsed`. */
export function withForget(store: ChunkStore, isUsed: (id: ChunkId) => Promise<boolean>): ChunkStore {
  return {
    ...withWrite(store, (...args) => store.write(...args)),
    async forget(id, options) {
      return !(await isUsed(id)) && store.forget(id, options)
    },
  }
}
