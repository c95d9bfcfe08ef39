import type { Shares, ZoneShape } from './shares.ts'

export const NOBODY = 0xffff

export interface AssignmentOptions {
  readonly partitions: number
  readonly shape: ZoneShape
  readonly shares: Shares
  /** For each partition `beforeEach` indexes of the nodes that hold it now, NOBODY for those that are none any more. */
  readonly before: Uint16Array
}

/** An assignment in the making, as a flow through these vertices:
 *
 *  * the **pool** of a partition has the `shape.extras` copies that go to a zone of their choice, one each;
 *  * the **cell** of a partition and a zone has the `shape.lower` copies that always lie there, takes one from the pool at most,
 *    and sends each copy to another node of the zone;
 *  * a **node** keeps `shares.floors` copies, and may send one more to
 *  * the **hub**, which takes as many of those as are left over in all.
 *
 *  When no vertex has more than it may keep, each partition has its copies, each in the right zones, and each node its share. An
 *  arc from a cell to a node costs 1 unless the node held the partition before: the cost of the flow is the number of copies
 *  that move. */
export class Assignment {
  readonly partitions: number
  readonly nodes: number
  readonly zones: number
  readonly copies: number
  readonly shape: ZoneShape
  /** For each partition `copies` nodes, NOBODY where one is missing. */
  readonly holders: Uint16Array
  /** For each zone its nodes. */
  readonly members: readonly Uint16Array[]
  /** What the partitions' holders were: `beforeEach` for each. */
  readonly before: Uint16Array
  readonly beforeEach: number
  hubRoom: number
  readonly #shares: Shares
  readonly #loads: Uint32Array
  readonly #inHub: Uint8Array

  constructor({ partitions, shape, shares, before }: AssignmentOptions) {
    this.partitions = partitions
    this.shape = shape
    this.nodes = shape.zoneOf.length
    this.zones = shape.names.length
    this.copies = shape.extras + shape.lower.reduce((sum, copies) => sum + copies, 0)
    this.holders = new Uint16Array(partitions * this.copies).fill(NOBODY)
    this.members = shape.names.map((_, zone) =>
      Uint16Array.from([...shape.zoneOf.keys()].filter((node) => shape.zoneOf[node] === zone)),
    )
    this.#shares = shares
    this.before = before
    this.beforeEach = before.length / partitions
    this.#loads = new Uint32Array(this.nodes)
    this.#inHub = new Uint8Array(this.nodes)
    this.hubRoom = partitions * this.copies - shares.floors.reduce((sum, floor) => sum + floor, 0)
    this.#keep()
  }

  zoneOf(node: number): number {
    return this.shape.zoneOf[node] as number
  }

  heldBefore(partition: number, node: number): boolean {
    const from = partition * this.beforeEach
    for (let at = from; at < from + this.beforeEach; at += 1) if (this.before[at] === node) return true
    return false
  }

  isHeld(partition: number, node: number): boolean {
    return this.#slotOf(partition, node) !== -1
  }

  /** Copies of the partition in the zone. */
  cellLoad(partition: number, zone: number): number {
    const from = partition * this.copies
    let load = 0
    for (let at = from; at < from + this.copies; at += 1) {
      const node = this.holders[at] as number
      if (node !== NOBODY && this.shape.zoneOf[node] === zone) load += 1
    }
    return load
  }

  /** Whether the cell can take one from its pool. */
  cellTakes(partition: number, zone: number): boolean {
    return this.shape.extra[zone] === 1 && this.cellLoad(partition, zone) <= (this.shape.lower[zone] as number)
  }

  /** Whether nothing of the partition lies in the zone, nor must, and something may. */
  isUntouched(partition: number, zone: number): boolean {
    return this.shape.extra[zone] === 1 && this.shape.lower[zone] === 0 && this.cellLoad(partition, zone) === 0
  }

  /** Whether the cell has one of its pool's. */
  cellGives(partition: number, zone: number): boolean {
    return this.cellLoad(partition, zone) > (this.shape.lower[zone] as number)
  }

  cellExceeds(partition: number, zone: number): boolean {
    return this.cellLoad(partition, zone) < (this.shape.lower[zone] as number)
  }

  poolExceeds(partition: number): boolean {
    const from = partition * this.copies
    let missing = 0
    for (let at = from; at < from + this.copies; at += 1) if (this.holders[at] === NOBODY) missing += 1
    if (missing === 0) return false
    for (let zone = 0; zone < this.zones; zone += 1) {
      const lower = this.shape.lower[zone] as number
      if (lower > 0) missing -= Math.max(0, lower - this.cellLoad(partition, zone))
    }
    return missing > 0
  }

  /** What the node has beyond its share rounded down, less what it has sent to the hub: positive if it must give some
   *  away, negative if it must get some. */
  excess(node: number): number {
    return (this.#loads[node] as number) - (this.#inHub[node] as number) - (this.#shares.floors[node] as number)
  }

  isInHub(node: number): boolean {
    return this.#inHub[node] === 1
  }

  mayEnterHub(node: number): boolean {
    return this.#inHub[node] === 0 && this.#shares.mayExceed[node] === 1
  }

  add(partition: number, node: number): void {
    this.holders[this.#slotOf(partition, NOBODY)] = node
    this.#loads[node] = (this.#loads[node] as number) + 1
  }

  remove(partition: number, node: number): void {
    this.holders[this.#slotOf(partition, node)] = NOBODY
    this.#loads[node] = (this.#loads[node] as number) - 1
  }

  enterHub(node: number): void {
    this.#inHub[node] = 1
    this.hubRoom -= 1
  }

  leaveHub(node: number): void {
    this.#inHub[node] = 0
    this.hubRoom += 1
  }

  #slotOf(partition: number, node: number): number {
    const from = partition * this.copies
    for (let at = from; at < from + this.copies; at += 1) if (this.holders[at] === node) return at
    return -1
  }

  /** Begins with what the nodes hold already, as far as the zones allow. Each arc that is used costs nothing, so this is the
   *  cheapest flow of what it moves, and stays so with each cheapest path that is added. */
  #keep(): void {
    for (let partition = 0; partition < this.partitions; partition += 1) {
      let extras = this.shape.extras
      for (let at = partition * this.beforeEach; at < (partition + 1) * this.beforeEach; at += 1) {
        const node = this.before[at] as number
        if (node === NOBODY) continue
        const zone = this.zoneOf(node)
        if (!this.cellExceeds(partition, zone)) {
          if (extras === 0 || !this.cellTakes(partition, zone)) continue
          extras -= 1
        }
        this.add(partition, node)
      }
    }
    for (let node = 0; node < this.nodes; node += 1) {
      if (this.hubRoom > 0 && this.mayEnterHub(node) && this.excess(node) > 0) this.enterHub(node)
    }
  }
}
