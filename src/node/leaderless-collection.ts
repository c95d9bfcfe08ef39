import type { ChunkInfo, ChunkStore } from '#chunk/store.ts'
import type { Replica } from '#eventual/replica.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { repeat } from './repeat.ts'

export interface LeaderlessCollectionOptions {
  readonly replica: Pick<Replica, 'isInTouch'>
  /** This node's chunks. What is in use it doesn't forget. */
  readonly chunks: Pick<ChunkStore, 'list' | 'forget'>
  /** Which chunks eventual volumes use here, or may come to. */
  readonly referenced: (ids: readonly ChunkId[]) => Promise<ReadonlyMap<ChunkId, unknown>>
  /** Whether nobody leads, nor ever will: then nobody has strong volumes, which alone could use what eventual ones don't. */
  readonly isForGood: () => boolean
  /** What was touched since may yet become part of a file. */
  readonly graceMs: number
  readonly intervalMs: number
  readonly clock: Clock
  readonly log: Log
}

const PAGE = 256

/** Gives back the space of chunks that no version has any more, where there is nobody who leads and never will be: each node for itself, since each
 *  has all entries. It needs to have heard from every member lately, so that it knows what they have. docs/adr/0028-space-without-a-leader.md */
export class LeaderlessCollection {
  readonly #options: LeaderlessCollectionOptions
  readonly #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: LeaderlessCollectionOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, log, intervalMs } = this.#options
    this.#running = repeat({ clock, log, signal: this.#stopping.signal, intervalMs }, () => this.collectAll())
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  /** Goes once through this node's chunks. @returns how many are gone */
  async collectAll(): Promise<number> {
    const { chunks, clock, graceMs, log } = this.#options
    const untouchedSinceMs = clock.nowMs() - graceMs
    let removed = 0
    let page: ChunkInfo[] = []
    for await (const chunk of chunks.list()) {
      if (chunk.touchedAtMs < untouchedSinceMs) page.push(chunk)
      if (page.length < PAGE) continue
      removed += await this.#collect(page, untouchedSinceMs)
      page = []
    }
    removed += await this.#collect(page, untouchedSinceMs)
    if (removed > 0) log.info('chunks that no version has any more were removed', { chunks: removed })
    return removed
  }

  async #collect(page: readonly ChunkInfo[], untouchedSinceMs: number): Promise<number> {
    const { replica, chunks, referenced, isForGood } = this.#options
    const used = await referenced(page.map(({ id }) => id))
    let removed = 0
    for (const { id } of page) {
      if (used.has(id)) continue
      // Asked last: what has become of it since the walk began, nobody says.
      if (this.#stopping.signal.aborted || !isForGood() || !replica.isInTouch) return removed
      if (await chunks.forget(id, { untouchedSinceMs })) removed += 1
    }
    return removed
  }
}
