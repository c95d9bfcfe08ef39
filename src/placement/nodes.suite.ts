import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { LayoutNode } from './layout.ts'

const TERABYTE = 1e12

export function nodeId(number: number): NodeId {
  return number.toString(16).padStart(32, '0') as NodeId
}

/** A node for tests: 1 TB in zone "a" unless told otherwise. */
export function node(number: number, fields: Partial<Omit<LayoutNode, 'id'>> = {}): LayoutNode {
  return { id: nodeId(number), zone: 'a', capacityBytes: TERABYTE, weight: 1, ...fields }
}

/** `count` nodes, one after the other in `zones` zones. */
export function nodes(count: number, zones = count): LayoutNode[] {
  return Array.from({ length: count }, (_, number) => node(number, { zone: `zone-${number % zones}` }))
}

/** A chunk that lies in the partition, of 2^12. */
export function chunkIn(partition: number): ChunkId {
  return `${partition.toString(16).padStart(3, '0')}${'5'.repeat(61)}` as ChunkId
}
