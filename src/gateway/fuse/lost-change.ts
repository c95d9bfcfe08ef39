import type { InodeId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import type { MountedVolume } from './mounted-volume.ts'

/** What was shown of an inode, and at these paths, isn't what the cluster has: the kernel forgets it. Others may have been faster by a change of
 *  which it was told while what this mount had made was shown over it. */
export function tellLost(mounted: MountedVolume, inode: InodeId, paths: readonly Path[]): void {
  const { table, coherence, listings } = mounted
  const tell: MountedVolume['notify'] = async (notification) => {
    await mounted.notify?.(notification).catch(() => undefined)
  }
  const node = table.find(inode)
  if (node !== undefined) {
    node.keptVersion = undefined
    node.bareUntilMs = 0
    mounted.changed(node)
    mounted.drop(node)
    for (const entry of table.names(node)) void tell(entry)
  }
  for (const path of paths) {
    const parent = table.nodeAt(path.slice(0, -1))
    const name = path.at(-1)
    if (parent === undefined || name === undefined) continue
    coherence.changed(parent.inode)
    listings.changed(parent)
    void tell({ kind: 'entry', parentId: parent.nodeId, name })
    mounted.drop(parent)
  }
}

/** A directory that was made here is one that others have made before: it may hold more than was shown. */
export function tellShared(mounted: MountedVolume, inode: InodeId): void {
  const node = mounted.table.find(inode)
  if (node === undefined) return
  mounted.coherence.changed(inode)
  mounted.listings.changed(node)
  mounted.drop(node)
}
