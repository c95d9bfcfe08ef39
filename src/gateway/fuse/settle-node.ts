import type { Attributes } from '#metadata/attributes.ts'
import { occupiedOf } from '#volume/occupied.ts'
import type { MountedNode } from './inode-table.ts'

const SAME = ['sizeBytes', 'mtimeNs', 'mode', 'uid', 'gid', 'links'] as const

export interface Settled {
  /** What was shown before the cluster had it. */
  readonly shown: Partial<Attributes> & Pick<Attributes, 'version'>
  readonly stored: Attributes
}

/** Whether the kernel is to be told that it occupies something else than was shown. Takes what the cluster has made of a node for what the kernel has, where that is so. Of another change time the kernel hears when it asks
 *  again: to tell it at the next open costs more than the open. */
export function settle(node: MountedNode, { shown, stored }: Settled): boolean {
  if (node.keptVersion === shown.version) node.keptVersion = stored.version
  if (node.toldNs === shown.ctimeNs && SAME.every((name) => shown[name] === stored[name])) node.toldNs = stored.ctimeNs
  return occupiedOf({ ...stored, ...shown }) !== occupiedOf(stored)
}
