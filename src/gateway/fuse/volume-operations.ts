import { directoryOperations } from './directory-operations.ts'
import { fileOperations } from './file-operations.ts'
import type { FileLockService } from './file-lock-service.ts'
import { lockOperations } from './lock-operations.ts'
import type { MountedVolume } from './mounted-volume.ts'
import { nameOperations } from './name-operations.ts'
import type { FuseOperations } from './protocol/operations.ts'
import { spaceOperations } from './space-operations.ts'
import { xattrOperations } from './xattr-operations.ts'

const BLOCK_BYTES = 4096
/** Shown as the size of a volume without a quota: 1 PiB, and as many files as bytes of a TiB. */
const BYTES_SHOWN = 2 ** 50
const FILES_SHOWN = 2 ** 40
const NAME_BYTES_MAX = 255

/** A volume as a file system, written through: what `close` and `fsync` have answered is in the volume. */
export function volumeOperations(
  mounted: MountedVolume,
  {
    keepsXattrs = true,
    keepsAcls = false,
    locks,
  }: { readonly keepsXattrs?: boolean; readonly keepsAcls?: boolean; readonly locks?: FileLockService | undefined } = {},
): FuseOperations {
  const operations = {
    ...nameOperations(mounted),
    ...fileOperations(mounted),
    ...directoryOperations(mounted),
    ...spaceOperations(mounted),
    ...(keepsXattrs ? xattrOperations(mounted, { acls: keepsAcls }) : {}),
    statfs: () => {
      const { policy, usage } = mounted.volume.info
      const blocks = Math.floor((policy.quotaBytes ?? BYTES_SHOWN) / BLOCK_BYTES)
      const freeBlocks = Math.max(0, blocks - Math.ceil(usage.bytes / BLOCK_BYTES))
      const files = policy.quotaFiles ?? FILES_SHOWN
      return {
        blockSizeBytes: BLOCK_BYTES,
        blocks,
        freeBlocks,
        availableBlocks: freeBlocks,
        files,
        freeFiles: Math.max(0, files - usage.files),
        nameBytesMax: NAME_BYTES_MAX,
      }
    },
  }
  // Without a service the kernel keeps locks to itself.
  return locks === undefined ? operations : { ...operations, ...lockOperations(mounted, locks, operations) }
}
