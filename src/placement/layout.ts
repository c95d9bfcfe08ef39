import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { rendezvousOrder } from './rendezvous.ts'

/** 4,096 partitions: at a thousand nodes and three copies each node has a dozen. */
export const PARTITION_BITS = 12
/** What `Layout.partitionOf` reads of a chunk id, and what keeps the arrays of `assignment-search.ts` small. */
export const PARTITION_BITS_MAX = 14
export const COPIES_MAX = 16
/** Two bytes of an encoded layout name a node. */
export const LAYOUT_NODES_MAX = 8_192

/** A node as a layout sees it. What it holds is proportional to `capacityBytes` × `weight`. */
export interface LayoutNode {
  readonly id: NodeId
  readonly zone: string
  readonly capacityBytes: number
  /** 1 unless the operator said otherwise, 0.001 to 1,000; 0 for a node that shall hold nothing. */
  readonly weight: number
}

export interface LayoutFields {
  /** One more with each layout of a class; a node goes by the greatest it knows. */
  readonly version: number
  readonly partitionBits: number
  /** Copies that were asked for. A partition has fewer only while there are fewer nodes. */
  readonly copies: number
  /** The least number of zones that was asked for. */
  readonly zones: number
  /** Those that may hold something, in ascending order of id. */
  readonly nodes: readonly LayoutNode[]
  /** For each partition, `holdersEach` indexes into `nodes`, the primary first. */
  readonly assignment: Uint16Array
}

/** Where a layout stays behind what was asked of it. */
export interface Shortfall {
  readonly copies: { readonly asked: number; readonly placed: number }
  /** `placed`: the zones of the partition that has the fewest. */
  readonly zones: { readonly asked: number; readonly placed: number }
}

/** A numbered, immutable assignment of the partitions of the chunk ids to nodes. */
export class Layout {
  readonly version: number
  readonly partitionBits: number
  readonly copies: number
  readonly zones: number
  readonly nodes: readonly LayoutNode[]
  readonly assignment: Uint16Array
  /** Copies that each partition has: `copies`, or the number of nodes if that is less. */
  readonly holdersEach: number
  readonly #holders: readonly (readonly NodeId[])[]
  readonly #indexes: ReadonlyMap<NodeId, number>

  constructor(fields: LayoutFields) {
    this.version = fields.version
    this.partitionBits = fields.partitionBits
    this.copies = fields.copies
    this.zones = fields.zones
    this.nodes = fields.nodes
    this.assignment = fields.assignment
    this.holdersEach = Math.min(this.copies, this.nodes.length)
    assert(this.assignment.length === this.partitions * this.holdersEach, 'a layout assigns each partition')
    this.#indexes = new Map(this.nodes.map(({ id }, index) => [id, index]))
    this.#holders = Array.from({ length: this.partitions }, (_, partition) => {
      const from = partition * this.holdersEach
      return Object.freeze(Array.from(this.assignment.subarray(from, from + this.holdersEach), (index) => this.#node(index).id))
    })
  }

  get partitions(): number {
    return 2 ** this.partitionBits
  }

  /** The first bits of the id. */
  partitionOf(chunk: ChunkId): number {
    return Number.parseInt(chunk.slice(0, 4), 16) >>> (16 - this.partitionBits)
  }

  /** The nodes that shall hold the chunk, the primary first. */
  holders(chunk: ChunkId): readonly NodeId[] {
    return this.#holders[this.partitionOf(chunk)] as readonly NodeId[]
  }

  /** The nodes that shall hold the chunks of a partition, the primary first. */
  holdersOf(partition: number): readonly NodeId[] {
    const holders = this.#holders[partition]
    if (holders !== undefined) return holders
    throw new ShoalError('INVALID_ARGUMENT', `There is no partition ${partition}: the layout has ${this.partitions}`)
  }

  /** All other nodes, in the order in which they stand in for a holder: the same on every node, so that a reader finds
   *  what a writer had to put elsewhere. Weighted rendezvous hashing, nodes in zones without a holder first. */
  candidates(chunk: ChunkId): NodeId[] {
    const partition = this.partitionOf(chunk)
    const holders = new Set(this.holdersOf(partition))
    const zones = new Set([...holders].map((id) => this.zoneOf(id)))
    const others = rendezvousOrder(
      partition,
      this.nodes.filter(({ id }) => !holders.has(id)),
    )
    const near = others.filter(({ zone }) => zones.has(zone))
    return [...others.filter(({ zone }) => !zones.has(zone)), ...near].map(({ id }) => id)
  }

  /** The zone of a node, `undefined` if it isn't in this layout. */
  zoneOf(node: NodeId): string | undefined {
    const index = this.#indexes.get(node)
    return index === undefined ? undefined : this.#node(index).zone
  }

  /** How many partitions each of `nodes` holds. */
  loads(): Uint32Array {
    const loads = new Uint32Array(this.nodes.length)
    for (const index of this.assignment) loads[index] = (loads[index] as number) + 1
    return loads
  }

  /** `undefined` if the layout is all that was asked. */
  shortfall(): Shortfall | undefined {
    let placed = this.nodes.length === 0 ? 0 : Number.POSITIVE_INFINITY
    for (const holders of this.#holders) placed = Math.min(placed, new Set(holders.map((id) => this.zoneOf(id))).size)
    if (this.holdersEach === this.copies && placed >= this.zones) return undefined
    return {
      copies: { asked: this.copies, placed: this.holdersEach },
      zones: { asked: this.zones, placed },
    }
  }

  #node(index: number): LayoutNode {
    const node = this.nodes[index]
    assert(node !== undefined, 'a layout assigns to its own nodes')
    return node
  }
}
