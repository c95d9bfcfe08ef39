/** Rounds in which primaries are handed over to holders that have fewer; they come to rest after two or three. */
const ROUNDS_MAX = 8

/** Puts each partition's holders in order, the primary first, so that each node is primary for about the same part of what it holds:
 *  a primary sends to the others, and its link carries that. Moves no copy. */
export function orderHolders(holders: Uint16Array, { partitions, nodes }: { partitions: number; nodes: number }): Uint16Array {
  const copies = holders.length / partitions
  const loads = new Float64Array(nodes)
  for (const node of holders) loads[node] = (loads[node] as number) + 1
  const primaries = new Float64Array(nodes)
  const chosen = new Uint16Array(partitions)
  const shareOf = (node: number, more: number): number => ((primaries[node] as number) + more) / (loads[node] as number)

  for (let partition = 0; partition < partitions; partition += 1) {
    const own = holders.subarray(partition * copies, (partition + 1) * copies).toSorted()
    const best = own.reduce((least, node) => (shareOf(node, 1) < shareOf(least, 1) ? node : least))
    chosen[partition] = best
    primaries[best] = (primaries[best] as number) + 1
  }
  for (let round = 0, isOver = false; round < ROUNDS_MAX && !isOver; round += 1) {
    isOver = true
    for (let partition = 0; partition < partitions; partition += 1) {
      const current = chosen[partition] as number
      const own = holders.subarray(partition * copies, (partition + 1) * copies).toSorted()
      const best = own.reduce((least, node) => (shareOf(node, 1) < shareOf(least, 1) ? node : least))
      if (best === current || shareOf(best, 1) >= shareOf(current, 0)) continue
      chosen[partition] = best
      primaries[best] = (primaries[best] as number) + 1
      primaries[current] = (primaries[current] as number) - 1
      isOver = false
    }
  }

  const ordered = new Uint16Array(holders.length)
  for (let partition = 0; partition < partitions; partition += 1) {
    const own = holders.subarray(partition * copies, (partition + 1) * copies).toSorted()
    const first = own.indexOf(chosen[partition] as number)
    for (let at = 0; at < copies; at += 1) ordered[partition * copies + at] = own[(first + at) % copies] as number
  }
  return ordered
}
