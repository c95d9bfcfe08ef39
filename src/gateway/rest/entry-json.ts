import { formatPath } from '#foundation/path.ts'
import type { Path } from '#foundation/path.ts'
import { decodeName } from '#foundation/name.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import { occupiedOf } from '#volume/occupied.ts'
import type { Change, Locations, UploadInfo, UploadPart } from '#volume/volume.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'

// The JSON of docs/rest.md, written from what the volume layer answers.

export function entryJson(path: Path, attributes: Attributes): Record<string, unknown> {
  const { sha256, hasXattrs, sizeBytes } = attributes
  const occupied = occupiedOf(attributes)
  return {
    path: formatPath(path),
    name: path.at(-1) ?? '',
    type: attributes.type,
    inode: attributes.inode,
    size: sizeBytes,
    ...(occupied === sizeBytes ? {} : { occupied }),
    mode: attributes.mode.toString(8).padStart(4, '0'),
    uid: attributes.uid,
    gid: attributes.gid,
    links: attributes.links,
    mtime: formatTimestamp(attributes.mtimeNs),
    atime: formatTimestamp(attributes.atimeNs),
    ctime: formatTimestamp(attributes.ctimeNs),
    btime: formatTimestamp(attributes.btimeNs),
    etag: entityTag(attributes),
    ...(sha256 === undefined ? {} : { sha256: sha256.toString('hex') }),
    rdev: attributes.rdev,
    ...(hasXattrs === undefined ? {} : { hasXattrs }),
  }
}

/** The text of `entryJson`, put together by hand: that costs half as much, and most answers to small writes are this. */
export function entryText(path: Path, attributes: Attributes): string {
  const { sha256, hasXattrs, sizeBytes } = attributes
  const bytes = occupiedOf(attributes)
  const occupied = bytes === sizeBytes ? '' : `,"occupied":${bytes}`
  const flag = hasXattrs === undefined ? '' : `,"hasXattrs":${hasXattrs}`
  const mode = attributes.mode.toString(8).padStart(4, '0')
  const digest = sha256 === undefined ? '' : `,"sha256":"${sha256.toString('hex')}"`
  return (
    `{"path":${JSON.stringify(formatPath(path))},"name":${JSON.stringify(path.at(-1) ?? '')},"type":"${attributes.type}"` +
    `,"inode":${attributes.inode},"size":${sizeBytes}${occupied},"mode":"${mode}","uid":${attributes.uid},"gid":${attributes.gid}` +
    `,"links":${attributes.links},"mtime":"${formatTimestamp(attributes.mtimeNs)}","atime":"${formatTimestamp(attributes.atimeNs)}"` +
    `,"ctime":"${formatTimestamp(attributes.ctimeNs)}","btime":"${formatTimestamp(attributes.btimeNs)}"` +
    `,"etag":${JSON.stringify(entityTag(attributes))}${digest},"rdev":${attributes.rdev}${flag}}`
  )
}

export function linkTarget(target: Buffer): string {
  return decodeName(target)
}

export function volumeJson(info: VolumeInfo): Record<string, unknown> {
  const { policy, usage } = info
  return {
    name: info.name,
    id: info.id,
    consistency: policy.consistency,
    class: policy.class,
    chunkSizeBytes: policy.chunkSizeBytes,
    quotaBytes: policy.quotaBytes ?? null,
    quotaFiles: policy.quotaFiles ?? null,
    durability: policy.durability,
    versioning: policy.versioning,
    ...info.eventual,
    usage: { bytes: usage.bytes, files: usage.files },
    created: formatTimestamp(info.createdNs),
  }
}

export function locationsJson(path: Path, locations: Locations): Record<string, unknown> {
  return {
    path: formatPath(path),
    size: locations.attributes.sizeBytes,
    extents: locations.extents.map(({ offset, length, kind, chunk, nodes, copies, state }) => ({
      offset,
      length,
      kind,
      ...(chunk === undefined ? {} : { chunk }),
      nodes,
      ...(chunk === undefined ? {} : { copies }),
      state,
    })),
  }
}

export function partJson(part: UploadPart): Record<string, unknown> {
  return { number: part.number, size: part.sizeBytes, sha256: part.sha256.toString('hex') }
}

export function uploadJson(upload: UploadInfo): Record<string, unknown> {
  return {
    id: upload.id,
    path: formatPath(upload.path),
    started: formatTimestamp(upload.startedNs),
    expires: formatTimestamp(upload.expiresNs),
    parts: upload.parts.map(partJson),
  }
}

export function changeJson(change: Change): Record<string, unknown> {
  return {
    cursor: change.cursor,
    time: formatTimestamp(change.timeNs),
    kind: change.kind,
    volume: change.volume,
    path: formatPath(change.path),
    ...(change.from === undefined ? {} : { from: formatPath(change.from) }),
    ...(change.type === undefined ? {} : { type: change.type }),
    ...(change.inode === undefined ? {} : { inode: change.inode }),
    ...(change.parent === undefined ? {} : { parent: change.parent }),
    ...(change.fromParent === undefined ? {} : { fromParent: change.fromParent }),
    ...(change.etag === undefined ? {} : { etag: change.etag }),
    by: change.principal,
  }
}
