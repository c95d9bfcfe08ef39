import type { RemoteEntry } from '#client/wire.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { parseTimestamp } from '#foundation/timestamp.ts'
import type { Attributes } from '#metadata/attributes.ts'

/** What a node said of an entry, as the volume's port has it. @throws INTERNAL for an entity tag that is none of Shoal's */
export function attributesOf(entry: RemoteEntry): Attributes {
  return {
    inode: entry.inode as InodeId,
    type: entry.type,
    mode: Number.parseInt(entry.mode, 8),
    uid: entry.uid,
    gid: entry.gid,
    links: entry.links,
    sizeBytes: entry.size,
    atimeNs: parseTimestamp(entry.atime, 'atime'),
    mtimeNs: parseTimestamp(entry.mtime, 'mtime'),
    ctimeNs: parseTimestamp(entry.ctime, 'ctime'),
    btimeNs: parseTimestamp(entry.btime, 'btime'),
    rdev: entry.rdev,
    ...(entry.hasXattrs === undefined ? {} : { hasXattrs: entry.hasXattrs }),
    version: versionOf(entry.etag),
    sha256: entry.sha256 === undefined ? undefined : Buffer.from(entry.sha256, 'hex'),
  }
}

/** Entity tags are inode and version, in hexadecimal. */
export function versionOf(etag: string): number {
  const version = /^"[0-9a-f]+-([0-9a-f]+)"$/.exec(etag)?.[1]
  if (version === undefined) throw new ShoalError('INTERNAL', `The node sent the entity tag ${etag}, which is none of Shoal's`)
  return Number.parseInt(version, 16)
}
