/** How many bytes of contents have room on nodes with so much left each, where every chunk has `copies` of them on as many nodes: what one node
 *  has left beyond what others can take copies of is of no use. */
export function roomFor(freeBytes: readonly number[], copies: number): number {
  const wanted = Math.min(copies, freeBytes.length)
  if (wanted === 0) return 0
  const sorted = freeBytes.map((bytes) => Math.max(0, bytes)).toSorted((a, b) => b - a)
  let rest = sorted.reduce((sum, bytes) => sum + bytes, 0)
  let room = Infinity
  // The largest ones hold one copy of everything, and the others all further ones.
  for (let full = 0; full < wanted; full += 1) {
    room = Math.min(room, rest / (wanted - full))
    rest -= sorted[full] as number
  }
  return Math.floor(room)
}
