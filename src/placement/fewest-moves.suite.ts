import type { Layout } from './layout.ts'
import { shapeZones, shareOut } from './shares.ts'

/** The fewest copies that any layout with the shares and zones of `next` moves, found by going through all of them, partition by partition: for
 *  layouts of a few partitions and nodes. */
export function fewestMoves(previous: Layout, next: Layout): number {
  const { nodes, holdersEach, partitions } = next
  const shape = shapeZones(nodes, holdersEach)
  const { floors, mayExceed } = shareOut(nodes, shape, partitions)
  const choices = subsets(nodes.length, holdersEach).filter((subset) =>
    shape.names.every((_, zone) => {
      const copies = subset.filter((node) => shape.zoneOf[node] === zone).length
      const lower = shape.lower[zone] as number
      return copies >= lower && copies <= lower + (shape.extra[zone] as number)
    }),
  )
  // The least cost of each sum of loads that can be had with the partitions so far.
  let reached = new Map<string, { loads: number[]; moves: number }>([['', { loads: nodes.map(() => 0), moves: 0 }]])
  for (let partition = 0; partition < partitions; partition += 1) {
    const before = previous.holdersOf(partition)
    const more: typeof reached = new Map()
    for (const { loads, moves } of reached.values()) {
      for (const choice of choices) {
        const sum = loads.map((load, node) => load + (choice.includes(node) ? 1 : 0))
        if (sum.some((load, node) => load > (floors[node] as number) + (mayExceed[node] as number))) continue
        const cost = moves + choice.filter((node) => !before.includes((nodes[node] as { id: (typeof before)[number] }).id)).length
        const known = more.get(sum.join())
        if (known === undefined || known.moves > cost) more.set(sum.join(), { loads: sum, moves: cost })
      }
    }
    reached = more
  }
  const full = [...reached.values()].filter(({ loads }) => loads.every((load, node) => load >= (floors[node] as number)))
  return Math.min(...full.map(({ moves }) => moves))
}

function subsets(count: number, size: number): number[][] {
  if (size === 0) return [[]]
  if (count < size) return []
  return [...subsets(count - 1, size), ...subsets(count - 1, size - 1).map((subset) => [...subset, count - 1])]
}
