import type { ChunkStore } from '#chunk/store.ts'
import { FETCHED_ROWS, fetchedKey, readFetchedKey } from '#eventual/keys.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'

export interface FetchedChunksOptions {
  /** Where this node keeps which chunks these are. */
  readonly store: KeyValueStore
  /** This node's chunks, those too that versions here have. */
  readonly chunks: Pick<ChunkStore, 'forget'>
  readonly maxBytes: number
  /** Whether everybody has the chunk who shall, and this node needn't. */
  readonly isDispensable: (id: ChunkId, className: string) => Promise<boolean>
  readonly isPinned: (id: ChunkId) => boolean
  readonly clock: Clock
  readonly log: Log
}

interface Fetched {
  readonly className: string
  readonly bytes: number
  /** Who has written it since keeps it. */
  readonly sinceMs: number
}

/** Chunks looked at in one go which can't be let go of: others have to have them first. */
const REFUSALS_MAX = 64

/** Chunks that are on this node only because somebody has read them here. There are no more bytes of them than `maxBytes`, for long: those that
 *  were not read for the longest time go first. */
export class FetchedChunks {
  readonly #options: FetchedChunksOptions
  /** The one that was read last comes last. */
  readonly #fetched = new Map<ChunkId, Fetched>()
  #bytes = 0
  #evicting: Promise<void> | undefined
  #stopped = false

  constructor(options: FetchedChunksOptions) {
    this.#options = options
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Takes up what an earlier life has fetched. */
  async open(): Promise<void> {
    for await (const { key, value } of this.#options.store.range(FETCHED_ROWS)) {
      const { className, bytes, sinceMs } = JSON.parse(value.toString('utf8')) as Fetched
      this.#add(readFetchedKey(key), { className, bytes, sinceMs })
    }
    this.#evict()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#evicting
  }

  /** A chunk was fetched, and is on this node now. */
  async note(id: ChunkId, { className, bytes }: Pick<Fetched, 'className' | 'bytes'>): Promise<void> {
    const fetched = { className, bytes, sinceMs: this.#options.clock.nowMs() + 1 }
    await this.#options.store.transact((transaction) =>
      transaction.put(fetchedKey(id), Buffer.from(JSON.stringify(fetched), 'utf8')),
    )
    this.#add(id, fetched)
    this.#evict()
  }

  /** It was read again. */
  touch(id: ChunkId): void {
    const fetched = this.#fetched.get(id)
    if (fetched === undefined) return
    this.#fetched.delete(id)
    this.#fetched.set(id, fetched)
  }

  /** It is on this node for another reason, too. */
  async keep(id: ChunkId): Promise<void> {
    const fetched = this.#fetched.get(id)
    if (fetched === undefined) return
    this.#fetched.delete(id)
    this.#bytes -= fetched.bytes
    await this.#options.store.transact((transaction) => transaction.delete(fetchedKey(id)), { frees: true })
  }

  #add(id: ChunkId, fetched: Fetched): void {
    this.#bytes += fetched.bytes - (this.#fetched.get(id)?.bytes ?? 0)
    this.#fetched.delete(id)
    this.#fetched.set(id, fetched)
  }

  #evict(): void {
    if (this.#stopped || this.#evicting !== undefined || this.#bytes <= this.#options.maxBytes) return
    this.#evicting = this.#evictAll().finally(() => {
      this.#evicting = undefined
    })
  }

  async #evictAll(): Promise<void> {
    const { maxBytes, log } = this.#options
    let refusals = 0
    for (const [id, fetched] of this.#fetched) {
      if (this.#stopped || this.#bytes <= maxBytes || refusals >= REFUSALS_MAX) return
      try {
        if (!(await this.#letGo(id, fetched))) refusals += 1
      } catch (error) {
        if (!isShoalError(error)) throw error
        refusals += 1
        log.debug('a chunk that was only read here stays for now', { chunk: id, code: error.code })
      }
    }
  }

  /** False if it has to stay for now. */
  async #letGo(id: ChunkId, { className, sinceMs }: Fetched): Promise<boolean> {
    const { chunks, isDispensable, isPinned } = this.#options
    if (isPinned(id) || !(await isDispensable(id, className))) {
      this.touch(id)
      return false
    }
    // No turn of the event loop lies between the look at the pins and the store's own check.
    if (isPinned(id)) return false
    await chunks.forget(id, { untouchedSinceMs: sinceMs })
    await this.keep(id)
    return true
  }
}
