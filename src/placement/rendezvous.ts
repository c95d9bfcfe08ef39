import type { LayoutNode } from './layout.ts'
import { mixed } from './mixed.ts'

/** FNV-1a over the id, begun with the partition. */
function hash(partition: number, id: string): number {
  let bits = 0x811c9dc5 ^ Math.imul(partition + 1, 0x9e3779b1)
  for (let at = 0; at < id.length; at += 1) bits = Math.imul(bits ^ id.charCodeAt(at), 0x01000193)
  return mixed(bits)
}

/** The nodes in the order of weighted rendezvous hashing (Thaler and Ravishankar; the logarithmic weights are Schindelhauer and
 *  Schomaker's): each comes first for a share of the partitions that is proportional to its capacity × weight, and a
 *  node that comes or goes changes the order of no others. */
export function rendezvousOrder(partition: number, nodes: readonly LayoutNode[]): LayoutNode[] {
  const scored = nodes.map((node) => {
    const fraction = (hash(partition, node.id) + 0.5) / 2 ** 32
    return { node, score: -Math.log(fraction) / (node.capacityBytes * node.weight) }
  })
  scored.sort((a, b) => a.score - b.score || (a.node.id < b.node.id ? -1 : 1))
  return scored.map(({ node }) => node)
}
