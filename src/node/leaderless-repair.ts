import { eachUsedChunk, usedChunks } from '#eventual/chunk-uses.ts'
import type { Replica } from '#eventual/replica.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { ChunkPeers } from '#replication/peers.ts'
import { classOf, layoutName } from '#system/system-view.ts'
import type { SystemView } from '#system/system-view.ts'
import { repeat } from './repeat.ts'

export interface LeaderlessRepairOptions {
  readonly replica: Pick<Replica, 'store' | 'table' | 'node'>
  readonly peers: ChunkPeers
  /** Other nodes that run. */
  readonly running: () => readonly NodeId[]
  readonly view: () => SystemView
  /** Whether nobody can be reached who leads, and has the tracker work. */
  readonly isLeaderless: () => boolean
  readonly clock: Clock
  readonly log: Log
}

const INTERVAL_MS = 30_000
const CALL_MS = 10_000
const COPY_MS = 60_000
const PAGE = 256

/** Brings chunks of eventual volumes where their class has them, while there is nobody who leads. Each node looks after the partitions of which it
 *  is the first holder that runs, so that as a rule one node alone copies a chunk; two do no harm. Nothing is removed: only who leads knows what
 *  strong volumes have. */
export class LeaderlessRepair {
  readonly #options: LeaderlessRepairOptions
  readonly #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: LeaderlessRepairOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, log, isLeaderless } = this.#options
    this.#running = repeat({ clock, log, signal: this.#stopping.signal, intervalMs: INTERVAL_MS }, async () => {
      if (isLeaderless()) await this.repairAll()
    })
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  /** Goes once through all chunks. @returns how many copies were made */
  async repairAll(): Promise<number> {
    let copies = 0
    let page: ChunkId[] = []
    const work = async () => {
      copies += await this.#repairPage(page)
      page = []
    }
    for await (const id of eachUsedChunk(this.#options.replica)) {
      if (this.#stopping.signal.aborted) return copies
      page.push(id)
      if (page.length === PAGE) await work()
    }
    await work()
    return copies
  }

  async #repairPage(ids: readonly ChunkId[]): Promise<number> {
    const { replica, view, log } = this.#options
    let copies = 0
    for (const [id, classes] of await usedChunks(replica, ids)) {
      for (const className of classes) {
        const pair = view().layouts.get(layoutName(classOf(view(), className)))
        if (pair === undefined || this.#stopping.signal.aborted) continue
        try {
          copies += await this.#repair(id, pair.next.holders(id))
        } catch (error) {
          if (!isShoalError(error)) throw error
          log.debug('a chunk could not be copied without a leader', { chunk: id, code: error.code })
        }
      }
    }
    return copies
  }

  async #repair(id: ChunkId, holders: readonly NodeId[]): Promise<number> {
    const { replica, peers, running } = this.#options
    const up = new Set([replica.node, ...running()])
    const reachable = holders.filter((node) => up.has(node))
    if (reachable[0] !== replica.node) return 0
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(CALL_MS)])
    const places = await Promise.all(reachable.map(async (node) => ({ node, info: await peers.store(node).locate(id, signal) })))
    const missing = places.filter(({ info }) => info === undefined)
    if (missing.length === 0) return 0
    const source = places.find(({ info }) => info !== undefined) ?? (await this.#findElsewhere(id, up))
    if (source?.info === undefined) return 0
    let copies = 0
    for (const { node } of missing) {
      const { sizeBytes } = source.info
      const copying = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(COPY_MS)])
      if ((await peers.store(node).pull(id, { from: source.node, sizeBytes, signal: copying })) === 'stored') copies += 1
    }
    return copies
  }

  /** The first copy may be on whichever node took the write. */
  async #findElsewhere(id: ChunkId, up: ReadonlySet<NodeId>) {
    const { peers } = this.#options
    for (const node of up) {
      const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(CALL_MS)])
      const info = await peers
        .store(node)
        .locate(id, signal)
        .catch(() => undefined)
      if (info !== undefined) return { node, info }
    }
    return undefined
  }
}
