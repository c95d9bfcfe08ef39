import type { ChunkStore } from '#chunk/store.ts'
import type { KeyValueStore } from '#kv/store.ts'

/** What happens in the middle of others' work, at moments that a test chooses. */
export interface ChunkHooks {
  beforeRead?: () => Promise<void>
  afterWrite?: () => Promise<void>
  afterForget?: () => Promise<void>
}

/** The same store; `hooks` may be changed at any time. A hook is taken out before it runs, so that it runs once. */
export function hookedChunks(chunks: ChunkStore, hooks: ChunkHooks): ChunkStore {
  const fire = async (name: keyof ChunkHooks): Promise<void> => {
    const hook = hooks[name]
    delete hooks[name]
    await hook?.()
  }
  return {
    async write(id, bytes) {
      await chunks.write(id, bytes)
      await fire('afterWrite')
    },
    async read(id, range) {
      await fire('beforeRead')
      return chunks.read(id, range)
    },
    async forget(id, options) {
      const forgotten = await chunks.forget(id, options)
      await fire('afterForget')
      return forgotten
    },
    locate: (id) => chunks.locate(id),
    verify: (id) => chunks.verify(id),
    list: (from) => chunks.list(from),
    usage: () => chunks.usage(),
    close: () => chunks.close(),
  }
}

export interface Power {
  /** How many more transactions are let through. */
  transactions: number
}

export class PowerFailure extends Error {
  override readonly name = 'PowerFailure'
}

/** The same store, until `power` runs out: then nothing more is changed through it, as if the process had died. */
export function poweredStore(kv: KeyValueStore, power: Power): KeyValueStore {
  return {
    get: (key) => kv.get(key),
    read: (fn) => kv.read(fn),
    range: (options) => kv.range(options),
    openSnapshot: () => kv.openSnapshot(),
    close: () => kv.close(),
    async transact(fn) {
      if (power.transactions <= 0) throw new PowerFailure('The power is gone')
      power.transactions -= 1
      return kv.transact(fn)
    },
  }
}
