import type { ChunkInfo, ChunkStore, ChunkUsage } from '#chunk/store.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { LayoutPair } from '#placement/layout-pair.ts'
import type { Clock } from '#platform/clock.ts'
import { Alarms } from './alarms.ts'
import { CopySearch } from './copy-search.ts'
import { STAND_INS_MAX } from './copy-targets.ts'
import { limitedCall } from './limited-call.ts'
import { mergedList } from './merged-list.ts'
import type { PageSource } from './merged-list.ts'
import type { ChunkPeers } from './peers.ts'

export interface EveryCopyOptions {
  readonly peers: ChunkPeers
  /** The layouts of all classes. */
  readonly layouts: () => readonly LayoutPair[]
  readonly clock: Clock
  readonly log: Log
  /** How long a node has for an answer. */
  readonly callMs: number
}

/** All copies of the chunks of all classes, for what removes chunks, checks and counts them. What `forget`, `list` and `usage` can't ask
 *  they leave out: what such a node has is found again when it is back. */
export class EveryCopy implements Omit<ChunkStore, 'read' | 'write' | 'close'> {
  readonly #options: EveryCopyOptions
  readonly #alarms: Alarms

  constructor(options: EveryCopyOptions) {
    this.#options = options
    this.#alarms = new Alarms(options.clock)
  }

  /** Removes the copies wherever one may be, also those that stand in for others. True if there were some, and none is left on
   *  the nodes that answered. One that was touched keeps the others too: whoever repairs chunks would give them back, touched anew. */
  async forget(id: ChunkId, options: { untouchedSinceMs?: number } = {}): Promise<boolean> {
    const { peers } = this.#options
    const search = this.#search()
    const nodes = this.#nodesOf(id)
    if (options.untouchedSinceMs !== undefined) {
      const found = await search.locateAt(id, nodes)
      const touchedAtMs = found.map((answer) => (answer.error === undefined ? (answer.value?.touchedAtMs ?? 0) : 0))
      if (Math.max(...touchedAtMs) >= options.untouchedSinceMs) return false
    }
    const answers = await search.ask(nodes, (node, signal) => peers.store(node).forget(id, { ...options, signal }))
    const told = answers.flatMap((answer) => (answer.error === undefined ? [answer] : []))
    if (!told.some(({ value }) => value)) return false
    if (options.untouchedSinceMs === undefined) return true
    const rest = told.filter(({ value }) => !value).map(({ node }) => node)
    const kept = await search.locateAt(id, rest)
    return kept.every((answer) => answer.error !== undefined || answer.value === undefined)
  }

  /** @throws UNAVAILABLE if no copy is found, and a node can't be asked that may have one */
  async locate(id: ChunkId): Promise<ChunkInfo | undefined> {
    const answers = await this.#search().locateAt(id, this.#nodesOf(id))
    const found = answers.flatMap((answer) => (answer.error === undefined ? (answer.value ?? []) : []))
    const silent = answers.find((answer) => answer.error !== undefined)
    if (found.length === 0 && silent !== undefined) throw unavailable(id, silent.error)
    return found[0]
  }

  /** `intact` if one copy is. @throws UNAVAILABLE if none is, and a node can't be asked that may have one */
  async verify(id: ChunkId): Promise<'intact' | 'corrupt' | 'missing'> {
    const { peers } = this.#options
    const answers = await this.#search().ask(this.#nodesOf(id), (node, signal) => peers.store(node).verify(id, signal))
    const found = new Set(answers.map((answer) => (answer.error === undefined ? answer.value : answer.error)))
    if (found.has('intact')) return 'intact'
    const silent = answers.find((answer) => answer.error !== undefined)
    if (silent !== undefined) throw unavailable(id, silent.error)
    return found.has('corrupt') ? 'corrupt' : 'missing'
  }

  async *list(from?: ChunkId): AsyncIterableIterator<ChunkInfo> {
    yield* mergedList(
      this.#nodes().map((node) => this.#pagesOf(node)),
      from,
    )
  }

  /** Sums of all copies. */
  async usage(): Promise<ChunkUsage> {
    const { peers } = this.#options
    const answers = await this.#search().ask(this.#nodes(), (node, signal) => peers.store(node).usage(signal))
    const usages = answers.flatMap((answer) => (answer.error === undefined ? [answer.value] : []))
    const sum = (of: (usage: ChunkUsage) => number): number => usages.reduce((total, usage) => total + of(usage), 0)
    const isKnown = usages.every(({ capacityBytes, freeBytes }) => capacityBytes !== undefined && freeBytes !== undefined)
    return {
      chunks: sum(({ chunks }) => chunks),
      liveBytes: sum(({ liveBytes }) => liveBytes),
      storedBytes: sum(({ storedBytes }) => storedBytes),
      capacityBytes: isKnown ? sum(({ capacityBytes = 0 }) => capacityBytes) : undefined,
      freeBytes: isKnown ? sum(({ freeBytes = 0 }) => freeBytes) : undefined,
    }
  }

  /** What a node has, or nothing from the moment on that it doesn't answer. */
  #pagesOf(node: NodeId): PageSource {
    const { peers, callMs, log } = this.#options
    let isSilent = false
    return async (from, limit) => {
      if (isSilent) return []
      try {
        const within = { alarms: this.#alarms, limitMs: callMs }
        return await limitedCall(within, (signal) => peers.store(node).list({ from, limit, signal }))
      } catch (error) {
        if (node === peers.self) throw error
        isSilent = true
        log.warn('the chunks of a node could not be listed', { node, error })
        return []
      }
    }
  }

  #search(): CopySearch {
    const { clock, peers, callMs } = this.#options
    const layouts = (): LayoutPair => this.#options.layouts()[0] as LayoutPair
    return new CopySearch({ peers, layouts, clock, callMs })
  }

  /** All nodes that may have chunks. */
  #nodes(): NodeId[] {
    const layouts = this.#options.layouts().flatMap(({ next, previous }) => (previous === undefined ? [next] : [next, previous]))
    return [...new Set([this.#options.peers.self, ...layouts.flatMap(({ nodes }) => nodes.map(({ id }) => id))])]
  }

  /** Those that may have this chunk: holders, and who stands in for them. */
  #nodesOf(id: ChunkId): NodeId[] {
    const nodes = new Set([this.#options.peers.self])
    for (const pair of this.#options.layouts()) {
      for (const node of [...pair.readers(id), ...pair.next.candidates(id).slice(0, STAND_INS_MAX)]) nodes.add(node)
    }
    return [...nodes]
  }
}

function unavailable(id: ChunkId, cause: ShoalError | undefined): ShoalError {
  return new ShoalError('UNAVAILABLE', `A node that may hold chunk ${id} can't be asked now`, { details: { chunk: id }, cause })
}
