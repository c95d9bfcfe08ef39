import type { Content } from '#eventual/entry.ts'
import type { Replica } from '#eventual/replica.ts'
import type { EventualVolumes } from '#eventual/volumes.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { extentsOf } from '#volume/eventual-contents.ts'
import type { EventualChunks } from './eventual-chunks.ts'

export interface KeepEverywhereOptions {
  readonly replica: Replica
  readonly definitions: Pick<EventualVolumes, 'list' | 'open'>
  readonly local: Pick<ChunkStore, 'locate'>
  readonly chunks: Pick<EventualChunks, 'read' | 'keep'>
  readonly clock: Clock
  readonly log: Log
}

const INTERVAL_MS = 1_000

/** Fetches what volumes that are kept everywhere have and this node hasn't. It looks again only once any entry has changed, or something
 *  could not be had. */
export class KeepEverywhere {
  readonly #options: KeepEverywhereOptions
  readonly #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #complete: Buffer | undefined

  constructor(options: KeepEverywhereOptions) {
    this.#options = options
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  /** Looks once through everything. */
  async fetchAll(): Promise<void> {
    const { replica, definitions } = this.#options
    const root = await replica.store.read((snapshot) => replica.table.tree.root(snapshot))
    if (this.#complete?.equals(root) === true) return
    let missing = 0
    for (const { name, policy } of await definitions.list())
      if (policy.keepEverywhere) missing += await this.#fetchVolume(name, policy.class)
    this.#complete = missing === 0 ? root : undefined
  }

  /** @returns how many chunks could not be had */
  async #fetchVolume(name: string, className: string): Promise<number> {
    const namespace = await this.#options.definitions.open(name)
    let missing = 0
    for (let cursor: string | undefined; ;) {
      const { items, next } = await namespace.list(cursor === undefined ? {} : { cursor })
      for (const item of items) {
        const content = 'entry' in item ? item.entry.value.content : undefined
        if (content === undefined || content.kind === 'inline') continue
        missing += await this.#fetchContent(content, className)
      }
      if (next === undefined || this.#stopping.signal.aborted) return missing
      cursor = next
    }
  }

  async #fetchContent(content: Content, className: string): Promise<number> {
    let missing = 0
    if (content.kind === 'inline') return missing
    for (const { chunk } of content.extents) if (!(await this.#fetch(chunk, className))) missing += 1
    if (content.kind !== 'manifest' || missing > 0) return missing
    const read = (id: ChunkId) => this.#options.chunks.read(id, { className })
    for (const { chunk } of await extentsOf({ read }, content)) if (!(await this.#fetch(chunk, className))) missing += 1
    return missing
  }

  async #fetch(chunk: ChunkId, className: string): Promise<boolean> {
    const { local, chunks, log } = this.#options
    if (this.#stopping.signal.aborted) return false
    try {
      if ((await local.locate(chunk)) === undefined) await chunks.read(chunk, { className })
      await chunks.keep(chunk)
      return true
    } catch (error) {
      if (!isShoalError(error)) throw error
      log.debug('a chunk that is to be on every node could not be had yet', { chunk, code: error.code })
      return false
    }
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await clock.sleep(INTERVAL_MS, signal)
        await this.fetchAll()
      } catch (error) {
        if (!isShoalError(error)) throw error
        if (error.code !== 'CANCELLED') log.warn('what is to be on every node is not fetched for now', { error })
      }
    }
  }
}
