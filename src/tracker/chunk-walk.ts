import type { ChunkInfo } from '#chunk/store.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import type { Holders } from './ports.ts'

/** A chunk as the lists of the nodes have it. */
export interface ListedChunk {
  readonly id: ChunkId
  readonly sizeBytes: number
  /** When the latest of its copies was touched. */
  readonly touchedAtMs: number
  readonly nodes: readonly NodeId[]
}

export interface WalkBatch {
  /** In ascending order of id, each once. */
  readonly chunks: readonly ListedChunk[]
  /** Where the next one begins; `undefined` behind the last. */
  readonly next: ChunkId | undefined
  readonly answered: readonly NodeId[]
  /** Nodes whose chunks are not in the batch. */
  readonly silent: readonly NodeId[]
}

interface Page {
  readonly chunks: readonly ChunkInfo[]
  readonly isLast: boolean
  readonly listedAtMs: number
}

/** What was listed longer ago is listed anew: a slow walk shall not go by what was there yesterday. */
const PAGE_AGE_MS_MAX = 60_000

export interface ChunkWalkOptions {
  readonly holders: Pick<Holders, 'list'>
  readonly clock: Clock
  /** Where it begins; `undefined` for the first chunk. */
  readonly from: ChunkId | undefined
  /** Chunks in a batch, and in a page of one node. */
  readonly limit: number
}

/** Walks through the chunks of many nodes by ascending id, which is partition after partition. It keeps one page a node. */
export class ChunkWalk {
  readonly #options: ChunkWalkOptions
  readonly #pages = new Map<NodeId, Page>()
  #at: ChunkId | undefined

  constructor(options: ChunkWalkOptions) {
    this.#options = options
    this.#at = options.from
  }

  /** The next chunks that `nodes` have. A node that doesn't answer is left out of this batch, and asked again for the next. It stays
   *  where it is until `advance`. @throws CANCELLED */
  async peek(nodes: readonly NodeId[], signal: AbortSignal): Promise<WalkBatch> {
    const silent: NodeId[] = []
    await Promise.all(
      nodes.map(async (node) => {
        if (!(await this.#hasPage(node, signal))) silent.push(node)
      }),
    )
    signal.throwIfAborted()
    const answered = nodes.filter((node) => !silent.includes(node))
    return { ...this.#merge(answered), answered, silent }
  }

  advance(next: ChunkId): void {
    this.#at = next
  }

  async #hasPage(node: NodeId, signal: AbortSignal): Promise<boolean> {
    const { holders, limit, clock } = this.#options
    const page = this.#pages.get(node)
    const isFresh = page !== undefined && clock.monotonicMs() - page.listedAtMs < PAGE_AGE_MS_MAX
    const hasMore = page?.chunks.some(({ id }) => this.#at === undefined || id >= this.#at) ?? false
    if (isFresh && (hasMore || page.isLast)) return true
    try {
      const listedAtMs = clock.monotonicMs()
      const chunks = await holders.list(node, { from: this.#at, limit, signal })
      this.#pages.set(node, { chunks, isLast: chunks.length < limit, listedAtMs })
      return true
    } catch {
      this.#pages.delete(node)
      return false
    }
  }

  #merge(answered: readonly NodeId[]): Pick<WalkBatch, 'chunks' | 'next'> {
    const { limit } = this.#options
    const copies = new Map<ChunkId, { sizeBytes: number; touchedAtMs: number; nodes: NodeId[] }>()
    /** Beyond it some node may have chunks that its page doesn't show. */
    let horizon: ChunkId | undefined
    for (const node of answered) {
      const page = this.#pages.get(node)
      const last = page?.chunks.at(-1)?.id
      if (page?.isLast === false && last !== undefined && (horizon === undefined || last < horizon)) horizon = last
      for (const { id, sizeBytes, touchedAtMs } of page?.chunks ?? []) {
        if (this.#at !== undefined && id < this.#at) continue
        const copy = copies.get(id) ?? { sizeBytes, touchedAtMs, nodes: [] }
        copy.nodes.push(node)
        copy.touchedAtMs = Math.max(copy.touchedAtMs, touchedAtMs)
        copies.set(id, copy)
      }
    }
    const ids = [...copies.keys()].filter((id) => horizon === undefined || id <= horizon).toSorted()
    const taken = ids.slice(0, limit)
    const last = taken.at(-1)
    const isEnd = horizon === undefined && taken.length === ids.length
    const chunks = taken.map((id): ListedChunk => ({ id, ...(copies.get(id) as Omit<ListedChunk, 'id'>) }))
    return { chunks, next: isEnd || last === undefined ? undefined : successor(last) }
  }
}

/** The least id beyond `id`; `undefined` if there is none. */
function successor(id: ChunkId): ChunkId | undefined {
  const next = (BigInt(`0x${id}`) + 1n).toString(16).padStart(64, '0')
  return next.length > 64 ? undefined : (next as ChunkId)
}
