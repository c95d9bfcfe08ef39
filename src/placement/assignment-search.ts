import { assert } from '#foundation/assert.ts'
import { NOBODY } from './assignment.ts'
import type { Assignment } from './assignment.ts'
import { Turns } from './turns.ts'

/** The label of what can't be reached. */
export const FAR = 0x7fff
/** Labels lie around 0; those beyond share the outermost bucket, which changes the order of work only. */
const LABEL_SPAN = 256

/** Vertices in the arrays: the nodes, the hub, the pools, the cells. */
export class Vertices {
  readonly hub: number
  readonly count: number
  readonly #nodes: number
  readonly #partitions: number
  readonly #zones: number

  constructor({ nodes, partitions, zones }: Assignment) {
    this.#nodes = nodes
    this.#partitions = partitions
    this.#zones = zones
    this.hub = nodes
    this.count = nodes + 1 + partitions + partitions * zones
  }

  pool(partition: number): number {
    return this.#nodes + 1 + partition
  }

  cell(partition: number, zone: number): number {
    return this.#nodes + 1 + this.#partitions + partition * this.#zones + zone
  }

  isNode(vertex: number): boolean {
    return vertex < this.#nodes
  }

  isPool(vertex: number): boolean {
    return vertex > this.#nodes && vertex <= this.#nodes + this.#partitions
  }

  /** Of a pool or a cell. */
  partitionOf(vertex: number): number {
    const at = vertex - this.#nodes - 1
    return at < this.#partitions ? at : Math.floor((at - this.#partitions) / this.#zones)
  }

  zoneOfCell(vertex: number): number {
    return (vertex - this.#nodes - 1 - this.#partitions) % this.#zones
  }
}

/** For each vertex the least cost of a path to it from a vertex that has too much. A cell that nothing of its partition lies in
 *  has no label of its own: it is as far as its pool. */
export class AssignmentSearch {
  readonly vertices: Vertices
  readonly labels: Int16Array
  /** What each node held when the labels were made. */
  readonly held: Uint16Array[] = []
  readonly #assignment: Assignment
  readonly #buckets: number[][] = Array.from({ length: 2 * LABEL_SPAN + 1 }, () => [])
  readonly #isQueued: Uint8Array
  #lowest = 0
  /** For each zone a label that none of its nodes is beyond, once one is known. */
  readonly #farthest: Int16Array
  /** The zones that each partition has a copy in. */
  readonly lowerZones: readonly number[]

  /** The order of all nodes, and that of a zone's, for each partition. */
  readonly turns: Turns
  readonly #turnsOf: readonly Turns[]

  constructor(assignment: Assignment) {
    this.#assignment = assignment
    this.turns = new Turns(assignment.nodes)
    const sizes = new Set(assignment.members.map(({ length }) => length))
    const turnsOfSize = new Map([...sizes].map((size) => [size, new Turns(size)]))
    this.#turnsOf = assignment.members.map(({ length }) => turnsOfSize.get(length) as Turns)
    this.vertices = new Vertices(assignment)
    this.labels = new Int16Array(this.vertices.count)
    this.#isQueued = new Uint8Array(this.vertices.count)
    this.#farthest = new Int16Array(assignment.zones)
    this.lowerZones = [...assignment.shape.lower.keys()].filter((zone) => (assignment.shape.lower[zone] as number) > 0)
  }

