import type { MountedNode } from './inode-table.ts'
import type { MountedVolume } from './mounted-volume.ts'

/** Where a file ends, as far as it is known without asking. */
export function knownEnd(mounted: MountedVolume, node: MountedNode): number | undefined {
  const { written, reader, storedBytes } = mounted.contents(node)
  const stored = reader?.attributes.sizeBytes ?? storedBytes
  return stored === undefined ? undefined : Math.max(stored, written.end)
}

/** Where something is appended to a file. The kernel drops what it has of the file if it had `meant` another place: others have moved
 *  the end since it asked. */
export async function endToAppend(mounted: MountedVolume, node: MountedNode, meant: number): Promise<number> {
  const { sizeBytes } = await mounted.stat(node)
  const end = Math.max(sizeBytes, mounted.contents(node).written.end)
  if (end !== meant) mounted.drop(node)
  return end
}
