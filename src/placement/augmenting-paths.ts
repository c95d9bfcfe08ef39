import { NOBODY } from './assignment.ts'
import type { Assignment } from './assignment.ts'
import { FAR } from './assignment-search.ts'
import type { AssignmentSearch } from './assignment-search.ts'

/** No vertex. */
const NONE = -1
/** The hops of what wasn't reached. */
const UNSEEN = 0xffff

/** Finds paths of one and the same least cost, and moves one copy along each: a search in depth through the arcs whose cost is the
 *  difference of their ends' labels, and of these paths those of the fewest arcs (Dinic; without that the last few copies take
 *  many rounds). A vertex from which nothing led on isn't entered again. Which of several nodes comes first depends on the
 *  partition, so that a node shares its partitions with many others, and all of them help when it is lost. */
export class AugmentingPaths {
  readonly #assignment: Assignment
  readonly #search: AssignmentSearch
  readonly #target: number
  readonly #isEntered: Uint8Array
  /** For each vertex the arcs that lead to it, at least. */
  readonly #hops: Uint16Array
  #isSurveying = true
  readonly #path: number[] = []
  /** For each vertex of the path, which of its arcs comes next. */
  readonly #cursors: number[] = []

  constructor(assignment: Assignment, search: AssignmentSearch, target: number) {
    this.#assignment = assignment
    this.#search = search
    this.#target = target
    this.#isEntered = new Uint8Array(search.vertices.count)
    this.#hops = new Uint16Array(search.vertices.count).fill(UNSEEN)
    this.#survey()
    this.#isEntered.fill(0)
    this.#isSurveying = false
  }

  /** Counts the arcs of the shortest way to each vertex, up to the nearest one where something is missing. */
  #survey(): void {
    let front: number[] = []
    for (const source of this.#search.sources()) {
      if (this.#search.labels[source] !== 0 || this.#isEntered[source] === 1) continue
      this.#isEntered[source] = 1
      this.#hops[source] = 0
      front.push(source)
    }
    for (let hops = 1, isThere = false; front.length > 0 && !isThere; hops += 1) {
      const next: number[] = []
      for (const vertex of front) {
        this.#cursors[0] = 0
        for (let to = this.#advance(vertex); to !== NONE; to = this.#advance(vertex)) {
          this.#isEntered[to] = 1
          this.#hops[to] = hops
          next.push(to)
          isThere ||= this.#search.labels[to] === this.#target && this.#search.lacks(to)
        }
      }
      front = next
    }
    this.#cursors.length = 0
  }

