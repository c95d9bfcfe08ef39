import type { ReservedRange } from '#volume/volume.ts'
import type { MountedNode } from './inode-table.ts'
import type { MountedVolume } from './mounted-volume.ts'
import { killPrivilegesFor } from './name-operations.ts'
import { refusal } from './protocol/errno.ts'
import type { FuseOperations } from './protocol/operations.ts'

/** fallocate(2). */
const KEEP_SIZE = 1
const PUNCH_HOLE = 2
const ZERO_RANGE = 16
/** lseek(2). */
const SEEK_DATA = 3

type SpaceOperations = Pick<FuseOperations, 'fallocate' | 'lseek'>

/** Where files are empty, and how they get so. What is set aside counts as occupied, but no room is held for it: it is a hole until it is
 *  written, and writing to it may fail for lack of room. */
export function spaceOperations(mounted: MountedVolume): Required<SpaceOperations> {
  const { volume, table, caller: by, clock } = mounted
  const setAside = async (node: MountedNode, range: ReservedRange): Promise<void> => {
    const { sizeBytes } = await mounted.stat(node)
    const end = range.keepsSize ? 0 : range.offset + range.length
    if (volume.reserve !== undefined) {
      const attributes = await volume.reserve(table.path(node), range, by)
      if (end > sizeBytes) mounted.cut(node, attributes)
    } else if (end > sizeBytes) mounted.cut(node, await volume.truncate(table.path(node), end, by))
    else await volume.setAttributes(table.path(node), { mtimeNs: clock.nowNs() }, by)
  }
  return {
    fallocate: async ({ offset, lengthBytes, mode }, { nodeId, uid }) => {
      const change = mode & ~KEEP_SIZE
      if (change !== 0 && change !== PUNCH_HOLE && change !== ZERO_RANGE) return refusal('EOPNOTSUPP')
      const node = table.get(nodeId)
      await mounted.flush(node)
      await killPrivilegesFor(mounted, node, uid)
      if (change !== 0) await mounted.rewritten(node, await volume.punch(table.path(node), { offset, length: lengthBytes }, by))
      if (change !== PUNCH_HOLE) await setAside(node, { offset, length: lengthBytes, keepsSize: (mode & KEEP_SIZE) !== 0 })
      return undefined
    },
    lseek: async ({ offset, whence }, { nodeId }) => {
      const node = table.get(nodeId)
      await mounted.flush(node)
      const found = await volume.locate(table.path(node))
      if (found?.attributes.inode !== node.inode) return refusal('ESTALE')
      const { sizeBytes } = found.attributes
      if (offset < 0 || offset >= sizeBytes) return refusal('ENXIO')
      const isWanted = (kind: string): boolean => (kind === 'hole') === (whence !== SEEK_DATA)
      const extent = found.extents.find(({ offset: at, length, kind }) => at + length > offset && isWanted(kind))
      if (extent !== undefined) return Math.max(offset, extent.offset)
      // Behind the last byte there is a hole.
      return whence === SEEK_DATA ? refusal('ENXIO') : sizeBytes
    },
  }
}
