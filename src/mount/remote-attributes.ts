import type { RemoteEntry } from '#client/wire.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { tryParseTimestamp } from '#foundation/timestamp.ts'
import { type Attributes, FILE_TYPES } from '#metadata/attributes.ts'

const TYPES: ReadonlySet<unknown> = new Set(FILE_TYPES)
const OCTAL = /^[0-7]{1,6}$/

/** What a node said of an entry, as the volume's port has it. @throws INTERNAL for what can't be said of an entry of Shoal's */
export function attributesOf(entry: RemoteEntry): Attributes {
  const counts = [entry.inode, entry.size, entry.occupied ?? 0, entry.uid, entry.gid, entry.links, entry.rdev]
  if (!counts.every(isCount) || entry.inode === 0 || !TYPES.has(entry.type) || !OCTAL.test(entry.mode))
    throw new ShoalError('INTERNAL', `The node described "${entry.path}" in a way that no entry is`)
  return {
    inode: entry.inode as InodeId,
    type: entry.type,
    mode: Number.parseInt(entry.mode, 8),
    uid: entry.uid,
    gid: entry.gid,
    links: entry.links,
    sizeBytes: entry.size,
    ...(entry.occupied === undefined ? {} : { occupiedBytes: entry.occupied }),
    atimeNs: timeOf(entry.atime),
    mtimeNs: timeOf(entry.mtime),
    ctimeNs: timeOf(entry.ctime),
    btimeNs: timeOf(entry.btime),
    rdev: entry.rdev,
    ...(entry.hasXattrs === undefined ? {} : { hasXattrs: entry.hasXattrs }),
    version: versionOf(entry.etag),
    // Nobody asks a mount for it, and it would lie in memory and in the journal with each entry.
    sha256: undefined,
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function timeOf(text: string): bigint {
  const timeNs = typeof text === 'string' ? tryParseTimestamp(text) : undefined
  if (timeNs === undefined) throw new ShoalError('INTERNAL', `The node sent "${text}" for a time`)
  return timeNs
}

/** Entity tags are inode and version, in hexadecimal. */
export function versionOf(etag: string): number {
  const version = /^"[0-9a-f]+-([0-9a-f]+)"$/.exec(etag)?.[1]
  if (version === undefined) throw new ShoalError('INTERNAL', `The node sent the entity tag ${etag}, which is none of Shoal's`)
  return Number.parseInt(version, 16)
}
