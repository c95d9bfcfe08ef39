import type { VolumeInfo } from '#metadata/policy.ts'
import type { StatfsReply } from './protocol/replies.ts'

const BLOCK_BYTES = 4096
/** Shown as the size of a volume without a quota where nobody knows what has room: 1 PiB. And as its files. */
const BYTES_SHOWN = 2 ** 50
const FILES_SHOWN = 2 ** 40
const NAME_BYTES_MAX = 255

/** What `df` shows: of a volume with a quota that, otherwise what it holds and what else has room in the cluster, if that is known. */
export function spaceOf({ policy, usage }: Pick<VolumeInfo, 'policy' | 'usage'>, roomBytes: number | undefined): StatfsReply {
  const sizeBytes = policy.quotaBytes ?? (roomBytes === undefined ? BYTES_SHOWN : usage.bytes + roomBytes)
  const blocks = Math.floor(sizeBytes / BLOCK_BYTES)
  const freeBlocks = Math.max(0, blocks - Math.ceil(usage.bytes / BLOCK_BYTES))
  const files = policy.quotaFiles ?? FILES_SHOWN
  return {
    blockSizeBytes: BLOCK_BYTES,
    blocks,
    freeBlocks,
    // A quota promises no room.
    availableBlocks: Math.min(freeBlocks, Math.floor((roomBytes ?? Infinity) / BLOCK_BYTES)),
    files,
    freeFiles: Math.max(0, files - usage.files),
    nameBytesMax: NAME_BYTES_MAX,
  }
}
