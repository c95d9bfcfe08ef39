import { hash } from 'node:crypto'
import type { Dot, EntryValue } from '#eventual/entry.ts'
import { msOf } from '#eventual/hybrid-clock.ts'
import type { ShownEntry } from '#eventual/listing.ts'
import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { keyOfPath } from '#foundation/object-key.ts'
import type { Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { type AttributeChanges, DEFAULT_DIRECTORY_MODE } from '#metadata/files.ts'

/** Bytes of a digest that a safe integer holds. */
const NUMBER_BYTES = 6

/** The prefix of all keys in a directory; of the root, which has no entry, the empty one. */
export function directoryKey(path: Path): string {
  return path.length === 0 ? '' : `${keyOfPath(path)}/`
}

/** The same on every node: the inode stands for the path, the version for the write. */
export function attributesOf(
  volume: string,
  { path, version, value }: Pick<ShownEntry, 'path' | 'version' | 'value'>,
): Attributes {
  const isDirectory = value.type === 'directory'
  return {
    inode: numberOf(`${volume}\0${path}`) as InodeId,
    type: value.type,
    mode: value.mode,
    uid: value.uid,
    gid: value.gid,
    links: isDirectory ? 2 : 1,
    sizeBytes: isDirectory ? 0 : value.sizeBytes,
    atimeNs: value.mtimeNs,
    mtimeNs: value.mtimeNs,
    ctimeNs: BigInt(msOf(version.time)) * 1_000_000n,
    btimeNs: value.btimeNs,
    rdev: 0,
    version: numberOfDot(version),
    sha256: value.sha256,
  }
}

/** Of a directory that is there because something is in it; the root's key is empty. */
export function impliedDirectory(volume: string, key: string, createdNs: bigint): Attributes {
  return {
    inode: key === '' ? ROOT_INODE : (numberOf(`${volume}\0${key}`) as InodeId),
    type: 'directory',
    mode: DEFAULT_DIRECTORY_MODE,
    uid: 0,
    gid: 0,
    links: 2,
    sizeBytes: 0,
    atimeNs: createdNs,
    mtimeNs: createdNs,
    ctimeNs: createdNs,
    btimeNs: createdNs,
    rdev: 0,
    version: 0,
    sha256: undefined,
  }
}

/** A number for a volume, as for an inode. */
export function numberOf(text: string): number {
  return hash('sha256', Buffer.from(text, 'utf8'), 'buffer').readUIntBE(0, NUMBER_BYTES)
}

/** Which versions somebody knows who has read the one of that entity tag. */
export function knownBy(etag: string | undefined): ((dot: Dot) => boolean) | undefined {
  if (etag === undefined) return undefined
  const version = Number.parseInt(etag.slice(etag.indexOf('-') + 1, -1), 16)
  return (dot) => numberOfDot(dot) === version
}

function numberOfDot({ time, node }: Dot): number {
  return numberOf(`${time} ${node}`)
}

/** An empty directory. */
export function directoryValue(attributes: Pick<EntryValue, 'mode' | 'uid' | 'gid' | 'mtimeNs'>): EntryValue {
  return {
    type: 'directory',
    sizeBytes: 0,
    sha256: undefined,
    ...attributes,
    btimeNs: attributes.mtimeNs,
    tags: new Map(),
    content: { kind: 'inline', bytes: Buffer.alloc(0) },
  }
}

export const NO_CONTENT = { kind: 'inline', bytes: Buffer.alloc(0) } as const

/** The version that a change is made over. */
export function baseOf(before: ShownEntry | undefined): Dot | 'absent' {
  return before === undefined ? 'absent' : { time: before.version.time, node: before.version.node }
}

export function valueChanges(changes: AttributeChanges | undefined): Partial<EntryValue> {
  const { mode, uid, gid, mtimeNs } = changes ?? {}
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(mtimeNs === undefined ? {} : { mtimeNs }),
  }
}
