import type { Attributes } from '#metadata/attributes.ts'
import type { AttributeChanges } from '#volume/volume.ts'
import type { DirtyPiece } from './dirty-ranges.ts'
import type { MountedNode } from './inode-table.ts'
import type { MountedVolume } from './mounted-volume.ts'
import type { LocalFile } from './own-volume.ts'

// What needs no waiting is done and answered in the turn in which it is asked for: a promise that is settled already costs a turn of the
// event loop, and a look at the device in which nothing has come.

/** Stores what is written to a node of which nothing waits, in this turn; false if that needs waiting. `bytes` aren't kept.
 *  @throws what the volume throws */
export function storeNow(mounted: MountedVolume, node: MountedNode, piece: DirtyPiece): boolean {
  return mounted.contents(node).written.isClean && store(mounted, node, piece)
}

/** Stores what was written to a node, in this turn; false if that needs waiting. @throws what the volume throws */
export function flushNow(mounted: MountedVolume, node: MountedNode): boolean {
  return mounted.isClean(node) || mounted.contents(node).written.flushNow((piece) => store(mounted, node, piece))
}

/** Changes attributes of a node but for its length, in this turn: what `changesOf` makes of those that it has. `undefined` if that needs
 *  waiting. @throws what the volume throws */
export function setAttributesNow(
  mounted: MountedVolume,
  node: MountedNode,
  changesOf: (there: Attributes) => AttributeChanges,
): Attributes | undefined {
  const { volume, table } = mounted
  if (volume.setAttributesNow === undefined || !flushNow(mounted, node)) return undefined
  const there = mounted.statNow(node)
  if (there === undefined) return undefined
  const changes = changesOf(there)
  return Object.keys(changes).length === 0 ? there : volume.setAttributesNow(table.path(node), changes)
}

/** What the volume says of a file now, as `MountedVolume.latest`, where the kernel has been told the same; `undefined` if that needs waiting. */
export function latestNow(mounted: MountedVolume, node: MountedNode): LocalFile | undefined {
  const { volume, table, notify } = mounted
  if (volume.openNow === undefined || !mounted.isClean(node)) return undefined
  const path = table.pathIfAny(node)
  const opened = path === undefined ? undefined : volume.openNow(path)
  if (opened === undefined) return undefined
  const { inode, ctimeNs } = opened.attributes
  if (inode !== node.inode || (ctimeNs !== node.toldNs && notify !== undefined)) {
    opened.close()
    return undefined
  }
  mounted.changed(node)
  mounted.contents(node).reader = opened
  return opened
}

function store(mounted: MountedVolume, node: MountedNode, piece: DirtyPiece): boolean {
  const { volume, table } = mounted
  if (volume.writeNow === undefined || mounted.statNow(node) === undefined) return false
  const attributes = volume.writeNow(table.path(node), piece)
  if (attributes === undefined) return false
  mounted.stored(node, attributes, piece)
  return true
}
