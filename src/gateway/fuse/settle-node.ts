import type { Attributes } from '#metadata/attributes.ts'
import { occupiedOf } from '#volume/occupied.ts'
import type { MountedNode } from './inode-table.ts'

const SHOWN = ['sizeBytes', 'mtimeNs', 'mode', 'uid', 'gid', 'links'] as const
/** A directory shows what is pending in it, too. */
const SHOWN_OF_DIRECTORY = ['mode', 'uid', 'gid'] as const

export interface Settled {
  /** What was shown before the cluster had it. */
  readonly shown: Partial<Attributes> & Pick<Attributes, 'version'>
  readonly stored: Attributes
}

/** Whether the kernel is to be told that it was shown something else, since others have changed it meanwhile, or that it occupies other room. Takes
 *  what the cluster has made of a node for what the kernel has, where that is so. Of another change time the kernel hears when it asks again: to tell
 *  it at the next open costs more than the open. */
export function settle(node: MountedNode, { shown, stored }: Settled): boolean {
  if (stored.hasXattrs !== false) node.bareUntilMs = 0
  if (node.keptVersion === shown.version) node.keptVersion = stored.version
  const names = stored.type === 'directory' ? SHOWN_OF_DIRECTORY : SHOWN
  const isBarer = shown.hasXattrs !== true && stored.hasXattrs === true
  const isOther = isBarer || names.some((name) => shown[name] !== stored[name])
  if (node.toldNs === shown.ctimeNs) node.toldNs = stored.ctimeNs
  return isOther || occupiedOf({ ...stored, ...shown }) !== occupiedOf(stored)
}
