import { ShoalError } from '#foundation/errors.ts'
import type { Change } from './journal-record.ts'
import type { PendingNode } from './pending-unit.ts'

/** Of something new. */
export function madeNode(change: Change<'create' | 'mkdir' | 'symlink'>): PendingNode {
  const { op, path, inode, mode, uid, gid, timeNs } = change
  const target = change.target === undefined ? undefined : Buffer.from(change.target, 'base64')
  const type = op === 'create' ? 'file' : op === 'mkdir' ? 'directory' : 'symlink'
  return {
    inode,
    attributes: {
      inode,
      ...{ type, mode, uid, gid, rdev: 0, version: 1, sha256: undefined, hasXattrs: false },
      links: type === 'directory' ? 2 : 1,
      sizeBytes: target?.length ?? 0,
      ...{ atimeNs: timeNs, mtimeNs: timeNs, ctimeNs: timeNs, btimeNs: timeNs },
    },
    base: undefined,
    target,
    ...placed(path),
  }
}

/** Of what the cluster has. @throws CORRUPT if the change doesn't say what that is */
export function adoptedNode({ inode, base, path }: Pick<Change<'remove'>, 'inode' | 'base' | 'path'>): PendingNode {
  if (base === undefined)
    throw new ShoalError('CORRUPT', `The journal changes inode ${inode}, of which it doesn't say what it was`)
  return { inode, attributes: { ...base, inode }, base, target: undefined, ...placed(path) }
}

function placed(path: string): Pick<PendingNode, 'layers' | 'path' | 'storedAt' | 'pending' | 'movedTo' | 'refused'> {
  return { layers: [], path, storedAt: path, pending: 0, movedTo: undefined, refused: undefined }
}
