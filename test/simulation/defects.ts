import type { ChunkStore } from '#chunk/store.ts'
import type { SharedLog } from '#sharedlog/log.ts'
import type { MemoryLogClient } from '#sharedlog/memory.ts'

/** Planted mistakes, each of which must be found. */
export interface Defects {
  /** Something between a node and the log. */
  readonly log?: (log: MemoryLogClient) => SharedLog
  /** Something between a node and its chunks. */
  readonly store?: (store: ChunkStore) => ChunkStore
  /** Disks say that they have flushed, and haven't. */
  readonly isForgetful?: boolean
  /** Nodes that don't lead answer with what they have, without asking the log. */
  readonly isStale?: boolean
  /** Nodes that don't lead read their copies without asking whether these are up to date. */
  readonly isUnconfirmed?: boolean
  /** Nodes that don't lead rely for longer on what the leader has promised. */
  readonly isTooTrusting?: boolean
  /** Results of changes are not remembered. */
  readonly isForgettingResults?: boolean
  /** What was sent when a connection broke is sent again, whatever it asks for. */
  readonly isRepeated?: boolean
  /** A node whose storage has failed goes on to lead. */
  readonly isStubborn?: boolean
  /** A chunk is acknowledged as soon as one copy is durable, whatever its class promises. */
  readonly isHasty?: boolean
}

/** The same object with some of its methods replaced. */
export function replacing<T extends object>(original: T, replaced: Partial<T>): T {
  return new Proxy(original, {
    get: (target, name) => {
      if (name in replaced) return Reflect.get(replaced, name) as unknown
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
