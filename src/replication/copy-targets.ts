import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { LayoutPair } from '#placement/layout-pair.ts'
import type { ChunkPeers } from './peers.ts'

/** So many nodes stand in for holders that fail, at most: past them the whole cluster is in trouble. A reader that finds
 *  nothing at the holders asks these first. */
export const STAND_INS_MAX = 16

/** Where one write goes: the holders, and who stands in for those that fail. */
export class CopyTargets {
  readonly holders: readonly NodeId[]
  /** The nodes to begin with. Stand-ins take the places of holders that are known to be down. */
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
    const first = this.holders.filter((node) => this.#isHealthy(node))
    while (first.length < this.holders.length) first.push(this.take(first) as NodeId)
    this.first = first
  }

  /** The next node to stand in, one in a zone that none of `used` is in if there is one; `undefined` if all were taken. */
  take(used: readonly NodeId[]): NodeId | undefined {
    this.#spares ??= this.#list()
    const zones = new Set(used.map((node) => this.#pair.next.zoneOf(node)))
    const elsewhere = this.#spares.findIndex((node) => this.#isHealthy(node) && !zones.has(this.#pair.next.zoneOf(node)))
    return this.#spares.splice(Math.max(0, elsewhere), 1)[0]
  }

  /** Healthy nodes first; a holder that seems to be down is tried when nobody else is left. */
  #list(): NodeId[] {
    const candidates = this.#pair.next.candidates(this.#chunk)
    const healthy = candidates.filter((node) => this.#isHealthy(node))
    const down = [...this.holders, ...candidates].filter((node) => !this.#isHealthy(node))
    return [...healthy.slice(0, STAND_INS_MAX), ...down.slice(0, STAND_INS_MAX)]
  }

  #isHealthy(node: NodeId): boolean {
    return node === this.#peers.self || this.#peers.isHealthy(node)
  }
}
