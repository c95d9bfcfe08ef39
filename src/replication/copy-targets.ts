import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { LayoutPair } from '#placement/layout-pair.ts'
import type { ChunkPeers } from './peers.ts'

/** So many nodes stand in for holders that fail, at most: past them the whole cluster is in trouble. A reader that finds
 *  nothing at the holders asks these first. */
export const STAND_INS_MAX = 16

/** Where one write goes: the holders, and who stands in for those that fail. */
export class CopyTargets {
  readonly holders: readonly NodeId[]
  /** The nodes to begin with. Stand-ins take the places of holders that are known to be down, or take no chunks; there are fewer than holders
   *  when nobody is left. */
  readonly first: readonly NodeId[]
  readonly #chunk: ChunkId
  readonly #pair: LayoutPair
  readonly #peers: ChunkPeers
  /** Listed when the first one is needed. */
  #spares: NodeId[] | undefined

  constructor(chunk: ChunkId, pair: LayoutPair, peers: ChunkPeers) {
    this.#chunk = chunk
    this.#pair = pair
    this.#peers = peers
    this.holders = pair.writers(chunk)
    const first = this.holders.filter((node) => this.#isHealthy(node) && peers.takesChunks(node))
    while (first.length < this.holders.length) {
      const next = this.take(first)
      if (next === undefined) break
      first.push(next)
    }
    this.first = first
  }

  /** The next node to stand in, one in a zone that none of `used` is in if there is one; `undefined` if all were taken. */
  take(used: readonly NodeId[]): NodeId | undefined {
    this.#spares ??= this.#list()
    const zones = new Set(used.map((node) => this.#pair.next.zoneOf(node)))
    const elsewhere = this.#spares.findIndex((node) => this.#isHealthy(node) && !zones.has(this.#pair.next.zoneOf(node)))
    return this.#spares.splice(Math.max(0, elsewhere), 1)[0]
  }

  /** Healthy nodes first; a holder that seems to be down is tried when nobody else is left, and who takes no chunks is never tried. */
  #list(): NodeId[] {
    const candidates = this.#pair.next.candidates(this.#chunk).filter((node) => this.#peers.takesChunks(node))
    const holders = this.holders.filter((node) => this.#peers.takesChunks(node))
    const healthy = candidates.filter((node) => this.#isHealthy(node))
    const down = [...holders, ...candidates].filter((node) => !this.#isHealthy(node))
    return [...healthy.slice(0, STAND_INS_MAX), ...down.slice(0, STAND_INS_MAX)]
  }

  #isHealthy(node: NodeId): boolean {
    return node === this.#peers.self || this.#peers.isHealthy(node)
  }
}

/** Where the copies of a chunk belong, seen which there are: a holder that takes no chunks needs none, and the first of those that stand in has
 *  its place. So there are fewer than holders as long as nobody does. */
export function settledHolders(
  chunk: ChunkId,
  { pair, peers, durable }: { readonly pair: LayoutPair; readonly peers: ChunkPeers; readonly durable: ReadonlySet<NodeId> },
): readonly NodeId[] {
  const holders = pair.writers(chunk)
  if (holders.every((node) => peers.takesChunks(node))) return holders
  const settled = holders.filter((node) => peers.takesChunks(node) || durable.has(node))
  const standIns = pair.next.candidates(chunk).filter((node) => durable.has(node))
  return [...settled, ...standIns.slice(0, holders.length - settled.length)]
}
