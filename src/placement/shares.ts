import type { LayoutNode } from './layout.ts'

/** How the copies of every partition lie over the zones: as evenly as their nodes allow. */
export interface ZoneShape {
  readonly names: readonly string[]
  /** For each node the index of its zone. */
  readonly zoneOf: Uint16Array
  /** For each zone the copies of every partition that lie in it. */
  readonly lower: Uint8Array
  /** For each zone 1 if one copy more may lie in it. */
  readonly extra: Uint8Array
  /** How many zones get that one more, in each partition. */
  readonly extras: number
}

/** Copies of a partition lie in distinct zones where there are enough of them. Otherwise no zone has two more than
 *  another that has nodes left. `copies` must not exceed the number of nodes. */
export function shapeZones(nodes: readonly LayoutNode[], copies: number): ZoneShape {
  const names = [...new Set(nodes.map(({ zone }) => zone))].toSorted()
  const indexes = new Map(names.map((name, index) => [name, index]))
  const zoneOf = Uint16Array.from(nodes, ({ zone }) => indexes.get(zone) as number)
  const sizes = new Uint16Array(names.length)
  for (const zone of zoneOf) sizes[zone] = (sizes[zone] as number) + 1
  const room = (level: number): number => sizes.reduce((sum, size) => sum + Math.min(size, level), 0)
  let level = 1
  while (room(level) < copies) level += 1
  return {
    names,
    zoneOf,
    lower: Uint8Array.from(sizes, (size) => Math.min(size, level - 1)),
    extra: Uint8Array.from(sizes, (size) => (size >= level ? 1 : 0)),
    extras: copies - room(level - 1),
  }
}

/** Halvings that bring the level of `fillLevel` to where doubles end, however unequal the nodes are. */
const HALVINGS = 200
/** A share that is so close to a whole number is one. Less than 1 / LAYOUT_NODES_MAX, so that no sum of whole numbers
 *  comes out wrong. */
const WHOLE = 1e-5

export interface Shares {
  /** The fewest partitions that each node gets. */
  readonly floors: Uint32Array
  /** 1 for a node that may get one more. */
  readonly mayExceed: Uint8Array
}

/** What each node holds: proportional to its capacity × weight, but no partition twice, and within what `shape` leaves to its
 *  zone; what one can't take goes to the others in proportion (max-min fairness). The exact shares are fractions. They are
 *  a feasible flow, so by the integrality of flows there is an assignment that gives each node its share rounded up or down. */
export function shareOut(nodes: readonly LayoutNode[], shape: ZoneShape, partitions: number): Shares {
  const weights = nodes.map(({ capacityBytes, weight }) => capacityBytes * weight)
  const members: number[][] = shape.names.map(() => [])
  for (const [node, zone] of shape.zoneOf.entries()) members[zone]?.push(weights[node] as number)
  const bounds = shape.names.map((_, zone) => {
    const least = partitions * (shape.lower[zone] as number)
    return { least, most: least + partitions * (shape.extra[zone] as number) }
  })
  const levelMax = partitions / Math.min(...weights)
  const sumOf = (zone: number, level: number): number =>
    (members[zone] as number[]).reduce((sum, weight) => sum + Math.min(partitions, level * weight), 0)
  const clamped = (zone: number, level: number): number => {
    const { least, most } = bounds[zone] as { least: number; most: number }
    return Math.min(most, Math.max(least, sumOf(zone, level)))
  }
  const zones = [...shape.names.keys()]
  const total = partitions * (shape.extras + shape.lower.reduce((sum, copies) => sum + copies, 0))
  const common = fillLevel(levelMax, total, (level) => zones.reduce((sum, zone) => sum + clamped(zone, level), 0))
  const levels = zones.map((zone) => fillLevel(levelMax, clamped(zone, common), (level) => sumOf(zone, level)))

  const floors = new Uint32Array(nodes.length)
  const mayExceed = new Uint8Array(nodes.length)
  for (const [node, zone] of shape.zoneOf.entries()) {
    const share = Math.min(partitions, (levels[zone] as number) * (weights[node] as number))
    const whole = Math.round(share)
    const isWhole = Math.abs(share - whole) < WHOLE
    floors[node] = isWhole ? whole : Math.floor(share)
    mayExceed[node] = isWhole ? 0 : 1
  }
  return { floors, mayExceed }
}

/** The least level at which `filled`, which grows with it, reaches `total`. */
function fillLevel(levelMax: number, total: number, filled: (level: number) => number): number {
  let low = 0
  let high = levelMax
  for (let step = 0; step < HALVINGS && low < high; step += 1) {
    const middle = (low + high) / 2
    if (middle === low || middle === high) break
    if (filled(middle) < total) low = middle
    else high = middle
  }
  return high
}
