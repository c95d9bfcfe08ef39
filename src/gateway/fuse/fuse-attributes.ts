import { TIME_NS_MAX } from '#foundation/timestamp.ts'
import type { Attributes, FileType } from '#metadata/attributes.ts'
import { occupiedOf } from '#volume/occupied.ts'
import type { FuseAttributes } from './protocol/replies.ts'
import type { FuseTime } from './protocol/requests.ts'

/** `S_IFMT` of stat(2), and what it says. */
export const TYPE_MASK = 0o170000
const TYPE_BITS = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  socket: 0o140000,
  'character-device': 0o020000,
  'block-device': 0o060000,
} as const satisfies Record<FileType, number>

const NS_PER_SECOND = 1_000_000_000n
const STAT_BLOCK_BYTES = 512
const BLOCK_BYTES = 4096

export function modeOf({ type, mode }: Pick<Attributes, 'type' | 'mode'>): number {
  return TYPE_BITS[type] | mode
}

/** The type in `mode`; a regular file if there is none. */
export function typeOf(mode: number): FileType {
  const found = Object.entries(TYPE_BITS).find(([, bits]) => bits === (mode & TYPE_MASK))
  return (found?.[0] ?? 'file') as FileType
}

/** `sizeBytes` and `occupiedBytes` are given where more was written than is stored, `links` where not all of them are shown. */
export function toFuseAttributes(
  attributes: Attributes,
  shown: Pick<Attributes, 'sizeBytes' | 'occupiedBytes' | 'links'> = attributes,
): FuseAttributes {
  return {
    inode: attributes.inode,
    mode: modeOf(attributes),
    links: shown.links,
    uid: attributes.uid,
    gid: attributes.gid,
    rdev: attributes.rdev,
    sizeBytes: shown.sizeBytes,
    blocks: Math.ceil(occupiedOf(shown) / STAT_BLOCK_BYTES),
    blockSizeBytes: BLOCK_BYTES,
    atime: accessed(attributes.atimeNs),
    mtime: modified(attributes.mtimeNs),
    ctime: changed(attributes.ctimeNs),
    btime: born(attributes.btimeNs),
  }
}

/** What volumes have no room for is the last time that they have, as on a disk. */
export function toNs({ seconds, nanoseconds }: FuseTime): bigint {
  const ns = BigInt(seconds) * NS_PER_SECOND + BigInt(nanoseconds)
  if (ns > TIME_NS_MAX) return TIME_NS_MAX
  return ns < -TIME_NS_MAX ? -TIME_NS_MAX : ns
}

const [accessed, modified, changed, born] = [toTimes(), toTimes(), toTimes(), toTimes()]

/** Makes times of one kind. What is told of a file again and again mostly has the same ones. */
function toTimes(): (ns: bigint) => FuseTime {
  let latestNs = 0n
  let latest: FuseTime = { seconds: 0, nanoseconds: 0 }
  return (ns) => {
    if (ns === latestNs) return latest
    const rest = Number(ns % NS_PER_SECOND)
    const nanoseconds = rest < 0 ? rest + Number(NS_PER_SECOND) : rest
    latest = { seconds: Number(ns / NS_PER_SECOND) - (rest < 0 ? 1 : 0), nanoseconds }
    latestNs = ns
    return latest
  }
}