  /** The vertices that have too much. */
  *sources(): Generator<number> {
    const { partitions, nodes } = this.#assignment
    for (let node = 0; node < nodes; node += 1) if (this.exceeds(node)) yield node
    for (let partition = 0; partition < partitions; partition += 1) {
      if (!this.#isIncomplete(partition)) continue
      for (const zone of this.lowerZones) {
        if (this.#assignment.cellExceeds(partition, zone)) yield this.vertices.cell(partition, zone)
      }
      if (this.#assignment.poolExceeds(partition)) yield this.vertices.pool(partition)
    }
  }

  turnsOf(zone: number): Turns {
    return this.#turnsOf[zone] as Turns
  }

  hasExcess(): boolean {
    return this.sources().next().done !== true
  }

  exceeds(vertex: number): boolean {
    const { vertices } = this
    if (vertices.isNode(vertex)) return this.#assignment.excess(vertex) > 0
    if (vertices.isPool(vertex)) return this.#assignment.poolExceeds(vertices.partitionOf(vertex))
    return this.#assignment.cellExceeds(vertices.partitionOf(vertex), vertices.zoneOfCell(vertex))
  }

  /** Whether the vertex is where something is missing. */
  lacks(vertex: number): boolean {
    if (vertex === this.vertices.hub) return this.#assignment.hubRoom > 0
    return this.vertices.isNode(vertex) && this.#assignment.excess(vertex) < 0
  }

  /** Labels everything, and answers with the least label of a vertex where something is missing. */
  label(): number {
    this.#listHeld()
    this.labels.fill(FAR)
    this.#farthest.fill(FAR)
    for (const source of this.sources()) this.#lower(source, 0)
    for (let vertex = this.#next(); vertex !== -1; vertex = this.#next()) this.#relax(vertex)
    let target = FAR
    for (let vertex = 0; vertex <= this.vertices.hub; vertex += 1) {
      if (this.lacks(vertex)) target = Math.min(target, this.labels[vertex] as number)
    }
    assert(target < FAR, 'the shares of the nodes are feasible')
    return target
  }

  #isIncomplete(partition: number): boolean {
    const { holders, copies } = this.#assignment
    for (let at = partition * copies; at < (partition + 1) * copies; at += 1) if (holders[at] === NOBODY) return true
    return false
  }

  #listHeld(): void {
    const { holders, copies, nodes } = this.#assignment
    const lists: number[][] = Array.from({ length: nodes }, () => [])
    for (const [at, node] of holders.entries()) if (node !== NOBODY) lists[node]?.push(Math.floor(at / copies))
    for (const [node, list] of lists.entries()) this.held[node] = Uint16Array.from(list)
  }

  #lower(vertex: number, label: number): void {
    if ((this.labels[vertex] as number) <= label) return
    this.labels[vertex] = label
    this.#isQueued[vertex] = 1
    const bucket = Math.min(2 * LABEL_SPAN, Math.max(0, label + LABEL_SPAN))
    this.#buckets[bucket]?.push(vertex)
    this.#lowest = Math.min(this.#lowest, bucket)
  }

  /** The vertex to go on from, one with the least label; -1 if there is none. */
  #next(): number {
    for (; this.#lowest < this.#buckets.length; this.#lowest += 1) {
      const bucket = this.#buckets[this.#lowest] as number[]
      for (let vertex = bucket.pop(); vertex !== undefined; vertex = bucket.pop()) {
        if (this.#isQueued[vertex] === 0) continue
        this.#isQueued[vertex] = 0
        return vertex
      }
    }
    this.#lowest = 0
    return -1
  }

  #relax(vertex: number): void {
    const { vertices } = this
    if (vertex === vertices.hub) this.#relaxHub()
    else if (vertices.isNode(vertex)) this.#relaxNode(vertex)
    else if (vertices.isPool(vertex)) this.#relaxPool(vertices.partitionOf(vertex))
    else this.#relaxCell(vertices.partitionOf(vertex), vertices.zoneOfCell(vertex))
  }

  #relaxHub(): void {
    const label = this.labels[this.vertices.hub] as number
    for (let node = 0; node < this.#assignment.nodes; node += 1) if (this.#assignment.isInHub(node)) this.#lower(node, label)
  }

  #relaxNode(node: number): void {
    const label = this.labels[node] as number
    if (this.#assignment.mayEnterHub(node)) this.#lower(this.vertices.hub, label)
    const zone = this.#assignment.zoneOf(node)
    for (const partition of this.held[node] as Uint16Array) {
      const cost = this.#assignment.heldBefore(partition, node) ? 0 : 1
      this.#lower(this.vertices.cell(partition, zone), label - cost)
    }
  }

  #relaxCell(partition: number, zone: number): void {
    const label = this.labels[this.vertices.cell(partition, zone)] as number
    if (this.#assignment.cellGives(partition, zone)) this.#lower(this.vertices.pool(partition), label)
    this.#relaxMembers(partition, zone, label)
    this.#relaxBefore(partition, label, (other) => other === zone)
  }

  #relaxPool(partition: number): void {
    const { holders, copies } = this.#assignment
    const label = this.labels[this.vertices.pool(partition)] as number
    const reach = (zone: number): void => {
      if (this.#assignment.cellTakes(partition, zone)) this.#lower(this.vertices.cell(partition, zone), label)
    }
    for (const zone of this.lowerZones) reach(zone)
    for (let at = partition * copies; at < (partition + 1) * copies; at += 1) {
      if (holders[at] !== NOBODY) reach(this.#assignment.zoneOf(holders[at] as number))
    }
    for (let zone = 0; zone < this.#assignment.zones; zone += 1) {
      if (this.#isFartherThan(zone, label + 1) && this.#assignment.isUntouched(partition, zone)) {
        this.#relaxMembers(partition, zone, label)
      }
    }
    this.#relaxBefore(partition, label, (zone) => this.#assignment.isUntouched(partition, zone))
  }

  /** Whether a node of the zone may be beyond `label`: most zones soon have none, and need no look at each of their nodes. */
  #isFartherThan(zone: number, label: number): boolean {
    return (this.#farthest[zone] as number) > label
  }

  /** From a cell to its nodes, at cost 1. */
  #relaxMembers(partition: number, zone: number, label: number): void {
    if (!this.#isFartherThan(zone, label + 1)) return
    let farthest = -FAR
    for (const node of this.#assignment.members[zone] as Uint16Array) {
      if ((this.labels[node] as number) > label + 1 && !this.#assignment.isHeld(partition, node)) this.#lower(node, label + 1)
      farthest = Math.max(farthest, this.labels[node] as number)
    }
    this.#farthest[zone] = farthest
  }

  /** From a cell to those of its nodes that held the partition before, at no cost. */
  #relaxBefore(partition: number, label: number, isIn: (zone: number) => boolean): void {
    const { before, beforeEach } = this.#assignment
    for (let at = partition * beforeEach; at < (partition + 1) * beforeEach; at += 1) {
      const node = before[at] as number
      if (node === NOBODY || this.#assignment.isHeld(partition, node)) continue
      if (isIn(this.#assignment.zoneOf(node))) this.#lower(node, label)
    }
  }
}