  #mayEnter(vertex: number): boolean {
    return this.#isEntered[vertex] === 0 && (this.#isSurveying || this.#hops[vertex] === this.#path.length)
  }

  /** Moves one from `source`; false if there is no such path. */
  augment(source: number): boolean {
    if (this.#search.labels[source] !== 0 || this.#isEntered[source] === 1) return false
    this.#enter(source)
    while (this.#path.length > 0) {
      const vertex = this.#path.at(-1) as number
      if (this.#search.labels[vertex] === this.#target && this.#search.lacks(vertex)) {
        this.#apply()
        return true
      }
      const next = this.#advance(vertex)
      if (next !== NONE) this.#enter(next)
      else {
        this.#path.pop()
        this.#cursors.pop()
      }
    }
    return false
  }

  #enter(vertex: number): void {
    this.#isEntered[vertex] = 1
    this.#path.push(vertex)
    this.#cursors.push(0)
  }

  #apply(): void {
    const { vertices } = this.#search
    for (const [at, vertex] of this.#path.entries()) {
      this.#isEntered[vertex] = 0
      const next = this.#path[at + 1]
      if (next === undefined) break
      if (vertices.isNode(vertex)) {
        if (next === vertices.hub) this.#assignment.enterHub(vertex)
        else this.#assignment.remove(vertices.partitionOf(next), vertex)
      } else if (vertices.isNode(next)) {
        if (vertex === vertices.hub) this.#assignment.leaveHub(next)
        else this.#assignment.add(vertices.partitionOf(vertex), next)
      }
    }
    this.#path.length = 0
    this.#cursors.length = 0
  }

  /** The next vertex to go to from `vertex`, the last of the path; NONE if there is none. */
  #advance(vertex: number): number {
    const { vertices } = this.#search
    if (vertex === vertices.hub) return this.#fromHub()
    if (vertices.isNode(vertex)) return this.#fromNode(vertex)
    if (vertices.isPool(vertex)) return this.#fromPool(vertices.partitionOf(vertex))
    return this.#fromCell(vertices.partitionOf(vertex), vertices.zoneOfCell(vertex))
  }

  /** Which arc comes next; it is counted as looked at. */
  #take(): number {
    const last = this.#cursors.length - 1
    const cursor = this.#cursors[last] as number
    this.#cursors[last] = cursor + 1
    return cursor
  }

  #fromHub(): number {
    const { labels, vertices } = this.#search
    for (let node = this.#take(); node < this.#assignment.nodes; node = this.#take()) {
      if (this.#mayEnter(node) && this.#assignment.isInHub(node) && labels[node] === labels[vertices.hub]) return node
    }
    return NONE
  }

  #fromNode(node: number): number {
    const { labels, vertices } = this.#search
    const held = this.#search.held[node] as Uint16Array
    const label = labels[node] as number
    for (let cursor = this.#take(); cursor <= held.length; cursor = this.#take()) {
      if (cursor === held.length) {
        const { hub } = vertices
        if (this.#mayEnter(hub) && labels[hub] === label && this.#assignment.mayEnterHub(node)) return hub
        continue
      }
      const partition = held[cursor] as number
      const cell = vertices.cell(partition, this.#assignment.zoneOf(node))
      if (!this.#mayEnter(cell)) continue
      const cost = this.#assignment.heldBefore(partition, node) ? 0 : 1
      if (labels[cell] === label - cost && this.#assignment.isHeld(partition, node)) return cell
    }
    return NONE
  }

  #fromCell(partition: number, zone: number): number {
    const { labels, vertices } = this.#search
    const label = labels[vertices.cell(partition, zone)] as number
    const members = this.#assignment.members[zone] as Uint16Array
    const turns = this.#search.turnsOf(zone)
    const order = turns.orderOf(partition)
    const start = turns.startOf(partition)
    for (let cursor = this.#take(); cursor <= members.length; cursor = this.#take()) {
      if (cursor === members.length) {
        const pool = vertices.pool(partition)
        if (this.#mayEnter(pool) && labels[pool] === label && this.#assignment.cellGives(partition, zone)) return pool
        continue
      }
      const node = members[order[start + cursor] as number] as number
      if (this.#mayEnter(node) && this.#leadsTo(partition, node, label)) return node
    }
    return NONE
  }

  #fromPool(partition: number): number {
    const { labels, vertices, lowerZones, turns } = this.#search
    const { nodes, copies, holders } = this.#assignment
    const label = labels[vertices.pool(partition)] as number
    const order = turns.orderOf(partition)
    const start = turns.startOf(partition)
    for (let cursor = this.#take(); cursor < nodes + lowerZones.length + copies; cursor = this.#take()) {
      if (cursor < nodes) {
        const node = order[start + cursor] as number
        if (!this.#mayEnter(node)) continue
        const zone = this.#assignment.zoneOf(node)
        if (labels[vertices.cell(partition, zone)] !== FAR || !this.#assignment.isUntouched(partition, zone)) continue
        if (this.#leadsTo(partition, node, label)) return node
        continue
      }
      const holder = holders[partition * copies + cursor - nodes - lowerZones.length] ?? NOBODY
      const zone = lowerZones[cursor - nodes] ?? (holder === NOBODY ? undefined : this.#assignment.zoneOf(holder))
      if (zone === undefined) continue
      const cell = vertices.cell(partition, zone)
      if (this.#mayEnter(cell) && labels[cell] === label && this.#assignment.cellTakes(partition, zone)) return cell
    }
    return NONE
  }

  /** Whether a cell with that label can send a copy to the node. */
  #leadsTo(partition: number, node: number, label: number): boolean {
    const cost = (this.#search.labels[node] as number) - label
    if ((cost !== 0 && cost !== 1) || this.#assignment.isHeld(partition, node)) return false
    return cost === (this.#assignment.heldBefore(partition, node) ? 0 : 1)
  }
}
